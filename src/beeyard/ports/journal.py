"""The record of what was done here: by whom, from where, what, why. Only ever appended to.

Each entry carries the hash of the one before it, so that none can be changed, removed or put in between unseen. What
the chain alone can't show is a missing end: whoever wants to see that keeps a head somewhere else.
"""

from collections.abc import AsyncIterator
from typing import Any, Protocol

from msgspec import Struct, field


class Record(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is to be written down.

    `at` wall-clock seconds; `what` the operation or occurrence; `who` the account the system knows; `operator` the
    person behind it as far as it was told (sudo, a queen); `origin` where the request came from; `asked` what exactly,
    without secrets; `outcome` empty when it was begun, `ok`, or the code of the error; `ref` the entry that began it.
    """

    at: float
    what: str
    who: str
    operator: str = ""
    origin: str = ""
    reason: str = ""
    asked: dict[str, Any] = field(default_factory=dict)
    outcome: str = ""
    ref: int = 0


class Entry(Struct, frozen=True, kw_only=True):
    """One line of the journal. `seq` counts from 1 without gaps; hashes are SHA-256 in hex."""

    seq: int
    record: Record
    prev: str
    hash: str


class Head(Struct, frozen=True):
    """The newest entry: what stands before the first one is `Head(0, 64 zeros)`."""

    seq: int
    hash: str


class Verdict(Struct, frozen=True):
    """What looking at every entry showed. `problem` is empty, or says which entry is wrong, where, and how."""

    entries: int
    head: Head
    problem: str


START = Head(0, "0" * 64)


class Journal(Protocol):
    """One chain of entries."""

    async def append(self, record: Record, *, durable: bool) -> int:
        """Write one entry and return its number. `durable`: it survives a power cut before this returns.

        Several at once share one write to the disk. A caller that is cancelled does not undo its entry.

        Raises:
            Unavailable: `journal_unwritable`; then nothing of it stands in the journal.
        """
        ...

    async def read(self, *, before: int | None = None, limit: int) -> list[Entry]:
        """The newest entries below `before` (None: of all), newest first."""
        ...

    async def verify(self, known: Head = START) -> Verdict:
        """Look at every entry. `known`: a head seen earlier, which has to be in it still."""
        ...

    def export(self) -> AsyncIterator[bytes]:
        """All entries as lines of JSON, the oldest first, several lines in one piece: what `verify` looks at."""
        ...

    def head(self) -> Head:
        """The newest entry now."""
        ...

    def synced(self) -> Head:
        """The newest entry that is surely on the disk: what may be noted elsewhere as having been there."""
        ...

    async def close(self) -> None: ...
