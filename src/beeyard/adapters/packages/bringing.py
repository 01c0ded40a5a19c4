"""Brings the files of repositories: from where they lie, one place after the other, for as long as they are needed.

What they are for it does not know. A file that was of use is kept where neighbours ask for it, or thrown away; one that
was not stays for the next try, which need not fetch it again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from msgspec.structs import replace

from beeyard.adapters.packages.stock import Stock
from beeyard.domain.errors import BeeyardError
from beeyard.domain.packages import Payload
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.fetcher import MISSING, Fetcher, Tell
from beeyard.ports.repository import Repository, Source

log = logging.getLogger("beeyard")


class Bringing:
    """For one package manager."""

    def __init__(self, fetcher: Fetcher, served: Path) -> None:
        """`served`: the folder for what neighbours may ask for."""
        self._fetcher = fetcher
        self._stock = Stock(served)

    async def serve(self, repositories: Sequence[RepositorySpec]) -> None:
        """Keep of each what its spec says."""
        limits = {one.name: one.serve for one in repositories if one.serve}
        await asyncio.to_thread(self._stock.serve, limits)

    async def served(self, sha256: str) -> Path | None:
        """A file that is kept."""
        return await asyncio.to_thread(self._stock.find, sha256)

    @asynccontextmanager
    async def brought(self, source: Repository, file: Payload, name: str, room: int, tell: Tell) -> AsyncIterator[str]:
        """The path of the whole, verified file. `name`: what people know it by; `room`: bytes that what is kept yields
        to what it is for."""
        await asyncio.to_thread(self._stock.make_room, file.size + room)
        places = [replace(one, name=name) for one in await asyncio.to_thread(source.sources, file)]
        if (kept := await self.served(file.sha256)) is not None:
            places = [Source(f"file://{quote(str(kept))}", name=name), *places]
        path = await self._fetched(places, file, tell)
        yield path
        await asyncio.to_thread(self._stock.keep, source.name, path, file.sha256)
        await self.forget(file)

    async def forget(self, *files: Payload) -> None:
        """What an earlier try brought of them, if there was one."""
        for file in files:
            await asyncio.to_thread(self._fetcher.drop, file.sha256)

    async def _fetched(self, places: Sequence[Source], file: Payload, tell: Tell) -> str:
        *first, last = places
        for place in first:
            try:
                return await self._fetcher.fetch(place, file.size, file.sha256, tell)
            except BeeyardError as error:
                level = logging.INFO if error.code == MISSING else logging.WARNING
                log.log(level, "%s is looked for elsewhere: %s", place.name, error)
        return await self._fetcher.fetch(last, file.size, file.sha256, tell)
