"""Watches what modules have under way, and the memory of the master while any runs within it: what only grows is told.

It is told in the log and as an event, once, and in `show` and `ps` as long as it holds. Nothing is restarted for it:
whether it does harm, nobody here can know. Memory is the whole process's; the modules that run in it are named beside
it, and not one of them is blamed.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

from msgspec import Struct

from beeyard.application.feed import Feed
from beeyard.application.supervisor import Supervisor
from beeyard.domain.growth import Grown, Growth, grown, seen
from beeyard.domain.messages import Now
from beeyard.domain.values import human_duration, human_memory
from beeyard.ports.clock import Clock
from beeyard.ports.provider import Provider

LOOK = 60.0
"""Seconds between two looks."""

log = logging.getLogger("beeyard")


class Growing(Struct, frozen=True):
    """The event. `what`: tasks or threads of the worker, or memory of the master; `since`: wall-clock seconds."""

    what: str
    before: float
    after: float
    since: float
    text: str


class Watched:
    """The counts of one attempt, or of the master."""

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt
        self.counts: dict[str, Growth] = {}
        self.told: dict[str, str] = {}


class Growths:
    """Those of one master. `memory`: bytes of its process."""

    def __init__(
        self,
        supervisors: Mapping[str, Supervisor],
        memory: Callable[[], int | None],
        providers: Mapping[str, Provider],
        clock: Clock,
        feed: Feed,
    ) -> None:
        self._supervisors = supervisors
        self._memory = memory
        self._providers = providers
        self._within: set[str] = set()
        self._clock = clock
        self._feed = feed
        self._watched: dict[str, Watched] = {}
        self._master = Watched(0)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            self.look()

    def look(self) -> None:
        """Take what every module said last."""
        now, before, self._watched = self._clock.now(), self._watched, {}
        self._within = {name for name, provider in self._providers.items() if provider.capabilities().within}
        within = []
        for name, supervisor in self._supervisors.items():
            if supervisor.worker.spec.provider in self._within and supervisor.attempt() is not None:
                within.append(name)
            notified = supervisor.notified
            if notified is None or notified.report is None or notified.attempt != supervisor.attempt():
                supervisor.grows = ""
                continue
            watched = before.get(name)
            if watched is None or watched.attempt != notified.attempt:
                watched = Watched(notified.attempt)
            self._watched[name] = watched
            for what, value in (("tasks", notified.report.tasks), ("threads", notified.report.threads)):
                self._take(watched, what, value, now, name)
            supervisor.grows = "; ".join(watched.told.values())
        memory = self._memory() if within else None
        if memory is None:
            self._master = Watched(0)
        else:
            self._take(self._master, "memory", memory, now, None, f"; within it run {', '.join(sorted(within))}")

    def of(self, supervisor: Supervisor) -> list[str]:
        """All that grows and may be this worker's, in words."""
        within = supervisor.worker.spec.provider in self._within and supervisor.attempt() is not None
        return [*filter(None, [supervisor.grows]), *(self._master.told.values() if within else ())]

    def _take(self, watched: Watched, what: str, value: float, now: Now, worker: str | None, more: str = "") -> None:
        watched.counts[what] = growth = seen(watched.counts.get(what, Growth()), now.mono, value)
        found = grown(growth)
        if found is None:
            watched.told.pop(what, None)
            return
        event = _told(what, found, now, more)
        if what not in watched.told:
            log.warning("%s", f"{worker}: {event.text}" if worker else event.text)
            self._feed.tell("growth", now.wall, lambda: event, worker)
        watched.told[what] = event.text


def _told(what: str, found: Grown, now: Now, more: str) -> Growing:
    took = human_duration(round(now.mono - found.since))
    least, most = (human_memory(round(one)) if what == "memory" else f"{one:g}" for one in (found.before, found.after))
    whose = "memory of the master" if what == "memory" else what
    text = f"{whose} only grew for {took}, from {least} to {most}{more}"
    return Growing(what, found.before, found.after, round(now.wall - (now.mono - found.since), 3), text)
