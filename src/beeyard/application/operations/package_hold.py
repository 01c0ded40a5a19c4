"""Keep a package from being updated."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Operation, Request
from beeyard.domain.packages import PackageName

if TYPE_CHECKING:
    from beeyard.application.master import Master


class PackageHold(Request[list[str]]):
    """A package's name."""

    package: PackageName


async def package_hold(master: "Master", request: PackageHold, call: Call) -> list[str]:
    """Keep workers on the version of a package that they have, whatever else comes; what goes back still does."""
    await master.updates.hold(request.package, call.caller.because)
    return sorted(master.versions.holds)


OPERATION = Operation("package_hold", PackageHold, package_hold, role="operator", changes=True, install=True)
