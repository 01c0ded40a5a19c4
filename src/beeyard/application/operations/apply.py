"""Make the workers as a file wishes them."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operations.base import Caller, Operation
from beeyard.application.views import WorkerView
from beeyard.domain.plan import Plan
from beeyard.domain.spec import WorkerSpec

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Apply(Struct):
    """All workers of one file; `origin` is its path. With `dry_run` nothing is changed."""

    specs: list[WorkerSpec]
    origin: str
    dry_run: bool = False


class Applied(Struct):
    """What was changed, or would be; and all workers as they are right after."""

    plan: Plan
    workers: list[WorkerView]


async def apply(master: "Master", request: Apply, caller: Caller) -> Applied:
    """Add, change and remove workers so that they are as a worker file says; what did not change is left alone."""
    if request.dry_run:
        plan = master.plan(request.specs, request.origin)
    else:
        plan = await master.apply(request.specs, request.origin, caller.name)
    return Applied(plan, master.get_all_worker_states_with_diagnostics())


OPERATION = Operation("apply", Apply, Applied, apply, changes=True, role="admin")
