"""Read what workers wrote."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, field

from beeyard.application.operation import Call, Count, Names, Operation, Streamed
from beeyard.ports.logs import LogLine, Stream

if TYPE_CHECKING:
    from beeyard.application.master import Master

Moment = Annotated[float, Meta(ge=0)]
Place = Annotated[str, Meta(max_length=6000, description="the cursor of a line")]


class Logs(Streamed[LogLine]):
    """Workers or groups (none: all), how many of the newest lines of each, and whether to go on as lines come.

    `since`: none that was written before (wall-clock seconds). `after`: a line's cursor to go on from instead.
    """

    workers: Names = field(default_factory=list)
    lines: Count = 50
    follow: bool = False
    stream: Stream | None = None
    since: Moment | None = None
    after: Place | None = None


async def logs(master: "Master", request: Logs, call: Call) -> AsyncIterator[list[LogLine]]:
    """Show what workers wrote, both streams in order of time; --follow goes on with each new line."""
    names = request.workers or [name for name in master.supervisors if call.caller.grant.sees(name)]
    found = list(dict.fromkeys(supervisor.worker.id for name in names for supervisor in master.find(name)))
    if not request.follow:
        for worker in found:
            await master.providers[master.supervisors[worker].worker.spec.provider].drain(worker)
    reading = master.logs.read(
        found,
        request.lines,
        follow=request.follow,
        stream=request.stream,
        since=request.since,
        after=request.after,
    )
    async with aclosing(reading):
        async for lines in reading:
            yield lines


OPERATION = Operation("logs", Logs, logs, kept=False, route="GET /v1/logs")
