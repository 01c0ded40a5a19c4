"""Let a package be updated again."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Operation, Request
from beeyard.domain.packages import PackageName

if TYPE_CHECKING:
    from beeyard.application.master import Master


class PackageUnhold(Request[list[str]]):
    """A package's name."""

    package: PackageName


async def package_unhold(master: "Master", request: PackageUnhold, call: Call) -> list[str]:
    """Let a package be updated again that was put on hold; the names of those that still are come back."""
    await master.updates.hold(request.package, "")
    return sorted(master.versions.holds)


OPERATION = Operation("package_unhold", PackageUnhold, package_unhold, role="operator", changes=True, install=True)
