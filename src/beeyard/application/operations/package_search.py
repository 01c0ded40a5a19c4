"""What the repositories have."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operation import Call, Operation, Request
from beeyard.domain.packages import PackageName

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Found(Struct, frozen=True):
    """One package, its repository, and the newest version of it that is installed; empty: none.

    `as_of`: when the repository said so, in wall-clock seconds, and `unknown` why nothing newer is known; None: now.
    """

    name: str
    repository: str
    installed: str
    as_of: float | None = None
    unknown: str = ""


class PackageSearch(Request[list[Found]]):
    """A part of a name; none: all."""

    package: PackageName | None = None


async def package_search(master: "Master", request: PackageSearch, call: Call) -> list[Found]:
    """Search the repositories for packages whose name contains a text.

    Raises:
        Unavailable: a repository does not answer, and what it said before is out of date or has no such name.
        Untrusted: what it says is not to be believed.
    """
    there = {one.manifest.name: one.manifest.version for one in await master.packages.look()}
    shelves = await master.packages.catalog()
    found = [
        Found(name, one.repository.name, there.get(name, ""), one.as_of, str(one.unknown or ""))
        for one in shelves
        for name in sorted(one.names)
        if (request.package or "") in name
    ]
    if not found and (why := next((one.unknown for one in shelves if one.unknown), None)):
        raise why.with_traceback(None)  # It may well be there by now.
    return found


OPERATION = Operation("package_search", PackageSearch, package_search)
