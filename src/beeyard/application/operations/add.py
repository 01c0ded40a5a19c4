"""Add workers."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operations.base import Caller, Operation
from beeyard.application.operations.settling import settled
from beeyard.application.views import WorkerView
from beeyard.domain.spec import WorkerSpec

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Add(Struct):
    """Complete specs, with all defaults filled in."""

    specs: list[WorkerSpec]
    wait: bool = True
    timeout: float = 60.0


async def add(master: "Master", request: Add, caller: Caller) -> list[WorkerView]:
    """Add workers that no worker file names, and start them."""
    await master.add_workers(request.specs, caller.name)
    return await settled(master, [spec.id for spec in request.specs], request.timeout if request.wait else 0.0)


OPERATION = Operation("add", Add, list[WorkerView], add, changes=True, role="admin")
