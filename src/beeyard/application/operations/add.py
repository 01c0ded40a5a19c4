"""Add workers."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Operation, Request, Seconds, Specs
from beeyard.application.operations.settling import settled
from beeyard.application.views import WorkerView

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Add(Request[list[WorkerView]]):
    """Complete specs, with all defaults filled in."""

    specs: Specs
    wait: bool = True
    timeout: Seconds = 60.0


async def add(master: "Master", request: Add, call: Call) -> list[WorkerView]:
    """Add workers that no worker file names, and start them."""
    await master.add_workers(request.specs, call.caller.because)
    return await settled(master, [spec.id for spec in request.specs], request.timeout if request.wait else 0.0, call)


OPERATION = Operation("add", Add, add, role="operator", changes=True, install=True)
