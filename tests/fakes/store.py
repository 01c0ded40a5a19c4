"""A store in memory that fails or hangs when a test says so, and short ways to write a commit."""

import asyncio
from collections.abc import Iterable, Mapping

from beeyard.adapters.stores.memory import MemoryStore
from beeyard.domain.errors import Unavailable
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.values import WorkerId
from beeyard.domain.worker import Death, Worker, new
from beeyard.ports.store import Commit, Document, Put, StoryEntry


class FakeStore(MemoryStore):
    """Script it: `failing` (the reason why nothing can be written; empty: all is well), `gate` (unset, it holds every
    commit), `steps` (turns of the loop that a commit takes before it is written, and again after). `commits` holds
    those that were written, each with its `durable`; `refused` counts those that failed; `calls`, which may be shared
    with another fake, tells each commit as "commit" and the ids of the workers written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failing = ""
        self.gate: asyncio.Event | None = None
        self.commits: list[tuple[Commit, bool]] = []
        self.refused = 0
        self.steps = 0
        self.calls: list[tuple[object, ...]] = []

    def reopen(self) -> None:
        """The next process opens it."""
        self._closed = False

    async def commit(self, commit: Commit, *, durable: bool) -> None:
        if self.gate is not None:
            await self.gate.wait()
        for _ in range(self.steps):
            await asyncio.sleep(0)
        if self.failing:
            self.refused += 1
            raise Unavailable("store_unwritable", "the store can't be written: {reason}", reason=self.failing)
        await super().commit(commit, durable=durable)
        self.commits.append((commit, durable))
        self.calls.append(("commit", *(put.worker.id for put in commit.puts)))
        for _ in range(self.steps):
            await asyncio.sleep(0)


def a_worker(id: str, **run: object) -> Worker:
    """A worker just added, with this in its provider's section."""
    return new(WorkerSpec(id=WorkerId(id), provider="process", run=run))


def a_commit(
    *puts: Put,
    removed: Iterable[str] = (),
    story: Iterable[StoryEntry] = (),
    deaths: Iterable[tuple[str, Death]] = (),
    facts: Mapping[str, str] | None = None,
    documents: Iterable[Document] = (),
    expired: Iterable[tuple[str, str]] = (),
) -> Commit:
    """A commit of what is named."""
    past = list(story), list(deaths)
    return Commit(list(puts), list(removed), *past, dict(facts or {}), list(documents), list(expired))
