"""The turn: every event that came in, one after the other; what changed saved at once; then the effects.

Requests have a turn of their own, saved durably before they are answered, and undone as a whole if that fails. Facts
are never undone. A bug in one worker's step is logged and costs that event, not the others.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from beeyard.application.dependencies import Dependencies
from beeyard.application.effects import Effects
from beeyard.application.feed import Feed
from beeyard.application.records import Records
from beeyard.application.supervisor import Supervisor, told
from beeyard.application.views import WorkerEvent, view
from beeyard.domain import lifecycle
from beeyard.domain.errors import BeeyardError, Unavailable
from beeyard.domain.messages import Bury, Effect, Event, Exited, LaunchFailed, Prepare, Rebased
from beeyard.domain.pressure import CALM, strain
from beeyard.domain.restart import Outside
from beeyard.domain.worker import Death, Worker, state
from beeyard.ports.clock import Cancel, Clock
from beeyard.ports.host import Host
from beeyard.ports.store import StoryEntry

log = logging.getLogger("beeyard")

AT_ONCE = 64
"""Effects started before those who carry them out get to work."""

Inbox = list[tuple[str, Event | None]]
"""What happened to which worker; None: look whether those it needs ask something of it, at the moment of its turn."""
Orders = list[tuple[Supervisor, Effect]]
Request = tuple[Callable[[], Coroutine[Any, Any, None]], asyncio.Future[None]]


class Engine:
    """All supervisors of one master, and the only code that steps them."""

    def __init__(self, clock: Clock, records: Records, roll: Callable[[], float], host: Host, feed: Feed) -> None:
        self.supervisors: dict[str, Supervisor] = records.supervisors
        self.dependencies = Dependencies(self.supervisors)
        self.records = records
        self.effects: Effects  # Set by whoever wires us: effects need `post`, and we need them.
        self._clock = clock
        self._roll = roll
        self._host = host
        self._feed = feed
        self._inbox: Inbox = []
        self._requests: list[Request] = []
        self._wake = asyncio.Event()
        self._turned = asyncio.Event()
        self._turning = False
        self._resting = False
        self._retry: Cancel | None = None
        self._told: list[Callable[[], None]] = []
        self.gave_up: Callable[[Worker], None] = lambda worker: None
        self.version = 0
        self._tasks: asyncio.TaskGroup | None = None
        self._spawned: set[asyncio.Task[None]] = set()

    # --- what others call -------------------------------------------------------------------------------------------

    def post(self, worker: str, event: Event) -> None:
        """A fact: taken in the next turn."""
        self._inbox.append((worker, event))
        self._wake.set()

    def stir(self) -> None:
        """Have a turn although nothing happened: what was noted beside the workers is saved in it."""
        self._wake.set()

    def look(self, worker: str) -> None:
        """Have a worker looked at in the next turn: whether what it needs is there."""
        self._inbox.append((worker, None))
        self._wake.set()

    def bury(self, worker: str, death: Death) -> None:
        """Keep a death record; saved in the next turn."""
        supervisor = self.supervisors.get(worker)
        if supervisor is not None:
            self.records.bury(worker, death)
            self._wake.set()

    async def request(self, events: list[tuple[str, Event]]) -> None:
        """Returns when saved. Raises Unavailable while the store can't be written: then nothing changed."""
        if events:
            await self._ask(partial(self._request_turn, events))

    async def saved(self) -> None:
        """Returns when what was noted beside the workers is saved. Raises Unavailable while it can't be."""
        await self._ask(partial(self._request_turn, []))

    async def remove(self, names: Sequence[str], check: Callable[[], None], what: str = "removed") -> None:
        """Returns when these workers are forgotten; `what` is told of each.

        Raises what `check` raises in that turn, and Unavailable.
        """
        await self._ask(partial(self._removal_turn, names, check, what))

    async def _ask(self, turn: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.records.require_writable()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests.append((turn, done))
        self._wake.set()
        await done

    async def until(self, reached: Callable[[], bool], timeout: float | None) -> bool:
        """Wait until something is true after some turn; False when it was not in time (None: wait on)."""
        late = timeout is not None and timeout <= 0

        def due() -> None:
            nonlocal late
            late = True
            self._turned.set()
            self._turned.clear()

        timer = None if timeout is None or late else self._clock.call_at(self._clock.now().mono + timeout, due)
        try:
            # Inside a turn workers are stepped already, and neither saved nor acted upon yet.
            while not late and (self._turning or not reached()):
                await self._turned.wait()
        finally:
            if timer is not None:
                timer.cancel()
        return reached()

    def regroup(self) -> None:
        """Workers came, went, or are as they were before: who lists them, and who needs whom, has to know."""
        self.version += 1
        self.dependencies.rebuild()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run beside the turns; cancelled when they end. What goes wrong in it is logged, and ends nothing else."""
        assert self._tasks is not None
        task = self._tasks.create_task(_guarded(work))
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
        task.add_done_callback(lambda _: work.close())  # It never began if its task was cancelled at once.

    # --- turns ------------------------------------------------------------------------------------------------------

    def open(self, tasks: asyncio.TaskGroup) -> None:
        """Where `spawn` puts its tasks."""
        self._tasks = tasks

    def close(self) -> None:
        """Let go of timers, probes and whatever still waits."""
        if self._retry is not None:
            self._retry.cancel()
        for supervisor in self.supervisors.values():
            self.effects.release(supervisor)
        for task in list(self._spawned):
            task.cancel()

    def rest(self) -> None:
        """End `turns`."""
        self._resting = True
        self._wake.set()

    async def turns(self) -> None:
        """Until `rest`; a turn that began is finished."""
        while not self._resting:
            await self._wake.wait()
            self._wake.clear()
            self._turning = True
            requests, self._requests = self._requests, []
            for turn, done in requests:
                await self._answer(turn, done)
            facts, self._inbox = self._inbox, []
            orders, _ = self._take(facts)
            await self.records.save()
            self._publish()
            await self._run(orders)
            self._retry_later()
            self._turning = False
            self._turned.set()
            self._turned.clear()

    async def _answer(self, turn: Callable[[], Coroutine[Any, Any, None]], done: asyncio.Future[None]) -> None:
        try:
            await turn()
        except BeeyardError as error:
            if not done.done():
                done.set_exception(error)
        else:
            if not done.done():
                done.set_result(None)

    async def _request_turn(self, events: list[tuple[str, Event]]) -> None:
        self.records.require_writable()  # An earlier request of this turn may have found out.
        orders, touched = self._take(events)
        try:
            await self.records.save_durably()
        except Unavailable:
            self._told.clear()
            for supervisor, before in touched.items():
                supervisor.worker = before
            self.regroup()
            raise
        self._publish()
        await self._run(orders)

    async def _removal_turn(self, names: Sequence[str], check: Callable[[], None], what: str) -> None:
        check()
        await self.records.remove(list(names))
        at = self._clock.now().wall
        for name in names:
            supervisor = self.supervisors.pop(name)
            self.effects.release(supervisor)
            self._note(supervisor, None, state(supervisor.worker), at, removed=what)
        self._publish()
        self.dependencies.rebuild()

    def _take(self, events: Sequence[tuple[str, Event | None]]) -> tuple[Orders, dict[Supervisor, Worker]]:
        """Step each worker concerned, and those of whom that asks something: to start, or to start anew.

        Returns the orders, and each worker touched as it was before.
        """
        orders: Orders = []
        touched: dict[Supervisor, Worker] = {}
        queue: Inbox = list(events)
        now = self._clock.now()
        for name, given in queue:  # It grows while it is read.
            supervisor = self.supervisors.get(name)
            if supervisor is None:
                continue
            before, event = supervisor.worker, given
            try:
                event = event or self.dependencies.demand(before)
                if event is None:
                    continue
                after, effects = lifecycle.step(before, event, now, self._outside(event))
            except Exception:
                log.exception("%s: %r could not be taken in %r", name, event, before.phase)
                continue
            if after is before and not effects:
                continue
            touched.setdefault(supervisor, before)
            supervisor.worker = after
            death = after.death if after.death is not before.death else None
            entry = told(before, after, event, now.wall)
            self.records.changed(supervisor, entry, death)
            self._note(supervisor, entry, state(before), now.wall)
            if lifecycle.gave_up(after) and not lifecycle.gave_up(before):
                self.gave_up(after)
            for effect in effects:
                if isinstance(effect, Prepare):
                    queue.append((name, None))
                else:
                    orders.append((supervisor, effect))
            if before.spec.depends_on != after.spec.depends_on:
                self.dependencies.rebuild()
                queue += [(name, Rebased(self.dependencies.attempts(after.spec))), (name, None)]
            if before.phase is not after.phase or before.health is not after.health:
                queue += [(other, None) for other in self.dependencies.concerned(name)]
        return orders, touched

    def _outside(self, event: Event) -> Outside:
        """The host is looked at only when something ended, for then a restart is decided."""
        ended = isinstance(event, Exited | LaunchFailed)
        return Outside(self._roll(), strain(self._host.pressure()) if ended else CALM)

    def _note(
        self, supervisor: Supervisor, entry: StoryEntry | None, before: str, at: float, *, removed: str = ""
    ) -> None:
        """A worker changed, or was removed, in these words; those who follow hear of it once it is saved."""
        worker = supervisor.worker
        self.version += 1

        def data() -> WorkerEvent:
            what, by = (entry.what, entry.by) if entry is not None else (removed, "")
            return WorkerEvent(before, what, by, bool(removed), view(worker, self._clock.now()))

        self._told.append(lambda: self._feed.tell("worker", at, data, worker.id))

    def _publish(self) -> None:
        told, self._told = self._told, []
        for tell in told:
            tell()

    async def _run(self, orders: Orders) -> None:
        # Last words can wait, a restart can't.
        for number, (supervisor, effect) in enumerate(sorted(orders, key=lambda order: isinstance(order[1], Bury)), 1):
            self.effects.run(supervisor, effect)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)  # What was ordered so far is on its way while the rest is being ordered.

    def _retry_later(self) -> None:
        """While nothing can be written, a turn is due even if nothing happens."""
        at = self.records.retry_at()
        if at is not None and self._retry is None:

            def due() -> None:
                self._retry = None
                self._wake.set()

            self._retry = self._clock.call_at(at, due)


async def _guarded(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except BeeyardError as error:
        log.warning("%s", error)
    except Exception:
        log.exception("something that the master had begun broke; all else goes on")
