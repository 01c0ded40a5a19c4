"""What is known of each attempt, from what its cluster tells: why it waits, that it runs, is lost, ended. Told once.

Asks for nothing by itself but what is copied and taken away by those who made it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Literal

from msgspec import Struct, field

from beeyard.adapters.occurrences import Occurrences
from beeyard.adapters.providers.kubernetes.looking import Seen, gone
from beeyard.adapters.providers.kubernetes.place import Place
from beeyard.adapters.reflector import Change
from beeyard.domain.errors import BeeyardError
from beeyard.domain.messages import Exit
from beeyard.domain.spec import WorkerSpec
from beeyard.ports.provider import Occurrence

PODLESS = 2.0
"""Seconds that a job takes to make its pod; after them it is asked for, now and then, what is in its way."""
ASKED = 15.0
"""Seconds between two such questions."""

Workload = Literal["pod", "job"]


class Tracked(Struct, eq=False):
    """One attempt. `pod`: the name of its pod, empty as long as a job made none; `said`: the reason told last;
    `ending`: its end was ordered; `asked`: how many steps of a stop were taken; `killed`, `forced`: what came after
    them; `begun`: what it writes comes; `exit`: told."""

    spec: WorkerSpec
    attempt: int
    place: Place
    workload: Workload
    name: str
    uid: str
    pod: str = ""
    said: str = ""
    asked: int = 0
    ending: bool = False
    killed: bool = False
    forced: bool = False
    lost: bool = False
    started: bool = False
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    exit: Exit | None = None
    writing: asyncio.Task[None] | None = None
    waiting: asyncio.TimerHandle | None = None

    @property
    def key(self) -> tuple[str, int]:
        """Whose it is."""
        return self.spec.id, self.attempt

    def is_podless(self) -> bool:
        """Whether its job has yet to make its pod."""
        return not self.pod and self.exit is None

    def seen(self) -> Seen | None:
        """Its pod, as far as the mirror knows, which will tell of its end."""
        return next((pod for pod in self.place.mirror.things.values() if (pod.worker, pod.attempt) == self.key), None)


class Tracking:
    """All attempts of this provider. `run` keeps a task until the end; `copy` is what to do for the output of one that
    runs, `remove` for one that was not started in time."""

    def __init__(
        self,
        occurrences: Occurrences,
        run: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        copy: Callable[[Tracked], Coroutine[Any, Any, None]],
        remove: Callable[[Tracked], Coroutine[Any, Any, None]],
    ) -> None:
        self._occurrences = occurrences
        self._run = run
        self._copy = copy
        self._remove = remove
        self._tracked: dict[tuple[str, int], Tracked] = {}

    def get(self, worker: str, attempt: int) -> Tracked | None:
        """None: nobody launched or attached it, or it was forgotten."""
        return self._tracked.get((worker, attempt))

    def latest(self, worker: str) -> Tracked | None:
        """Its newest attempt."""
        known = [tracked for (name, _), tracked in self._tracked.items() if name == worker]
        return max(known, key=lambda tracked: tracked.attempt, default=None)

    def living(self) -> Iterator[Tracked]:
        """Those whose end was not told."""
        return (tracked for tracked in self._tracked.values() if tracked.exit is None)

    def track(self, tracked: Tracked, patience: float) -> Tracked:
        """From now on. It may wait for `patience` seconds. Harmless twice: the first one counts."""
        if (known := self._tracked.get(tracked.key)) is not None:
            return known
        self._tracked[tracked.key] = tracked
        tracked.waiting = asyncio.get_running_loop().call_later(patience, self.overdue, tracked)
        if (pod := tracked.seen()) is not None:
            self._look(tracked, pod)
        elif tracked.workload == "job":
            self._run(self._podless(tracked))
        return tracked

    def forget(self, tracked: Tracked) -> None:
        """Nothing is told of it any more."""
        self._tracked.pop(tracked.key, None)
        self._wait_no_more(tracked)

    def close(self) -> None:
        """Nobody waits any more."""
        for tracked in self._tracked.values():
            self._wait_no_more(tracked)

    # --- what the cluster tells -------------------------------------------------------------------------------------

    def changed(self, place: Place, change: Change[Seen]) -> None:
        """What a mirror says."""
        pod = change.thing
        tracked = self._tracked.get((pod.worker, pod.attempt))
        if tracked is None:
            if pod.state == "ended" and change.kind != "gone":
                self._occurrences.tell(Occurrence(pod.worker, pod.attempt, "exited", pod.exit))
        elif change.kind == "gone":
            self.ended(tracked, gone(pod, asked=tracked.ending, forced=tracked.forced))
        else:
            self._look(tracked, pod)

    def contact(self, place: Place, reason: str) -> None:
        """A cluster can't be reached, or with no reason can be again."""
        for tracked in self.living():
            if tracked.place is place:
                self.tell(tracked, "lost" if reason else "found", reason=reason)

    async def found(self, tracked: Tracked) -> None:
        """It was taken as it was left: whether it still is so is seen when the cluster answers."""
        await tracked.place.mirror.synced.wait()
        if tracked.seen() is not None:
            self.tell(tracked, "found")
        else:
            self.ended(tracked, Exit(note="it ended while nobody was there to see it"))

    def _look(self, tracked: Tracked, pod: Seen) -> None:
        tracked.pod = pod.name
        if pod.state != "waiting" and not tracked.started:
            tracked.started = True
            self._wait_no_more(tracked)
            tracked.writing = self._run(self._copy(tracked))
            self.tell(tracked, "begun")
        if pod.state == "ended":
            self.ended(tracked, pod.exit or Exit())
            return
        if pod.lost != tracked.lost:
            tracked.lost = pod.lost
            self.tell(tracked, "lost" if pod.lost else "found", reason=pod.reason)
        self._say(tracked, pod.reason)

    async def _podless(self, tracked: Tracked) -> None:
        """Why a job has no pod, for that stands in none."""
        await asyncio.sleep(PODLESS)
        while tracked.is_podless():
            try:
                complaint = await tracked.place.complaint(tracked.uid)
            except BeeyardError as error:
                complaint = str(error)
            if complaint and tracked.is_podless():
                self._say(tracked, f"its job gets no pod: {complaint}")
            await asyncio.sleep(ASKED)

    # --- what is told -----------------------------------------------------------------------------------------------

    def tell(self, tracked: Tracked, kind: Any, exit: Exit | None = None, reason: str = "") -> None:
        """Something happened to it."""
        self._occurrences.tell(Occurrence(*tracked.key, kind, exit, reason))

    def ended(self, tracked: Tracked, exit: Exit) -> None:
        """Told once."""
        if tracked.exit is None:
            tracked.exit, tracked.said = exit, ""
            self._wait_no_more(tracked)
            self.tell(tracked, "exited", exit)

    def overdue(self, tracked: Tracked) -> None:
        """It waited for as long as it may: it is taken away, and that is its end."""
        self._run(self._remove(tracked))
        reason = tracked.said or "the cluster made no pod of it"
        self.ended(tracked, Exit(note=f"it was not started in time: {reason}"))

    def _say(self, tracked: Tracked, reason: str) -> None:
        if reason != tracked.said:
            tracked.said = reason
            self.tell(tracked, "said", reason=reason)

    def _wait_no_more(self, tracked: Tracked) -> None:
        if tracked.waiting is not None:
            tracked.waiting.cancel()
            tracked.waiting = None
