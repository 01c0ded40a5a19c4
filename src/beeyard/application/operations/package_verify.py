"""Are installed packages as they were signed?"""

from typing import TYPE_CHECKING, get_args

import msgspec
from msgspec.structs import replace

from beeyard.application.operation import Call, Operation, Request
from beeyard.application.operations.package_views import Packages, PackageView, chosen, package_view
from beeyard.domain.packages import PaperKind
from beeyard.ports.package_manager import Installed
from beeyard.ports.package_store import Depth

if TYPE_CHECKING:
    from beeyard.application.master import Master


class PackageVerify(Request[list[PackageView]]):
    """Packages; none: all. `depth`: whether it is there; sizes, modes and links; or every byte. `papers`: bring
    SBOM and provenance from the repositories as well, and see whether they are those of these packages."""

    packages: Packages = msgspec.field(default_factory=list)
    depth: Depth = "digests"
    papers: bool = False


async def package_verify(master: "Master", request: PackageVerify, call: Call) -> list[PackageView]:
    """Verify that installed packages are as they were signed; what is damaged is started no more until it is repaired.

    Raises:
        NotFound: one is not installed.
        Untrusted, Unavailable: a paper is another than was vouched for, or can't be had.
    """
    await master.packages.look()
    found = chosen(master, request.packages)
    for number, one in enumerate(found):
        call.tell("progress", {"done": number, "of": len(found), "worker": str(one), "state": "looked at"})
        await master.packages.verify(one, request.depth)
    views = [package_view(master, one, call) for one in found]
    if not request.papers:
        return views
    return [replace(view, papers=await _papers(master, one)) for view, one in zip(views, found, strict=True)]


async def _papers(master: "Master", one: Installed) -> list[PaperKind]:
    return [kind for kind in get_args(PaperKind) if await master.packages.paper(one, kind) is not None]


OPERATION = Operation("package_verify", PackageVerify, package_verify, role="operator", changes=True)
