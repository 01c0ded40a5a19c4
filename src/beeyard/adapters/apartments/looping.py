"""An event loop for the thread of an apartment: what runs on it, how that ends, and what it leaves behind.

asyncio's own loop: a thousand of them are there in 0.5 s and take 20 MB; uvloop's take 1.3 s and 340 MB (measured).
"""

import asyncio
import contextlib
import os
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from beeyard.adapters.apartments.apartment import Evicted

T = TypeVar("T")

THREADS = min(32, (os.cpu_count() or 1) + 4)
"""Of a loop's own pool at most, as asyncio has it."""
BOUND = 2.0
"""Seconds for what is left on the loop when its work is done."""


class _Loop(asyncio.SelectorEventLoop):
    """Knows its own tasks. asyncio looks through those of all loops, which takes a millisecond among a thousand."""

    def __init__(self) -> None:
        super().__init__()
        self._tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()

    def create_task(self, *given: Any, **options: Any) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = super().create_task(*given, **options)
        self._tasks.add(task)
        return task

    def tasks(self) -> "set[asyncio.Task[Any]]":
        """Those that are not done; on the loop's own thread."""
        return {task for task in self._tasks if not task.done()}


class Looping:
    """One loop. It is made by who makes it, so that whatever keeps it from being made is known there."""

    def __init__(self, name: str) -> None:
        self._loop = _Loop()
        self.tasks = self._loop.tasks
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix=name)

    def run(self, work: Callable[[], Coroutine[Any, Any, T]], exited: Callable[[SystemExit], None]) -> T:
        """From here to its end, in the calling thread. `exited` is told of a task that called `sys.exit`."""
        self._loop.set_default_executor(self._pool)
        asyncio.set_event_loop(self._loop)
        try:
            task: asyncio.Task[T] = self._loop.create_task(work())
            while True:
                try:
                    return self._loop.run_until_complete(task)
                except SystemExit as error:
                    if isinstance(error, Evicted) or task.done():
                        raise
                    exited(error)
        finally:
            with contextlib.suppress(Exception, SystemExit):
                self._loop.run_until_complete(self._rest())
            asyncio.set_event_loop(None)
            self.close()

    def soon(self, call: Callable[..., object], *given: Any) -> None:
        """On the loop, from any thread; not at all when it is closed."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *given)

    def cancel(self) -> None:
        """Cancel its work and all else on it, from any thread."""
        self.soon(self._cancel)

    def _cancel(self) -> None:
        for task in self.tasks():
            task.cancel()

    def close(self) -> None:
        """Let go of it. Harmless twice."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._loop.close()

    async def _rest(self) -> None:
        """End what is left, within a bound as long as that lets others run."""
        if others := self.tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.wait(others, timeout=BOUND)
        await asyncio.wait_for(self._loop.shutdown_asyncgens(), BOUND)
