"""List jobs."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, JobId, Limit, Operation, Request
from beeyard.application.views import JobView

if TYPE_CHECKING:
    from beeyard.application.master import Master


class JobList(Request[list[JobView]]):
    """`limit` jobs, those older than the one named in `after`."""

    limit: Limit = 50
    after: JobId | None = None


async def job_list(master: "Master", request: JobList, call: Call) -> list[JobView]:
    """List jobs, newest first: what was asked, by whom, how it went."""
    return await master.jobs.newest(request.limit, request.after, call.caller)


OPERATION = Operation("job_list", JobList, job_list, route="GET /v1/jobs", version=lambda master: master.jobs.version)
