"""Keeps records for as long as the process lives.

Knows what a commit means, without a disk: the plainest form of the contract, which the other stores are compared with.
"""

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from beeyard.domain.errors import Unavailable
from beeyard.domain.worker import Death, Worker
from beeyard.ports.store import ANY, KEPT, Commit, Document, Snapshot, StoryEntry, stale


@dataclass(frozen=True, slots=True)
class _Record:
    """One worker, its revision, and its past; the past is shared by all revisions."""

    worker: Worker
    revision: int
    story: deque[StoryEntry] = field(default_factory=lambda: deque(maxlen=KEPT))
    deaths: dict[int, Death] = field(default_factory=dict)


class MemoryStore:
    """A Store that forgets everything when it goes."""

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}
        self._facts: dict[str, str] = {}
        self._documents: dict[tuple[str, str], bytes] = {}
        self._closed = False

    @classmethod
    async def open(cls, path: Path) -> Self:
        """An empty store; the path is for those that keep something there."""
        return cls()

    async def load(self) -> Snapshot:
        self._check_open()
        return Snapshot([(kept.worker, kept.revision) for kept in self._records.values()], dict(self._facts))

    async def commit(self, commit: Commit, *, durable: bool) -> None:
        self._check_open()
        self._records = self._after(commit)  # all that can be refused is behind us
        for entry in commit.story:
            if kept := self._records.get(entry.worker):
                kept.story.append(entry)
        for worker, death in commit.deaths:
            if kept := self._records.get(worker):
                kept.deaths[death.attempt] = death
                if len(kept.deaths) > KEPT:
                    del kept.deaths[min(kept.deaths)]
        self._facts.update(commit.facts)
        for kind, end in commit.expired:
            self._documents = {at: body for at, body in self._documents.items() if at[0] != kind or at[1] >= end}
        for document in commit.documents:
            if document.body is None:
                self._documents.pop((document.kind, document.key), None)
            else:
                self._documents[document.kind, document.key] = document.body

    def _after(self, commit: Commit) -> dict[str, _Record]:
        """The records as the commit leaves them, in a copy."""
        records = {id: kept for id, kept in self._records.items() if id not in commit.removed}
        for put in commit.puts:
            id, kept = put.worker.id, records.get(put.worker.id)
            found = kept.revision if kept else 0
            if put.expected not in (found, ANY):
                raise stale(put, found)
            new = _Record(put.worker, put.revision)
            records[id] = _Record(put.worker, put.revision, kept.story, kept.deaths) if kept else new
        return records

    async def story(self, worker: str, limit: int) -> list[StoryEntry]:
        self._check_open()
        kept = self._records.get(worker)
        return list(kept.story)[-limit:] if kept and limit > 0 else []

    async def deaths(self, worker: str, limit: int) -> list[Death]:
        self._check_open()
        kept = self._records.get(worker)
        return [kept.deaths[attempt] for attempt in sorted(kept.deaths, reverse=True)[: max(limit, 0)]] if kept else []

    async def documents(self, kind: str, *, before: str | None = None, limit: int | None = None) -> list[Document]:
        self._check_open()
        found = sorted(((key, body) for (of, key), body in self._documents.items() if of == kind), reverse=True)
        below = [Document(kind, key, body) for key, body in found if before is None or key < before]
        return below if limit is None else below[: max(limit, 0)]

    async def document(self, kind: str, key: str) -> bytes | None:
        self._check_open()
        return self._documents.get((kind, key))

    async def close(self) -> None:
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("store_closed", "the store is closed")
