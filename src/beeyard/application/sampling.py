"""Reads what every running worker uses, every few seconds, into the worker's curve. Decides nothing.

Most workers sleep most of the time, and to look at a thousand of them each second would be most of what an idle master
does. So each time a provider is asked first whether any attempt ran at all, which costs it next to nothing. As long
as none did, all are looked at every REST seconds: their points would be the same. The first one that wakes is seen
within PERIOD, and its curve is told until when it slept, so that no use is spread over the time before. Where that
can't be told (no cgroups), a look takes every process of the host, and there is one every SLOW seconds.

Each provider is read apart, so that one which does not answer costs only its own curves; all of its workers at once,
because that is where reading is cheap. What came back is noted in slices between which the loop gets on. Curves live
in memory: after the master came back they begin anew. What is to outlive it goes into the death record.
"""

import asyncio
import logging
from collections.abc import Mapping

from beeyard.application.idling import Idling
from beeyard.application.supervisor import Supervisor
from beeyard.domain.curve import Curve, Sample
from beeyard.domain.errors import BeeyardError
from beeyard.domain.messages import Now
from beeyard.domain.worker import Death, Running, Stopping
from beeyard.ports.clock import Clock
from beeyard.ports.provider import Provider, Reading

PERIOD = 3.0
"""Seconds between two looks, or questions whether one is needed. 500 workers that all run take less than half a
hundredth of a core so; looked at every second, twice that (docs/performance.md)."""
REST = 15.0
"""Seconds between two looks while nothing runs. Four points of the last minute, in which nothing happened, are left."""
SLOW = 5.0
"""Seconds between two looks where only a look tells whether something ran."""
SHORTEST = 0.5
"""Seconds of life from which the use of CPU since its beginning can be told."""
LAST = 60.0
"""Seconds before its end that a death record keeps."""
MOST_LAST = 60
"""Samples of a death record, whatever the period."""
SLICE = 200
"""Readings noted before the loop gets on: half a millisecond."""

log = logging.getLogger("beeyard")


class Sampling:
    """The curves of one master's workers."""

    def __init__(
        self, supervisors: Mapping[str, Supervisor], providers: Mapping[str, Provider], clock: Clock, idling: Idling
    ) -> None:
        self._supervisors = supervisors
        self._idling = idling
        self._providers = providers
        self._clock = clock
        self._looked: dict[str, float] = {}
        self._rested: dict[str, float] = {}

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name in self._providers:
                tasks.create_task(self._follow(name))

    async def turn(self, name: str) -> None:
        """What is due once in each period. Raises what the provider raises."""
        now = self._clock.now().mono
        stirred = await self._providers[name].stirred()
        if stirred is False:
            self._rested[name] = now
        pause = {True: 0.0, False: REST, None: SLOW}[stirred]
        if now - self._looked.get(name, float("-inf")) >= 0.9 * pause:  # The loop's pace is not exact.
            await self.look(name)

    async def look(self, name: str) -> None:
        """Read all workers of one provider that run. Raises what the provider raises."""
        wanted = []
        for supervisor in self._supervisors.values():
            worker = supervisor.worker
            if isinstance(worker.phase, Running | Stopping) and worker.provider == name:
                wanted.append((supervisor, worker.phase.attempt, worker.phase.since))
        if not wanted:
            return
        readings = await self._providers[name].usages([(found.worker.id, attempt) for found, attempt, _ in wanted])
        at = self._clock.now().mono
        rested = self._rested.get(name)
        self._looked[name] = at
        for number, ((supervisor, attempt, since), reading) in enumerate(zip(wanted, readings, strict=True), 1):
            if reading is not None and supervisor.attempt() == attempt:
                self._note(supervisor, attempt, since, reading, at, rested)
            if number % SLICE == 0:
                await asyncio.sleep(0)

    def _note(
        self, supervisor: Supervisor, attempt: int, since: float, reading: Reading, at: float, rested: float | None
    ) -> None:
        # One that ran before this master did would show the mean of its whole life as the use of this moment; one
        # that just began, the work of its start as that of a moment.
        fresh = SHORTEST <= at - since < 2 * SLOW
        if supervisor.curve is None:
            supervisor.curve = Curve(since if fresh else at)
        supervisor.curve.take(attempt, at, reading.cpu, reading.rss, since if fresh else None, rested)
        self._idling.take(supervisor, at, reading.cpu)

    async def _follow(self, name: str) -> None:
        """Paced by the loop itself: what matters is what the clock says at each look."""
        silent = False
        while True:
            await asyncio.sleep(PERIOD)
            try:
                await self.turn(name)
            except BeeyardError as error:
                if not silent:
                    log.warning("what the workers of %s use can't be read: %s", name, error)
                silent = True
            except Exception:
                if not silent:
                    log.exception("what the workers of %s use can't be read", name)
                silent = True
            else:
                silent = False


def history(supervisor: Supervisor, now: Now) -> tuple[list[Sample], list[float]]:
    """The samples of a worker, and when attempts of it ended, in wall-clock seconds; both oldest first."""
    if supervisor.curve is None:
        return [], []
    samples = [Sample(_wall(at, now), cpu, memory) for at, cpu, memory in supervisor.curve.points()]
    return samples, [_wall(at, now) for at in supervisor.curve.ends()]


def last_minute(supervisor: Supervisor, death: Death, now: Now) -> tuple[Sample, ...]:
    """What the attempt that just ended used before; marks its end in the curve."""
    if supervisor.curve is None:
        return ()
    began = now.mono - min(LAST, death.uptime)
    found = tuple(Sample(_wall(point.at, now), point.cpu, point.memory) for point in supervisor.curve.points(began))
    supervisor.curve.end(now.mono)
    return found[-MOST_LAST:]


def _wall(mono: float, now: Now) -> float:
    return round(now.wall + (mono - now.mono), 1)
