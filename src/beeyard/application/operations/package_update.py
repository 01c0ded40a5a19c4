"""Take workers to a newer version of their package."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Operation, Request
from beeyard.application.operations.package_views import Packages, Version
from beeyard.application.packages.moves import Move
from beeyard.application.packages.status import PackageStatus
from beeyard.domain.packages import wanted

if TYPE_CHECKING:
    from beeyard.application.master import Master


class PackageUpdate(Request[list[Move]]):
    """Names of packages. `to`: this version; none: the newest that each worker's file takes. `restored`:
    their data is as it was before, and that version may read it."""

    packages: Packages
    to: Version | None = None
    dry_run: bool = False
    restored: bool = False


async def package_update(master: "Master", request: PackageUpdate, call: Call) -> list[Move]:
    """Update packages: bring the newest versions, and have the rollout of each worker that runs from them begin.

    Raises:
        NotFound: no worker runs from one, or no repository has it.
        Refused: it is on hold; a rollout is under way; the worker file asks for other versions.
        Untrusted: what came is not what was signed.
        Unavailable: a repository does not answer, or it takes too long.
    """

    def tell(status: PackageStatus) -> None:
        call.tell("progress", {"package": status})

    groups = [group for text in request.packages for group in master.updates.groups(wanted(text).name)]
    to, by, dry, restored = request.to or "", call.caller.because, request.dry_run, request.restored

    async def move(group: str) -> Move:
        return await master.updates.update(group, to, by, tell, dry_run=dry, restored=restored)

    return await master.updates.each(groups, move)


OPERATION = Operation("package_update", PackageUpdate, package_update, role="operator", changes=True, install=True)
