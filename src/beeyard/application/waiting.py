"""Waiting as the master's clock counts, so that a test with a clock of its own needs none of the time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from beeyard.ports.clock import Clock


async def pause(clock: Clock, seconds: float) -> None:
    """So long."""
    over = asyncio.Event()
    timer = clock.call_at(clock.now().mono + seconds, over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()


@asynccontextmanager
async def within(clock: Clock, seconds: float) -> AsyncIterator[None]:
    """What is done inside is called off after so long. Raises TimeoutError."""
    async with asyncio.timeout(None) as limit:
        timer = clock.call_at(clock.now().mono + seconds, lambda: limit.reschedule(0.0))
        try:
            yield
        finally:
            timer.cancel()
