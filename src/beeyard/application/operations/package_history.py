"""What was done to packages."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Limit, Operation, Request
from beeyard.domain.packages import PackageName
from beeyard.ports.journal import Entry

if TYPE_CHECKING:
    from beeyard.application.master import Master


class PackageHistory(Request[list[Entry]]):
    """A package's name; none: all. The newest `limit` entries."""

    package: PackageName | None = None
    limit: Limit = 50


async def package_history(master: "Master", request: PackageHistory, call: Call) -> list[Entry]:
    """Show what was installed, repaired and removed, by whom and why; newest first.

    Raises:
        Unavailable: the journal can't be read.
    """
    return await master.audit.about("package_", request.package or "", request.limit)


OPERATION = Operation("package_history", PackageHistory, package_history, role="operator")
