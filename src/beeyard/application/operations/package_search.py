"""What the repositories have."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operation import Call, Operation, Request
from beeyard.domain.packages import PackageName

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Found(Struct, frozen=True):
    """One package, its repository, and the newest version of it that is installed; empty: none."""

    name: str
    repository: str
    installed: str


class PackageSearch(Request[list[Found]]):
    """A part of a name; none: all."""

    package: PackageName | None = None


async def package_search(master: "Master", request: PackageSearch, call: Call) -> list[Found]:
    """Search the repositories for packages whose name contains a text.

    Raises:
        Unavailable: a repository does not answer.
        Untrusted: what it says is not to be believed.
    """
    there = {one.manifest.name: one.manifest.version for one in await master.packages.look()}
    return [
        Found(name, repository, there.get(name, ""))
        for repository, names in (await master.packages.catalog()).items()
        for name in sorted(names)
        if (request.package or "") in name
    ]


OPERATION = Operation("package_search", PackageSearch, package_search)
