"""What the repositories have, for people to look at: where one can't be reached, what it said last, how old, and why.

Nothing is chosen and installed from this: who installs asks for what is so now.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from beeyard.application.packages.gathering import manager_of
from beeyard.domain.errors import Unavailable
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.package_manager import Offered, PackageManager


class Shelf(Struct, frozen=True):
    """Of one repository: the `names` of its packages, or the `offers` of one of them.

    `as_of`: when it said that, in wall-clock seconds, and `unknown` why nothing newer is known; None: it is so now.
    """

    repository: RepositorySpec
    names: Sequence[str] = ()
    offers: Sequence[Offered] = ()
    as_of: float | None = None
    unknown: Unavailable | None = None


async def shelf(managers: Mapping[str, PackageManager], repository: RepositorySpec, package: str = "") -> Shelf:
    """All names, or the builds of one package. Raises Refused; Untrusted; Unavailable where nothing good
    is remembered."""
    manager = manager_of(managers, repository)
    try:
        if package:
            return Shelf(repository, offers=await manager.offers(repository, package))
        return Shelf(repository, names=await manager.catalog(repository))
    except Unavailable as error:
        if (said := await manager.remembered(repository, package)) is None:
            raise
        return Shelf(repository, said.names, said.offers, said.at, error)
