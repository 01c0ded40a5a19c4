"""What happened to a provider's attempts, kept until the master takes it. Refuses to know what it means."""

import asyncio
from collections.abc import AsyncIterator

from beeyard.ports.provider import Occurrence


class Occurrences:
    """Those of one provider, in the order in which they were told."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Occurrence] = asyncio.Queue()

    def tell(self, occurrence: Occurrence) -> None:
        """One more; on the loop's own thread."""
        self._waiting.put_nowait(occurrence)

    async def batches(self) -> AsyncIterator[list[Occurrence]]:
        """What `Provider.events` gives: all that wait at a time."""
        while True:
            batch = [await self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            yield batch
