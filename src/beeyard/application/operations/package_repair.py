"""Make damaged packages whole."""

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from beeyard.application.operation import Call, Operation, Request
from beeyard.application.operations.package_views import Packages, chosen
from beeyard.application.packages.status import PackageStatus
from beeyard.domain.worker import Running
from beeyard.ports.package_store import Damage

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Repaired(Struct, frozen=True):
    """One package, and what was wrong with it: nothing, if that is empty. `workers` were started before it was mended,
    and have its old files until they are restarted."""

    package: str
    damage: list[Damage]
    workers: list[str] = []


class PackageRepair(Request[list[Repaired]]):
    """Packages; none: all."""

    packages: Packages = msgspec.field(default_factory=list)


async def package_repair(master: "Master", request: PackageRepair, call: Call) -> list[Repaired]:
    """Repair packages that are not as they were signed; what is damaged is kept in quarantine.

    Raises:
        NotFound: one is not installed, or its repository is not in the worker file any more.
        Unavailable: its repository does not answer.
    """

    def tell(status: PackageStatus) -> None:
        call.tell("progress", {"package": status})

    await master.packages.look()
    found = []
    for one in chosen(master, request.packages):
        damage = await master.packages.repair(one, tell)
        users = [*master.supplies.users(one.digest), *master.supplies.beside(one.digest)] if damage else []
        old = [name for name in users if isinstance(master.supervisors[name].worker.phase, Running)]
        found.append(Repaired(str(one), damage, [name for name in old if call.caller.grant.sees(name)]))
    return found


OPERATION = Operation("package_repair", PackageRepair, package_repair, role="operator", changes=True, install=True)
