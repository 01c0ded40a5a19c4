"""What becomes of containers: the engine's events for speed, and a list now and then for truth.

A stream that ends is opened anew, and everything is listed after it is open: what happened in between is seen there. A
lost event is found by the next list. Knows which containers are ours by a label, and decides nothing about them.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from beeyard.adapters.providers.docker.container import OWNER
from beeyard.adapters.providers.docker.engine import Engine, unreachable
from beeyard.domain.errors import BeeyardError

LISTED = 30.0
"""Seconds between two lists."""
FIRST, MOST = 0.1, 5.0
"""Seconds until the next try to reach the engine: at first, and at most."""

Row = dict[str, Any]

log = logging.getLogger("beeyard")


class Watching:
    """`listed(rows)` hears of everything there is, `happened(event)` of each event, `lost(reason)` of its end."""

    def __init__(
        self,
        engine: Engine,
        owner: str,
        listed: Callable[[list[Row]], Awaitable[None]],
        happened: Callable[[Row], Awaitable[None]],
        lost: Callable[[str], None],
        every: float = LISTED,
    ) -> None:
        self._engine = engine
        self._label = f"{OWNER}={owner}"
        self._listed = listed
        self._happened = happened
        self._lost = lost
        self._every = every
        self.synced = asyncio.Event()
        self.trouble: BeeyardError = unreachable("it was not asked yet")

    async def run(self) -> None:
        """Until cancelled."""
        pause = FIRST
        while True:
            try:
                async with contextlib.aclosing(self._stream()) as stream:
                    async for event in stream:
                        pause = FIRST
                        if event is None:
                            await self._look()
                        else:
                            await self._happened(event)
                self.trouble = unreachable("it closed the stream of events")
            except BeeyardError as error:
                self.trouble = error
            if self.synced.is_set():
                self.synced.clear()
                log.warning("contact with the Docker Engine is lost: %s", self.trouble)
                self._lost(str(self.trouble))
            await asyncio.sleep(pause)
            pause = min(MOST, pause * 2)

    async def _look(self) -> None:
        filters = json.dumps({"label": [self._label]})
        await self._listed(await self._engine.ask("GET", "containers/json", params={"all": "1", "filters": filters}))
        self.synced.set()

    async def _stream(self) -> AsyncGenerator[Row | None, None]:
        """Events; None when it is time to list."""
        filters = json.dumps({"label": [self._label], "type": ["container"]})
        async with self._engine.open("GET", "events", params={"filters": filters}) as response:
            yield None
            loop = asyncio.get_running_loop()
            due = loop.time() + self._every
            line = asyncio.ensure_future(response.content.readline())
            try:
                while True:
                    await asyncio.wait([line], timeout=max(0.0, due - loop.time()))
                    if line.done():
                        if not (text := line.result()):
                            return
                        line = asyncio.ensure_future(response.content.readline())
                        yield json.loads(text)
                    if loop.time() >= due:
                        due = loop.time() + self._every
                        yield None
            finally:
                line.cancel()
