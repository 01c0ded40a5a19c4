"""Take workers back to the version before."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Name, Operation, Request
from beeyard.application.operations.package_views import Version
from beeyard.application.packages.moves import Move
from beeyard.domain.values import instance_of

if TYPE_CHECKING:
    from beeyard.application.master import Master


class PackageRollback(Request[list[Move]]):
    """A package, or a worker or group of it alone. `to`: this version; none: the last healthy one before.
    `restored`: their data is as it was before, and that version may read it."""

    name: Name
    to: Version | None = None
    restored: bool = False


async def package_rollback(master: "Master", request: PackageRollback, call: Call) -> list[Move]:
    """Roll a package back to a version that is installed; the present one is not tried again by itself.

    Raises:
        NotFound: no worker runs from it.
        Refused: there is nothing to go back to, or it can't read the data that the present version wrote.
    """
    known = any(request.name in (name, instance_of(name)) for name in master.supervisors)
    groups = [instance_of(request.name)] if known else master.updates.groups(request.name)

    async def move(group: str) -> Move:
        return await master.updates.rollback(group, request.to or "", call.caller.because, restored=request.restored)

    return await master.updates.each(groups, move)


OPERATION = Operation(
    "package_rollback", PackageRollback, package_rollback, role="operator", changes=True, install=True
)
