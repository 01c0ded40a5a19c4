"""Follow what happens."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from msgspec import field

from beeyard.application.operation import Call, Cursor, Names, Operation, Streamed
from beeyard.application.views import Event
from beeyard.domain.access import Grant

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Events(Streamed[Event]):
    """Events of these workers and groups (none: of all, and of the master). `after`: a cursor to go on from."""

    workers: Names = field(default_factory=list)
    after: Cursor | None = None


async def events(master: "Master", request: Events, call: Call) -> AsyncIterator[list[Event]]:
    """Follow what happens to workers, jobs and the master, as it happens; what could not be kept is told as a gap."""
    for name in request.workers:
        master.find(name)
    wanted, grant = Grant(workers=tuple(request.workers)), call.caller.grant
    whole = not wanted.workers and not grant.workers

    def concerns(event: Event) -> bool:
        worker = event.worker
        return event.kind == "gap" or (worker is not None and grant.sees(worker) and wanted.sees(worker))

    async for batch in master.feed.read(request.after):
        yield batch if whole else list(filter(concerns, batch))


OPERATION = Operation("events", Events, events, kept=False, route="GET /v1/events")
