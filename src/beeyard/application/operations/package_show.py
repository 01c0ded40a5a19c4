"""All there is to know of one package."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operation import Call, Operation, Request
from beeyard.application.operations.package_views import PackageView, package_view
from beeyard.application.packages.status import PackageStatus
from beeyard.domain.errors import BeeyardError, NotFound
from beeyard.domain.packages import PackageName, Trust
from beeyard.ports.package_manager import Offered

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Build(Struct, frozen=True):
    """One that can be had. `size`: bytes to bring; `yanked`: why it is not to be taken."""

    version: str
    platform: str
    channels: tuple[str, ...]
    size: int
    trust: Trust
    repository: str
    yanked: str = ""


class PackageDetail(Struct, frozen=True):
    """`status`: how the last install went, or goes. `unknown`: why nobody can say what else there is; empty: this is
    all. `as_of`: when the repository said what is available, in wall-clock seconds, where that is not so now."""

    name: str
    installed: list[PackageView]
    available: list[Build]
    status: PackageStatus | None
    unknown: str
    as_of: float | None = None


class PackageShow(Request[PackageDetail]):
    """A package's name. `local`: ask no repository."""

    package: PackageName
    local: bool = False


async def package_show(master: "Master", request: PackageShow, call: Call) -> PackageDetail:
    """Show one package: what is installed of it, what there is, how its last install went.

    Raises:
        NotFound: nobody knows it.
    """
    name = request.package
    installed = [package_view(master, one, call) for one in await master.packages.look() if one.manifest.name == name]
    available: Sequence[Offered] = ()
    unknown, as_of = "" if not request.local else "no repository was asked", None
    if not request.local:
        try:
            shelf = await master.packages.shown(name)
            available, unknown, as_of = shelf.offers, str(shelf.unknown or ""), shelf.as_of
        except BeeyardError as error:
            unknown = str(error)
    status = master.packages.statuses.get(name)
    if not installed and not available and (status is None or status.state == "failed"):
        text = "nothing is known of {package}: {reason}" if unknown else "there is no package {package}"
        raise NotFound("no_such_package", text, package=name, reason=unknown, hint="beeyard package search")
    builds = [
        Build(
            version=one.manifest.version,
            platform=one.manifest.platform,
            channels=one.channels,
            size=one.size,
            trust=one.trust,
            repository=one.repository,
            yanked=one.yanked,
        )
        for one in available
    ]
    return PackageDetail(name, installed, builds, status, unknown, as_of)


OPERATION = Operation("package_show", PackageShow, package_show, route="GET /v1/packages/{package}")
