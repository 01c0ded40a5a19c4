"""Are installed packages as they were signed?"""

from typing import TYPE_CHECKING

import msgspec

from beeyard.application.operation import Call, Operation, Request
from beeyard.application.operations.package_views import Packages, PackageView, chosen, package_view
from beeyard.ports.package_store import Depth

if TYPE_CHECKING:
    from beeyard.application.master import Master


class PackageVerify(Request[list[PackageView]]):
    """Packages; none: all. `depth`: whether it is there; sizes, modes and links; or every byte."""

    packages: Packages = msgspec.field(default_factory=list)
    depth: Depth = "digests"


async def package_verify(master: "Master", request: PackageVerify, call: Call) -> list[PackageView]:
    """Verify that installed packages are as they were signed; what is damaged is started no more until it is repaired.

    Raises:
        NotFound: one is not installed.
    """
    await master.packages.look()
    found = chosen(master, request.packages)
    for number, one in enumerate(found):
        call.tell("progress", {"done": number, "of": len(found), "worker": str(one), "state": "looked at"})
        await master.packages.verify(one, request.depth)
    return [package_view(master, one, call) for one in found]


OPERATION = Operation("package_verify", PackageVerify, package_verify, role="operator", changes=True)
