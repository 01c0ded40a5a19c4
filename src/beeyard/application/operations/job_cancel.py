"""Cancel a job."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, JobId, Operation, Request
from beeyard.application.views import JobView

if TYPE_CHECKING:
    from beeyard.application.master import Master


class JobCancel(Request[JobView]):
    """A job's id."""

    id: JobId


async def job_cancel(master: "Master", request: JobCancel, call: Call) -> JobView:
    """End a job that is under way; what it had asked of the workers by then stands."""
    return await master.jobs.cancel(request.id, call.caller)


OPERATION = Operation("job_cancel", JobCancel, job_cancel, changes=True, kept=False, route="DELETE /v1/jobs/{id}")
