"""A journal in memory that can't be written when a test says so, and a short way to make a record."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

from beeyard.adapters.journal.chain import check_lines, encode, parse, seal
from beeyard.domain.errors import Unavailable
from beeyard.ports.journal import START, Entry, Head, Record, Verdict


class FakeJournal:
    """Script it: `failing` (the reason why nothing can be written; empty: all is well). `lines` are its entries, for
    tampering too; `durable` the numbers of those that had to be durable; `refused` counts those that failed.
    """

    def __init__(self) -> None:
        self.failing = ""
        self.lines: list[bytes] = []
        self.durable: list[int] = []
        self.refused = 0
        self._head = self._synced = START
        self._closed = False

    @classmethod
    async def open(cls, folder: Path) -> Self:
        """An empty journal; the folder is for those that keep something there."""
        return cls()

    def reopen(self) -> None:
        """The next process opens it."""
        self._closed = False

    def records(self) -> list[Record]:
        """What was written down, oldest first."""
        return [parse(line[:-1]).record for line in self.lines]

    async def append(self, record: Record, *, durable: bool) -> int:
        self._check_open()
        encoded = encode(record)
        if self.failing:
            self.refused += 1
            raise Unavailable("journal_unwritable", "the journal can't be written: {reason}", reason=self.failing)
        line, self._head = seal(encoded, self._head)
        self.lines.append(line)
        seq = self._head.seq
        if durable:
            self.durable.append(seq)
            self._synced = self._head
        await asyncio.sleep(0)
        return seq

    async def read(self, *, before: int | None = None, limit: int) -> list[Entry]:
        self._check_open()
        entries = [parse(line[:-1]) for line in reversed(self.lines)]
        return [entry for entry in entries if before is None or entry.seq < before][: max(limit, 0)]

    async def verify(self, known: Head = START) -> Verdict:
        self._check_open()
        return check_lines(self.lines, known, self._head, name="line")

    async def export(self) -> AsyncIterator[bytes]:
        self._check_open()
        if self.lines:
            yield b"".join(self.lines)

    def head(self) -> Head:
        return self._head

    def synced(self) -> Head:
        return self._synced

    async def close(self) -> None:
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("journal_closed", "the journal is closed")


def a_record(what: str = "start", **more: Any) -> Record:
    """A record of something that somebody did."""
    return Record(**{"at": 1000.0, "who": "ada", **more}, what=what)
