"""Start workers."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operations.base import Caller, Operation
from beeyard.application.operations.settling import settled
from beeyard.application.views import WorkerView

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Start(Struct):
    """Names of workers or groups. `wait`: answer when each is where it was asked to be, or can't get there."""

    workers: list[str]
    wait: bool = True
    timeout: float = 60.0


async def start(master: "Master", request: Start, caller: Caller) -> list[WorkerView]:
    """Start workers or groups; a failed or waiting one starts at once."""
    for name in request.workers:
        master.find(name)
    for name in request.workers:
        await master.start_worker(name, caller.name)
    return await settled(master, request.workers, request.timeout if request.wait else 0.0)


OPERATION = Operation("start", Start, list[WorkerView], start, changes=True, role="operator")
