"""Stop workers."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Names, Operation, Request, Seconds
from beeyard.application.operations.settling import settled
from beeyard.application.views import WorkerView

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Stop(Request[list[WorkerView]]):
    """Names of workers or groups. `wait`: answer when each is where it was asked to be, or can't get there; `force`:
    kill them at once."""

    workers: Names
    wait: bool = True
    timeout: Seconds = 60.0
    force: bool = False


async def stop(master: "Master", request: Stop, call: Call) -> list[WorkerView]:
    """Stop workers or groups, as their stop sequence says or by force, and keep them down."""
    master.require_allowed(request.workers, "kill" if request.force else "stop")
    for name in request.workers:
        await master.stop_worker(name, call.caller.because, force=request.force)
    return await settled(master, request.workers, request.timeout if request.wait else 0.0, call)


OPERATION = Operation("stop", Stop, stop, role="operator", changes=True)
