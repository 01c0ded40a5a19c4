"""List workers."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operations.base import Caller, Operation
from beeyard.application.views import WorkerView, view

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Ps(Struct):
    """Names of workers or groups; none means all."""

    workers: list[str] = []


async def ps(master: "Master", request: Ps, caller: Caller) -> list[WorkerView]:
    """Show every worker: state, health, process, restarts."""
    if not request.workers:
        return master.get_all_worker_states_with_diagnostics()
    now = master.clock.now()
    return [view(supervisor.worker, now) for name in request.workers for supervisor in master.find(name)]


OPERATION = Operation("ps", Ps, list[WorkerView], ps)
