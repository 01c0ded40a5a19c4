"""Start workers."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Names, Operation, Request, Seconds
from beeyard.application.operations.settling import settled
from beeyard.application.views import WorkerView

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Start(Request[list[WorkerView]]):
    """Names of workers or groups. `wait`: answer when each is where it was asked to be, or can't get there;
    `restored`: their data is as it was before, and an older version may read it."""

    workers: Names
    wait: bool = True
    timeout: Seconds = 60.0
    restored: bool = False


async def start(master: "Master", request: Start, call: Call) -> list[WorkerView]:
    """Start workers or groups; a failed or waiting one starts at once.

    Raises:
        Refused: `restored` was said of one that lives: it may write to its data still.
    """
    for name in request.workers:
        master.find(name)
    for name in request.workers:
        await master.start_worker(name, call.caller.because, restored=request.restored)
    return await settled(master, request.workers, request.timeout if request.wait else 0.0, call)


OPERATION = Operation("start", Start, start, role="operator", changes=True)
