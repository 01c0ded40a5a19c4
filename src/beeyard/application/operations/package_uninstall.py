"""Take packages away."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Operation, Request
from beeyard.application.operations.package_views import Packages, chosen
from beeyard.application.packages.asked import uninstall

if TYPE_CHECKING:
    from beeyard.application.master import Master


class PackageUninstall(Request[list[str]]):
    """Packages, each perhaps with a version or a range; without one in all versions. `force`: also what workers would
    go back to."""

    packages: Packages
    force: bool = False


async def package_uninstall(master: "Master", request: PackageUninstall, call: Call) -> list[str]:
    """Uninstall packages that no worker and no other package needs.

    Raises:
        NotFound: one is not installed.
        Refused: `package_needed`, a worker runs from one or may yet have to, or another package needs it;
            `package_kept`, and no force: workers would go back to it.
    """
    await master.packages.look()
    found = chosen(master, request.packages)
    await uninstall(master.packages, master.supplies, found, force=request.force)
    return [str(one) for one in found]


OPERATION = Operation(
    "package_uninstall", PackageUninstall, package_uninstall, role="operator", changes=True, install=True
)
