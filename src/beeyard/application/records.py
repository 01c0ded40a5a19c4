"""What the master still has to write, and what it does while it can't.

Unwritable is a state, not an error: facts gather here, requests are refused, and once the store takes a commit again
it gets a snapshot of everything.
"""

import asyncio
import logging

from beeyard.application.feed import Feed
from beeyard.application.supervisor import Supervisor
from beeyard.domain.errors import BeeyardError, Refused, Unavailable
from beeyard.domain.worker import Death, Worker
from beeyard.ports.clock import Clock
from beeyard.ports.store import ANY, Commit, Put, Store, StoryEntry

PATIENCE = 2.0
"""Seconds a commit may take before supervision goes on without it: a stalled disk must stall no restart."""
RETRY = 1.0
"""Seconds between two tries to write again."""
MOST_UNWRITTEN = 10_000
"""Story entries and deaths that are kept while nothing can be written; older ones are dropped, and that is logged."""

log = logging.getLogger("beeyard")


class Records:
    """Between one master and its store; holds the supervisors, because a snapshot is of all of them."""

    def __init__(self, store: Store, clock: Clock, feed: Feed) -> None:
        self.supervisors: dict[str, Supervisor] = {}
        self.facts: dict[str, str] = {}
        self.unwritable = ""
        self._store = store
        self._clock = clock
        self._feed = feed
        self._dirty: dict[str, Supervisor] = {}
        self._commit = _empty()
        self._undone: set[str] = set()
        self._stalled: asyncio.Future[None] | None = None
        self._retry_at = 0.0

    async def load(self) -> list[tuple[Worker, int]]:
        """All that was saved: workers in their order, each with its revision."""
        snapshot = await self._store.load()
        self.facts = snapshot.facts
        return snapshot.workers

    async def past(self, worker: str, deaths: int, story: int) -> tuple[list[Death], list[StoryEntry]]:
        """A worker's deaths, newest first, and its story, oldest first: what was saved, and what could not be yet."""
        try:
            dead = {death.attempt: death for death in await self._store.deaths(worker, deaths)}
            told = await self._store.story(worker, story)
        except BeeyardError as error:
            log.warning("%s: what was saved of it can't be read: %s", worker, error)
            dead, told = {}, []
        if (known := self.supervisors[worker].worker.death if worker in self.supervisors else None) is not None:
            dead.setdefault(known.attempt, known)
        dead |= {death.attempt: death for name, death in self._commit.deaths if name == worker}
        told += [entry for entry in self._commit.story if entry.worker == worker]
        return [dead[attempt] for attempt in sorted(dead, reverse=True)][:deaths], told[max(0, len(told) - story) :]

    # --- what gathers -----------------------------------------------------------------------------------------------

    def fact(self, name: str, value: str) -> None:
        """Remember a word beside the workers."""
        if self.facts.get(name) != value:
            self.facts[name] = self._commit.facts[name] = value

    def changed(self, supervisor: Supervisor, entry: StoryEntry | None, death: Death | None) -> None:
        """This worker has to be written, with its new line of story and its new death record if there are any."""
        self._dirty[supervisor.worker.id] = supervisor
        if entry is not None:
            self._commit.story.append(entry)
        if death is not None:
            self.bury(supervisor.worker.id, death)

    def bury(self, worker: str, death: Death) -> None:
        """Keep a death record, or its second version with the last lines."""
        self._commit.deaths.append((worker, death))

    def undone(self, workers: list[str]) -> None:
        """These are no workers after all, though a write that was given up may still bring them into the store."""
        self._undone.update(workers)

    # --- writing ----------------------------------------------------------------------------------------------------

    def require_writable(self) -> None:
        """Raises Unavailable while nothing can be written."""
        if self.unwritable:
            raise self._unavailable()

    def retry_at(self) -> float | None:
        """When the next try to write is due (monotonic); None while all is well."""
        return self._retry_at if self.unwritable else None

    async def save(self) -> None:
        """Write what gathered; what can't be written is kept."""
        if self.unwritable and self._clock.now().mono < self._retry_at:
            self._bound()
            return
        commit, dirty = self._gathered()
        try:
            await self._write(commit, dirty, durable=False)
        except BeeyardError as error:
            self._dirty = {**dirty, **self._dirty}
            self._commit.story[:0] = commit.story
            self._commit.deaths[:0] = commit.deaths
            self._commit.facts = {**commit.facts, **self._commit.facts}
            self._now_unwritable(error)
            return
        if self.unwritable:
            log.warning("the store can be written again; everything was saved")
            self.unwritable = ""
            self._undone.clear()
            self._tell()

    async def save_durably(self) -> None:
        """Write a request. Raises Unavailable; then nothing of it is kept, and the caller undoes it in memory."""
        assert not self.unwritable
        commit, dirty = self._gathered()
        try:
            await self._write(commit, dirty, durable=True)
        except BeeyardError as error:
            # Deaths and words beside the workers are facts that were due anyway.
            self._commit.deaths[:0] = commit.deaths
            self._commit.facts = {**commit.facts, **self._commit.facts}
            self._now_unwritable(error)
            raise self._unavailable() from None

    async def remove(self, workers: list[str]) -> None:
        """Delete these workers' records, durably. Raises Unavailable."""
        self.require_writable()
        commit = _empty()
        commit.removed.extend(workers)
        try:
            await self._write(commit, {}, durable=True)
        except BeeyardError as error:
            self._now_unwritable(error)
            raise self._unavailable() from None
        for name in workers:
            self._dirty.pop(name, None)

    async def flush(self) -> None:
        """Write what is left, at the end."""
        self._retry_at = 0.0
        await self.save()

    def _gathered(self) -> tuple[Commit, dict[str, Supervisor]]:
        """What gathered, as one commit: after a failure everything, whatever revision the store has of it."""
        dirty = dict(self.supervisors) if self.unwritable else self._dirty
        commit, self._commit, self._dirty = self._commit, _empty(), {}
        if self.unwritable:
            commit.removed.extend(sorted(self._undone.difference(self.supervisors)))
        for supervisor in dirty.values():
            expected = ANY if self.unwritable else supervisor.revision
            commit.puts.append(Put(supervisor.worker, expected, supervisor.revision + 1))
        return commit, dirty

    async def _write(self, commit: Commit, dirty: dict[str, Supervisor], *, durable: bool) -> None:
        """One commit, or Unavailable when it takes too long; that one may still succeed, and is overwritten later."""
        if commit.empty():
            return
        if self._stalled is not None and not self._stalled.done():
            raise Unavailable("store_stalled", "an earlier write has not come back yet")
        writing = asyncio.ensure_future(self._store.commit(commit, durable=durable))
        done, _ = await asyncio.wait({writing}, timeout=PATIENCE)
        if not done:
            self._stalled = writing
            writing.add_done_callback(lambda task: task.cancelled() or task.exception())
            raise Unavailable("store_stalled", "a write takes longer than {seconds}s", seconds=PATIENCE)
        writing.result()
        for put in commit.puts:
            dirty[put.worker.id].revision = put.revision

    def _now_unwritable(self, error: BeeyardError) -> None:
        # Refused is another writer's revision. Memory is what runs, so memory is right: it is written anew.
        if not self.unwritable or isinstance(error, Refused):
            log.error("the store can't be written: %s; supervision goes on from memory", error)
        before, self.unwritable = self.unwritable, str(error)
        if not before:
            self._tell()
        self._retry_at = self._clock.now().mono + RETRY

    def _tell(self) -> None:
        """Those who follow what happens hear that the store can't be written, or can again."""
        reason = self.unwritable
        self._feed.tell("master", self._clock.now().wall, lambda: {"store": reason or "ok"})

    def _unavailable(self) -> Unavailable:
        return Unavailable(
            "store_unwritable",
            "the store can't be written: {reason}",
            reason=self.unwritable,
            hint="workers go on and are restarted as before; ask again once it can be written",
        )

    def _bound(self) -> None:
        for rows in (self._commit.story, self._commit.deaths):
            if len(rows) > MOST_UNWRITTEN:
                log.warning("%d records were dropped while nothing could be written", len(rows) - MOST_UNWRITTEN)
                del rows[: len(rows) - MOST_UNWRITTEN]


def _empty() -> Commit:
    return Commit(puts=[], removed=[], story=[], deaths=[], facts={})
