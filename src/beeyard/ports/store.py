"""What survives the master: each worker's record, its story, its deaths; and documents, for all that is no worker.

One commit is one transaction. A worker is written with the revision its writer last saw (compare and swap), so that
two writers can't overwrite each other unseen.
"""

from typing import Protocol

from msgspec import Struct, field

from beeyard.domain.errors import Refused
from beeyard.domain.worker import Death, Worker

ANY = -1
"""As expected revision: overwrite whatever is there. For the snapshot after the store could not be written."""


class Put(Struct, frozen=True):
    """Write this worker. `expected` is its revision as last seen: 0 for a new one, or ANY. It becomes `revision`."""

    worker: Worker
    expected: int
    revision: int


def stale(put: Put, found: int) -> Refused:
    """The refusal of a put that expected another revision than the one found (0: none)."""
    return Refused(
        "stale_revision",
        "{worker} is at revision {found} in the store, not at {expected} as its writer believed",
        hint="Somebody else wrote it in between; revision 0 means that it is not there.",
        worker=put.worker.id,
        found=found,
        expected=put.expected,
    )


class StoryEntry(Struct, frozen=True, omit_defaults=True, gc=False):
    """One line of a worker's story. `at` wall-clock seconds, `what` the event, `by` who asked if someone did."""

    worker: str
    at: float
    before: str
    after: str
    what: str
    attempt: int = 0
    by: str = ""


class Document(Struct, frozen=True):
    """A record of some other kind: a token, a job. Only whoever wrote it knows what the bytes are; None deletes it."""

    kind: str
    key: str
    body: bytes | None


class Commit(Struct):
    """What one turn of the master changed. `removed` workers lose story and deaths as well; `facts` are free words.

    `expired` are pairs (kind, key): documents of that kind whose key sorts before it go. `documents` come after them.

    Removals come first, then puts, so a worker removed and added again within one turn is a new one. Story and deaths
    of a worker that is then not there are dropped.
    """

    puts: list[Put]
    removed: list[str]
    story: list[StoryEntry]
    deaths: list[tuple[str, Death]]
    facts: dict[str, str]
    documents: list[Document] = field(default_factory=list)
    expired: list[tuple[str, str]] = field(default_factory=list)

    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (
            self.puts or self.removed or self.story or self.deaths or self.facts or self.documents or self.expired
        )


class Snapshot(Struct, frozen=True):
    """All that was saved: workers in the order they were added, each with its revision."""

    workers: list[tuple[Worker, int]]
    facts: dict[str, str]


class Store(Protocol):
    """A place for records.

    A death is written twice: first without, then with its last lines; the second replaces the first (same worker and
    attempt). Stories and deaths are kept to the newest KEPT per worker.
    """

    async def load(self) -> Snapshot: ...

    async def commit(self, commit: Commit, *, durable: bool) -> None:
        """Write all of it or nothing. `durable`: it must survive a power cut before this returns.

        Raises:
            Refused: `stale_revision`, when a revision was not the expected one.
            Unavailable: `store_unwritable`, when it can't be written now.
        """
        ...

    async def story(self, worker: str, limit: int) -> list[StoryEntry]:
        """The newest entries, oldest first."""
        ...

    async def deaths(self, worker: str, limit: int) -> list[Death]:
        """The newest deaths, newest first."""
        ...

    async def documents(self, kind: str, *, before: str | None = None, limit: int | None = None) -> list[Document]:
        """Documents of one kind whose key sorts before `before` (None: all), the last key first, at most `limit`."""
        ...

    async def document(self, kind: str, key: str) -> bytes | None:
        """One document's bytes; None when there is none."""
        ...

    async def close(self) -> None: ...


KEPT = 200
"""Story entries, and deaths, kept per worker."""
