"""Which packages are installed."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Operation, Request
from beeyard.application.operations.package_views import PackageView, package_view

if TYPE_CHECKING:
    from beeyard.application.master import Master


class PackageList(Request[list[PackageView]]):
    """All of them."""


async def package_list(master: "Master", request: PackageList, call: Call) -> list[PackageView]:
    """List the packages that are installed here."""
    return [package_view(master, one, call) for one in await master.packages.look()]


OPERATION = Operation("package_list", PackageList, package_list, route="GET /v1/packages")
