"""Jobs as the store keeps them: by ids that sort by time, for a day."""

import asyncio
import secrets
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from beeyard.application.feed import Event
from beeyard.application.views import JobView
from beeyard.domain.errors import Unavailable
from beeyard.ports.clock import Clock
from beeyard.ports.store import Commit, Document, Store

KIND = "job"
KEPT = 24 * 3600.0
"""Seconds for which a job is kept."""
STALLED = 2.0
"""Seconds that a write may take."""


class JobRecord(Struct, omit_defaults=True):
    """One job. `key` is its caller's own name for it; of the events it told the first `skipped` are not kept."""

    view: JobView
    key: str = ""
    events: list[Event] = []
    skipped: int = 0


class JobRecords:
    """The jobs in one store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def find(self, id: str) -> JobRecord | None:
        """None when there is none, or none any more."""
        body = await self._store.document(KIND, id)
        return None if body is None else _decoded(body)

    async def newest(self, limit: int, before: str | None = None) -> list[JobRecord]:
        """Those with ids below `before`, newest first."""
        return [_decoded(found.body) for found in await self._store.documents(KIND, before=before, limit=limit)]

    async def save(self, records: list[JobRecord], facts: Mapping[str, str], *, durable: bool) -> None:
        """Write these, and forget what is too old. Raises Unavailable."""
        documents = [Document(KIND, record.view.id, msgspec.msgpack.encode(record)) for record in records]
        commit = Commit([], [], [], [], dict(facts), documents=documents, expired=[(KIND, self.oldest())])
        try:
            await asyncio.wait_for(self._store.commit(commit, durable=durable), STALLED)
        except TimeoutError:
            raise Unavailable("store_stalled", "a write takes longer than {seconds}s", seconds=STALLED) from None

    def oldest(self) -> str:
        """Ids below this one are too old."""
        return new_id(self._clock.now().wall - KEPT, b"")


def new_id(wall: float, random: bytes | None = None) -> str:
    """`job-` and a UUID of version 7 (RFC 9562): ids sort by the time at which they were made."""
    noise = secrets.token_bytes(10) if random is None else random.rjust(10, b"\0")
    number = int(wall * 1000) << 80 | int.from_bytes(noise)
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    text = f"{number:032x}"
    return f"job-{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _decoded(body: bytes | None) -> JobRecord:
    return msgspec.msgpack.decode(body or b"", type=JobRecord)
