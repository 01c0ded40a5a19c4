"""What one container writes, as the engine tells it, followed while there is any. Others know where it goes."""

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from beeyard.adapters.copying import STREAMS, Copying
from beeyard.adapters.providers.docker.engine import Engine
from beeyard.adapters.providers.docker.frames import Frames, since, stamped
from beeyard.domain.errors import BeeyardError, NotFound

if TYPE_CHECKING:
    import aiohttp

HEARD = 1.0
"""Seconds within which an end is heard of when there is no more output."""
AGAIN = 0.5
"""Seconds until the engine is asked again after it went away."""

log = logging.getLogger("beeyard")


class Output:
    """One attempt's. `run` ends when the container did and all of it was copied, or it is gone; `over` is for who
    hears first that it did, `heard` tells that what the engine sent until then was copied."""

    def __init__(self, engine: Engine, container: str, worker: str, copying: Copying) -> None:
        self._engine = engine
        self._container = container
        self._worker = worker
        self.copying = copying
        self.over = asyncio.Event()
        self.heard = asyncio.Event()

    async def run(self) -> None:
        """Until there is no more of it."""
        try:
            await self.copying.find()
            # The engine may end what it sends together with the container, before all was sent: the rest is read after.
            for follow in (True, False):
                while not await self._read(follow):  # noqa: ASYNC110  # It went away: nothing here could tell of it.
                    await asyncio.sleep(AGAIN)
                self.heard.set()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("%s: what it writes can't be copied any more", self._worker)
        finally:
            self.heard.set()
            self.copying.close()

    async def _read(self, follow: bool) -> bool:
        """True when that was all: until its end, or what is there."""
        begin = since(self.copying.begin(*STREAMS))
        params = {"follow": str(int(follow)), "stdout": "1", "stderr": "1", "timestamps": "1", "since": begin}
        frames = Frames()
        try:
            async with self._engine.open("GET", f"containers/{self._container}/logs", params=params) as response:
                content = response.content
                while data := await (self._next(content) if follow else content.readany()):
                    await self.copying.take((stream, *stamped(payload)) for stream, payload in frames.feed(data))
            if not follow or await self._is_over():
                return True
            state = (await self._engine.ask("GET", f"containers/{self._container}/json"))["State"]
        except NotFound:
            return True
        except BeeyardError as error:
            log.debug("%s: what it writes waits: %s", self._worker, error)
            return False
        return not (state["Running"] or state["Status"] == "created")

    async def _next(self, content: "aiohttp.StreamReader") -> bytes:
        """What comes next, nothing at the end, or when the container ended and no more comes. A connection that was
        dropped somewhere on the way has no end."""
        reading, over = asyncio.ensure_future(content.readany()), asyncio.ensure_future(self.over.wait())
        try:
            await asyncio.wait([reading, over], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([reading], timeout=HEARD)
            return reading.result() if reading.done() else b""
        finally:
            reading.cancel()
            over.cancel()

    async def _is_over(self) -> bool:
        """Whether it is known to have ended: the engine says so at the same time, and answers questions only later."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARD):
                await self.over.wait()
        return self.over.is_set()
