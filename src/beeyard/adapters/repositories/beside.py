"""Runs work that waits for files in a thread, while the loop reads them.

The thread is one of its own: the loop has few, reading may need one of them, and refreshes that held them all would
wait for each other for ever. And it is never left behind: it may write into a folder that is somebody else's next.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from beeyard.adapters.fetcher.settled import to_its_end

T = TypeVar("T")
Read = Callable[[str, int], bytes | None]
"""A file by its path and the bytes it may have at most; None: it is not there."""


async def beside(work: Callable[[Read], T], read: Callable[[str, int], Awaitable[bytes | None]]) -> T:
    """What `work` returns. Cancelled, no file is read any more, and it comes back when the work has stopped."""
    loop, over = asyncio.get_running_loop(), False
    reading: set[asyncio.Task[bytes | None]] = set()

    async def answer(path: str, most: int) -> bytes | None:
        if over:
            raise asyncio.CancelledError
        task = asyncio.ensure_future(read(path, most))
        reading.add(task)
        try:
            return await task
        finally:
            reading.discard(task)

    def ask(path: str, most: int) -> bytes | None:
        return asyncio.run_coroutine_threadsafe(answer(path, most), loop).result()

    def give_up() -> None:
        nonlocal over
        over = True
        for task in reading:
            task.cancel()

    pool = ThreadPoolExecutor(1)
    try:
        return await to_its_end(loop.run_in_executor(pool, work, ask), give_up)
    finally:
        pool.shutdown(wait=False)
