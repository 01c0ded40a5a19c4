"""Make the workers as a file wishes them."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operation import Call, Operation, Request, Specs
from beeyard.application.views import WorkerView
from beeyard.domain.master import MasterSpec
from beeyard.domain.plan import Plan
from beeyard.domain.spec import Origin

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Applied(Struct):
    """What was changed, or would be; and all workers as they are right after."""

    plan: Plan
    workers: list[WorkerView]


class Apply(Request[Applied]):
    """All workers of one file; `origin` is its path, `master` what it says of the master itself. With `dry_run` nothing
    is changed."""

    specs: Specs
    origin: Origin
    master: MasterSpec | None = None
    dry_run: bool = False


async def apply(master: "Master", request: Apply, call: Call) -> Applied:
    """Add, change and remove workers so that they are as a worker file says; what did not change is left alone."""
    caller = call.caller
    plan = master.plan(request.specs, request.origin, request.master)
    caller.require(OPERATION, plan.remove, whole=request.master is not None)
    if not request.dry_run:
        plan = await master.apply(request.specs, request.origin, caller.because, request.master)
    return Applied(
        plan, [view for view in master.get_all_worker_states_with_diagnostics() if caller.grant.sees(view.id)]
    )


OPERATION = Operation("apply", Apply, apply, role="operator", changes=True, install=True)
