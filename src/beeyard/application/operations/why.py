"""Explain one worker."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operations.base import Caller, Operation
from beeyard.application.views import WorkerView, view
from beeyard.domain.worker import Death
from beeyard.ports.store import StoryEntry

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Why(Struct):
    """A worker's name; how many story lines and deaths to show at most."""

    worker: str
    story: int = 12
    deaths: int = 3


class WhyView(Struct):
    """All that is known of how a worker came to be as it is. Deaths newest first, story oldest first."""

    worker: WorkerView
    deaths: list[Death]
    story: list[StoryEntry]


async def why(master: "Master", request: Why, caller: Caller) -> list[WhyView]:
    """Say on one screen why a worker is as it is: how it last died, its last lines, what was decided, its story."""
    found = []
    for supervisor in master.find(request.worker):
        worker = supervisor.worker
        deaths = await master.store.deaths(worker.id, request.deaths)
        if worker.death is not None and not any(death.attempt == worker.death.attempt for death in deaths):
            deaths = [worker.death, *deaths][: request.deaths]  # Not written yet, because nothing can be.
        story = await master.store.story(worker.id, request.story)
        found.append(WhyView(view(worker, master.clock.now()), deaths, story))
    return found


OPERATION = Operation("why", Why, list[WhyView], why)
