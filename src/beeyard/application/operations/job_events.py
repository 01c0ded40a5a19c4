"""Follow a job."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Cursor, JobId, Operation, Streamed
from beeyard.application.views import Event

if TYPE_CHECKING:
    from beeyard.application.master import Master


class JobEvents(Streamed[Event]):
    """A job's id; `after` goes on behind that cursor, and else all is told from the beginning."""

    id: JobId
    after: Cursor | None = None


async def job_events(master: "Master", request: JobEvents, call: Call) -> AsyncIterator[list[Event]]:
    """Follow a job to its end: accepted, progress, result or error, done."""
    async for batch in await master.jobs.events(request.id, request.after, call.caller):
        yield batch


OPERATION = Operation("job_events", JobEvents, job_events, kept=False, route="GET /v1/jobs/{id}/events")
