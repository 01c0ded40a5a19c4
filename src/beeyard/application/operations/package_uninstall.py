"""Take packages away."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Operation, Request
from beeyard.application.operations.package_views import Packages, chosen
from beeyard.application.packages.asked import uninstall

if TYPE_CHECKING:
    from beeyard.application.master import Master


class PackageUninstall(Request[list[str]]):
    """Packages, each perhaps with a version or a range; without one in all versions."""

    packages: Packages


async def package_uninstall(master: "Master", request: PackageUninstall, call: Call) -> list[str]:
    """Uninstall packages that no worker and no other package needs.

    Raises:
        NotFound: one is not installed.
        Refused: `package_needed`, a worker runs from one, or another package needs it.
    """
    await master.packages.look()
    found = chosen(master, request.packages)
    await uninstall(master.packages, master.supplies, found)
    return [str(one) for one in found]


OPERATION = Operation(
    "package_uninstall", PackageUninstall, package_uninstall, role="operator", changes=True, install=True
)
