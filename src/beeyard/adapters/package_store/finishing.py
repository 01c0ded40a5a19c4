"""Work in a thread that is not left alone there: who waits for it, cancelled or not, goes on when it is done."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def finished(work: Callable[..., T], *arguments: object) -> T:
    """Let a thread do it. A lock that is held meanwhile is not let go before its time."""
    working = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        while not working.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([working])
        if not working.cancelled():
            working.exception()  # looked at: so nobody is told that it was not
        raise
