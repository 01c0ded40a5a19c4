"""What of a request is written into the journal, and when: before anything is done, and once it ended.

It also knows how far the journal had come when the store was last written: the chain of hashes shows every change of an
entry, but not that the end is missing.
"""

import asyncio
import logging
from typing import Any

from beeyard.application.operation import Caller, Operation
from beeyard.domain.errors import Unavailable
from beeyard.domain.failures import Failures
from beeyard.ports.clock import Clock
from beeyard.ports.journal import START, Entry, Head, Journal, Record, Verdict

ANCHOR = "journal"
"""The fact that says how far the journal had come."""
ITSELF = "beeyard"
"""Who did what nobody asked for."""
PAGE = 1000
"""Entries that are read at once."""
STALLED = 2.0
"""Seconds that a write may take."""

log = logging.getLogger("beeyard")


class Audit:
    """Between one master and its journal."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._anchor = START
        self._denied = Failures()

    def wake(self, anchor: str) -> None:
        """Take what the store says of the journal's end."""
        number, _, digest = anchor.partition(":")
        self._anchor = Head(int(number), digest) if digest else START
        if (head := self._journal.head()).seq < self._anchor.seq:
            text = "the journal ends at entry %d, but entry %d was written: someone has cut it"
            log.error(text, head.seq, self._anchor.seq)

    def facts(self) -> dict[str, str]:
        """What the store is to keep of it: only what is surely on the disk, or a power cut would look like a cut."""
        self._anchor = max(self._journal.synced(), self._anchor, key=lambda head: head.seq)
        return {ANCHOR: f"{self._anchor.seq}:{self._anchor.hash}"}

    async def denied(self, operation: Operation, request: Any, caller: Caller) -> None:
        """Somebody asked for what they may not; not every time, if they go on: a journal never shrinks."""
        if self._denied.take(caller.name, self._clock.now().mono) > 0:
            return
        await self._write(self._record(operation, caller, operation.recorded(request), "not_allowed"), durable=False)

    async def begun(self, operation: Operation, request: Any, caller: Caller) -> int:
        """The number of the entry, which is on the disk. Raises Unavailable: then it must not be begun."""
        return await self._write(self._record(operation, caller, operation.recorded(request)), durable=True)

    async def ended(self, operation: Operation, caller: Caller, entry: int, outcome: str) -> None:
        """What became of what was begun with that entry. Raises Unavailable."""
        await self._write(self._record(operation, caller, {}, outcome, entry), durable=False)

    async def noted(self, what: str, reason: str, about: dict[str, Any]) -> None:
        """Something that nobody asked for: Beeyard did it by itself. Raises Unavailable."""
        at = self._clock.now().wall
        await self._write(Record(at=at, what=what, who=ITSELF, reason=reason, asked=about, outcome="ok"), durable=True)

    async def about(self, prefix: str, name: str, limit: int) -> list[Entry]:
        """The newest entries of operations that begin like this, newest first; with a name those that name it, and how
        these ended."""
        found: list[Entry] = []
        ends: dict[int, Entry] = {}  # An end names its beginning only, which is read later.
        before: int | None = None
        while len(found) < limit and (page := await self._journal.read(before=before, limit=PAGE)):
            before = page[-1].seq
            for entry in page:
                if not entry.record.what.startswith(prefix):
                    continue
                if entry.record.ref:
                    ends[entry.record.ref] = entry
                elif _names(entry.record, name):
                    found += [*([ends[entry.seq]] if entry.seq in ends else []), entry]
        return sorted(found, key=lambda entry: -entry.seq)[:limit]

    async def verify(self, known: Head = START) -> Verdict:
        """Check every entry, and that those are there still which are known to have been written."""
        verdict = await self._journal.verify(self._anchor)
        return verdict if verdict.problem or known == START else await self._journal.verify(known)

    async def _write(self, record: Record, *, durable: bool) -> int:
        try:
            return await asyncio.wait_for(self._journal.append(record, durable=durable), STALLED)
        except TimeoutError:
            text = "a write to the journal takes longer than {seconds}s"
            raise Unavailable("journal_stalled", text, seconds=STALLED, hint="is its disk all right?") from None

    def _record(
        self, operation: Operation, caller: Caller, asked: dict[str, Any], outcome: str = "", ref: int = 0
    ) -> Record:
        return Record(
            at=self._clock.now().wall,
            what=operation.name,
            who=caller.name,
            operator=caller.operator,
            origin=caller.origin,
            reason=caller.reason,
            asked=asked,
            outcome=outcome,
            ref=ref,
        )


def _names(record: Record, name: str) -> bool:
    """Whether a package is one of those that were asked for, whatever version."""
    asked = [*record.asked.get("packages", []), record.asked.get("package", "")]
    return not name or any(str(text).partition(":")[0].partition(" ")[0] == name for text in asked)
