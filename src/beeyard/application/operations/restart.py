"""Restart workers."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Names, Operation, Request, Seconds
from beeyard.application.operations.settling import settled
from beeyard.application.views import WorkerView

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Restart(Request[list[WorkerView]]):
    """Names of workers or groups. `wait`: answer when each is where it was asked to be, or can't get there."""

    workers: Names
    wait: bool = True
    timeout: Seconds = 60.0


async def restart(master: "Master", request: Restart, call: Call) -> list[WorkerView]:
    """Stop and start workers or groups; those that are down are started."""
    master.require_allowed(request.workers, "restart")
    for name in request.workers:
        await master.restart_worker(name, call.caller.because)
    return await settled(master, request.workers, request.timeout if request.wait else 0.0, call)


OPERATION = Operation("restart", Restart, restart, role="operator", changes=True)
