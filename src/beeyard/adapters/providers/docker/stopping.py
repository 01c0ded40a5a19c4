"""How the attempts on one engine are ended: signals, each step of a stop once, and containers that are removed.

An order stands until the engine has answered it. While it does not, whoever looks after the worker knows that contact
with it is lost, and it is carried out when there is contact again.
"""

import asyncio
import contextlib
import logging
import signal

from beeyard.adapters.copying import quiet
from beeyard.adapters.ledger import Ledger, Page
from beeyard.adapters.providers.docker.engine import Engine
from beeyard.adapters.providers.docker.following import Following
from beeyard.adapters.providers.docker.known import Key, Known
from beeyard.adapters.providers.docker.looking import LAST_WORDS
from beeyard.domain.errors import NotFound, Refused, Unavailable
from beeyard.domain.spec import StopStep

LEAVING = 5.0
"""Seconds that removing what ended may take when the master ends."""
AGAIN = 0.2
"""Seconds between two tries of what has to be done in the end."""

log = logging.getLogger("beeyard")


class Stopping:
    """The ends of one owner's containers on one engine."""

    def __init__(self, engine: Engine, following: Following, ledger: Ledger) -> None:
        self._engine = engine
        self._following = following
        self._ledger = ledger
        self._removals: set[asyncio.Task[None]] = set()

    async def terminate(self, worker: str, attempt: int, step: StopStep, number: int) -> None:
        """As `Provider.terminate`."""
        page = self._ledger.page(worker, attempt) or Page()
        if number <= page.asked:
            return
        await self.signal((worker, attempt), step.signal)
        if (worker, attempt) in self._following.known:
            page = self._ledger.page(worker, attempt) or Page()
            page.asked = number
            self._ledger.write(worker, attempt, page)

    async def signal(self, key: Key, number: int) -> None:
        """Until the engine has answered; a paused one is woken, for it would not hear."""
        while True:
            await self._following.watching.synced.wait()
            known = self._following.known.get(key)
            if known is None or known.exit is not None:
                return None
            try:
                known.killed = known.killed or number == signal.SIGKILL
                await self._send(known, number)
                return self._following.answered(key)
            except Unavailable as error:
                reason = f"{signal.Signals(number).name} waits: {error}"
                log.warning("%s: attempt %d: %s", *key, reason)
                self._following.astray(key, reason)
            await asyncio.sleep(AGAIN)  # The events may not have ended yet, or go on while nothing else is answered.

    async def destroy(self, worker: str, attempt: int) -> None:
        """As `Provider.destroy`; goes on if who asked does not wait."""
        task = asyncio.get_running_loop().create_task(self._destroy(worker, attempt))
        self._removals.add(task)
        task.add_done_callback(self._removals.discard)
        await asyncio.shield(task)

    async def close(self) -> None:
        """What ended with us is not to lie about until the next owner."""
        if self._removals:
            await asyncio.wait(self._removals, timeout=LEAVING)
        for task in (tasks := list(self._removals)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, known: Known, number: int) -> None:
        with contextlib.suppress(NotFound, Refused):
            if known.paused:
                await self._engine.ask("POST", f"containers/{known.id}/unpause")
            await self._engine.ask("POST", f"containers/{known.id}/kill", params={"signal": str(int(number))})

    async def _destroy(self, worker: str, attempt: int) -> None:
        known = self._following.known.get((worker, attempt))
        if known is None or known.exit is None:
            return
        if known.output is not None and not await quiet(known.output, LAST_WORDS):
            log.warning("%s: what attempt %d wrote last could not be copied", worker, attempt)
            known.output.cancel()
        while True:
            try:
                await self._engine.remove(known.id)
                break
            except (Unavailable, Refused):  # Refused: somebody else removes it or started it again. Then it is there.
                await self._following.watching.synced.wait()
                await asyncio.sleep(AGAIN)  # It may go away again at once.
        self._following.known.pop((worker, attempt), None)
        self._ledger.drop(worker, attempt)
