"""Start workers."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Names, Operation, Request, Seconds
from beeyard.application.operations.settling import settled
from beeyard.application.views import WorkerView

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Start(Request[list[WorkerView]]):
    """Names of workers or groups. `wait`: answer when each is where it was asked to be, or can't get there."""

    workers: Names
    wait: bool = True
    timeout: Seconds = 60.0


async def start(master: "Master", request: Start, call: Call) -> list[WorkerView]:
    """Start workers or groups; a failed or waiting one starts at once."""
    for name in request.workers:
        master.find(name)
    for name in request.workers:
        await master.start_worker(name, call.caller.because)
    return await settled(master, request.workers, request.timeout if request.wait else 0.0, call)


OPERATION = Operation("start", Start, start, role="operator", changes=True)
