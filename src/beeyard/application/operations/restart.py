"""Restart workers."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operations.base import Caller, Operation
from beeyard.application.operations.settling import settled
from beeyard.application.views import WorkerView

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Restart(Struct):
    """Names of workers or groups. `wait`: answer when each is where it was asked to be, or can't get there."""

    workers: list[str]
    wait: bool = True
    timeout: float = 60.0


async def restart(master: "Master", request: Restart, caller: Caller) -> list[WorkerView]:
    """Stop and start workers or groups; those that are down are started."""
    for name in request.workers:
        master.find(name)
    for name in request.workers:
        await master.restart_worker(name, caller.name)
    return await settled(master, request.workers, request.timeout if request.wait else 0.0)


OPERATION = Operation("restart", Restart, list[WorkerView], restart, changes=True, role="operator")
