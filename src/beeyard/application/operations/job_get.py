"""Look at one job."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, JobId, Operation, Request
from beeyard.application.views import JobView

if TYPE_CHECKING:
    from beeyard.application.master import Master


class JobGet(Request[JobView]):
    """A job's id."""

    id: JobId


async def job_get(master: "Master", request: JobGet, call: Call) -> JobView:
    """Show one job, with its result or its error."""
    return await master.jobs.get(request.id, call.caller)


OPERATION = Operation("job_get", JobGet, job_get, route="GET /v1/jobs/{id}", version=lambda master: master.jobs.version)
