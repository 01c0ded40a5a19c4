"""Explain one worker."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operation import Call, Count, Name, Operation, Request
from beeyard.application.views import Coming, WorkerView
from beeyard.domain.curve import Sample
from beeyard.domain.worker import Death
from beeyard.ports.store import StoryEntry

if TYPE_CHECKING:
    from beeyard.application.master import Master
    from beeyard.application.supervisor import Supervisor


class WhyView(Struct):
    """All that is known of how a worker came to be as it is. Deaths newest first, all else oldest first.

    `waits_for` and `next`: what it waits for, and what happens then; `usage` what it used over the last two hours,
    and `ends` when it ended meanwhile; `trouble`: what keeps the master itself from doing its work; empty: nothing.
    """

    worker: WorkerView
    deaths: list[Death]
    story: list[StoryEntry]
    waits_for: str = ""
    next: Coming | None = None
    usage: list[Sample] = []
    ends: list[float] = []
    trouble: str = ""


class Why(Request[list[WhyView]]):
    """A worker's name; how many story lines and deaths to show at most."""

    worker: Name
    story: Count = 6
    deaths: Count = 3


async def why(master: "Master", request: Why, call: Call) -> list[WhyView]:
    """Say on one screen why a worker is as it is: what it waits for, what it used, how it last died, its story."""
    return [await _explained(master, supervisor, request) for supervisor in master.find(request.worker)]


async def _explained(master: "Master", supervisor: "Supervisor", request: Why) -> WhyView:
    from beeyard.application.sampling import history  # It brings asyncio along: 20 ms for a command line.

    worker, records = supervisor.worker, master.records
    deaths, story = await records.past(worker.id, request.deaths, request.story)
    outlook = master.outlook(supervisor)
    now = master.clock.now()
    usage, ends = history(supervisor, now)
    return WhyView(
        worker=master.view(supervisor),
        deaths=deaths,
        story=story,
        waits_for=outlook.waits_for,
        next=outlook.next,
        usage=usage,
        ends=ends,
        trouble=records.unwritable,
    )


OPERATION = Operation("why", Why, why, route="GET /v1/workers/{worker}/why")
