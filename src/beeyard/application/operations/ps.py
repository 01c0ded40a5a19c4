"""List workers."""

from typing import TYPE_CHECKING

from msgspec import field

from beeyard.application.operation import Call, Limit, Name, Names, Operation, Request
from beeyard.application.operations.paging import page
from beeyard.application.views import WorkerView

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Ps(Request[list[WorkerView]]):
    """Names of workers or groups; none means all. `limit` and `after` (the last id seen) for a page of them,
    in the order of their ids."""

    workers: Names = field(default_factory=list)
    limit: Limit | None = None
    after: Name | None = None


async def ps(master: "Master", request: Ps, call: Call) -> list[WorkerView]:
    """Show every worker: state, health, process, restarts."""
    if request.workers:
        found = list({s.worker.id: s for name in request.workers for s in master.find(name)}.values())
    else:
        found = [s for s in master.supervisors.values() if call.caller.grant.sees(s.worker.id)]
    return [master.view(supervisor) for supervisor in page(found, lambda s: s.worker.id, request.limit, request.after)]


OPERATION = Operation("ps", Ps, ps, route="GET /v1/workers", version=lambda master: master.version)
