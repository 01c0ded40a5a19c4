"""Watches over the limits of all attempts that run: measures them, those together that are due, and tells what changed.

What an excess means, `domain.watching` says; what follows from it, the lifecycle. A worker without limits is not
measured, and while there is none with limits nothing happens here at all: each look is set off by a timer for the next
attempt that is due. A measure that nobody could take, because the provider can't be reached, is left out.
"""

import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from beeyard.application.feed import Feed
from beeyard.application.supervisor import Supervisor, Watched
from beeyard.application.views import Alert
from beeyard.domain.errors import BeeyardError
from beeyard.domain.messages import Event, Exceeded
from beeyard.domain.watching import Excess, Measure, usage, watch
from beeyard.domain.worker import Running
from beeyard.ports.clock import Cancel, Clock
from beeyard.ports.provider import Provider

TOGETHER = 0.05
"""Seconds by which an attempt may be measured too early: many at once cost less than one after the other."""

log = logging.getLogger("beeyard")


class Limiting:
    """Of one master. `post(worker, event)` brings events back; `spawn` runs what takes time."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        clock: Clock,
        feed: Feed,
        post: Callable[[str, Event], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._providers = providers
        self._clock = clock
        self._feed = feed
        self._post = post
        self._spawn = spawn
        self._watched: dict[str, Supervisor] = {}
        self._timer: Cancel | None = None
        self._looking = False

    def begin(self, supervisor: Supervisor, attempt: int) -> None:
        """Watch over this attempt from now on, by the limits that its worker has whenever it is measured."""
        worker = supervisor.worker
        self.end(supervisor)
        if worker.limits.watched:
            supervisor.watched = Watched(attempt, self._clock.now().mono)
            self._watched[worker.id] = supervisor
            self._plan()

    def end(self, supervisor: Supervisor) -> None:
        """Watch over it no more; harmless twice."""
        supervisor.watched = None
        if self._watched.pop(supervisor.worker.id, None) is not None and not self._watched:
            self._cancel()

    def _plan(self) -> None:
        """Set the timer for whatever is due next."""
        self._cancel()
        if self._watched and not self._looking:
            at = min(supervisor.watched.due for supervisor in self._watched.values() if supervisor.watched)
            self._timer = self._clock.call_at(at, lambda: self._spawn(self._look()))

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _look(self) -> None:
        self._looking = True
        try:
            until = self._clock.now().mono + TOGETHER
            due: dict[str, list[tuple[Supervisor, Watched]]] = {}
            for supervisor in self._watched.values():
                if supervisor.watched is not None and supervisor.watched.due <= until:
                    due.setdefault(supervisor.worker.provider, []).append((supervisor, supervisor.watched))
            for name, found in due.items():
                await self._measure(name, found)
        finally:
            self._looking = False
            self._plan()

    async def _measure(self, name: str, found: list[tuple[Supervisor, Watched]]) -> None:
        measures: list[Measure | None] = [None] * len(found)
        try:
            attempts = [(supervisor.worker.id, watched.attempt) for supervisor, watched in found]
            measures = await self._providers[name].measure(attempts)
        except BeeyardError as error:
            log.warning("what the workers of %s use can't be measured: %s", name, error)
        except Exception:
            log.exception("what the workers of %s use can't be measured", name)
        at = self._clock.now().mono
        for (supervisor, watched), measure in zip(found, measures, strict=True):
            if supervisor.watched is watched:
                watched.due = at + supervisor.worker.limits.interval
                if measure is not None:
                    self._judge(supervisor, watched, measure, at)

    def _judge(self, supervisor: Supervisor, watched: Watched, measure: Measure, at: float) -> None:
        worker = supervisor.worker
        if not isinstance(worker.phase, Running) or worker.phase.attempt != watched.attempt:
            return
        watched.values = usage(watched.seen, measure, at)
        grace_until = worker.phase.since + worker.spec.restart.startup_grace
        watched.seen, excesses = watch(worker.limits, watched.seen, measure, at, grace_until)
        for excess in excesses:
            self._tell(supervisor, excess)
            self._post(worker.id, Exceeded(watched.attempt, excess.limit, excess.level, excess.text, excess.act))

    def _tell(self, supervisor: Supervisor, excess: Excess) -> None:
        worker, now = supervisor.worker, self._clock.now()
        log.log(logging.INFO if excess.level is None else logging.WARNING, "%s: %s", worker.id, excess.text)
        if worker.limits.bounds[excess.limit].policy == "alert":
            alert = Alert(excess.limit, excess.level, excess.text)
            self._feed.tell("alert", now.wall, lambda: alert, worker.id)
