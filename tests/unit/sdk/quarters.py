"""A loop in a thread of its own, as a module has one within the master; and an echo service to live there."""

import asyncio
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol, TypeVar

from msgspec import Struct

from beeyard.sdk import Context, Unreachable, thread_safe

T = TypeVar("T")
LONG = 30.0
"""Seconds: no measure, only an end to waiting."""


class Said(Struct):
    """What was said, and how often."""

    text: str
    times: int


class TooLong(Exception):
    """For whom it is too much."""


class Echo(Protocol):
    """Says it again."""

    errors: ClassVar[tuple[type[Exception], ...]] = (TooLong,)

    async def say(self, text: str, times: int = 2) -> Said: ...

    async def fail(self, how: str) -> None: ...

    async def wait(self) -> None: ...

    @thread_safe
    def here(self) -> int: ...

    def there(self) -> int: ...


class Sizes(ABC):
    """Another contract."""

    @abstractmethod
    async def size(self, text: str) -> int:
        """Of a text."""


class Service:
    """Keeps to both. `waiting` and `cancelled` are set while and after somebody waits for nothing; `failed` counts."""

    def __init__(self) -> None:
        self.waiting = threading.Event()
        self.cancelled = threading.Event()
        self.failed = 0

    async def say(self, text: str, times: int = 3) -> Said:
        return Said(text * times, times)

    async def fail(self, how: str) -> None:
        known: dict[str, BaseException] = {
            "value": ValueError("no such value", 7),
            "declared": TooLong("by far"),
            "further": Unreachable("whom it needs is gone"),
            "strange": threading.BrokenBarrierError("broken"),
            "exit": SystemExit(3),
        }
        self.failed += 1
        raise known[how]

    async def wait(self) -> None:
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    def here(self) -> int:
        return threading.get_ident()

    def there(self) -> int:
        return threading.get_ident()

    async def size(self, text: str) -> int:
        return len(text)


class Quarters:
    """The thread and its loop."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.exits = 0
        self.begin()

    def begin(self) -> None:
        """Run the loop, and go on after a `sys.exit` in a task, as the host of a module does."""
        self.thread = threading.Thread(target=self._live)
        self.thread.start()

    def _live(self) -> None:
        try:
            self.loop.run_forever()
        except SystemExit:
            self.exits += 1
            self._live()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """On its loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(LONG)

    def close(self) -> None:
        """End it, with what runs there."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()


@contextmanager
def quarters() -> Iterator[Quarters]:
    """One, for a block."""
    made = Quarters()
    try:
        yield made
    finally:
        made.close()


def context(worker: str, master: str = "") -> Context[None]:
    """A module's, on its own thread's loop."""
    return Context(worker, None, {}, logging.getLogger(worker), master=master)
