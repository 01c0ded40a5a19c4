"""What happens, in order, for any number of readers, in a bounded memory.

A reader is a position and nothing else, so one that is stuck costs nothing. What it did not read in time is gone, and
it is told so by a gap; its position, given back later, goes on where it was. Positions of another life of the master
(`epoch`) are gaps as well. An event wakes few readers an iteration of the loop, so that a thousand of them do not hold
up everybody else.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable
from itertools import islice
from typing import Any

from beeyard.application.views import Event as Event

KEPT = 4096
"""Events that are kept for readers who are behind, or come back."""
BATCH = 64
"""Events handed out at once."""
AT_ONCE = 4
"""Readers woken in one iteration of the loop."""

_CURSOR = re.compile(r"([0-9a-z]{1,16})-([0-9]{1,18})")


class _Told:
    """An event before anybody asked for it: most are never read, so nothing is made of them in advance."""

    __slots__ = ("at", "event", "kind", "make", "worker")

    def __init__(self, kind: str, at: float, worker: str | None, make: Callable[[], Any]) -> None:
        self.kind, self.at, self.worker, self.make = kind, at, worker, make
        self.event: Event | None = None


class Feed:
    """One row of events. `epoch` tells this row from others of the same kind; `told` counts all events ever told."""

    def __init__(self, epoch: str, kept: int = KEPT, told: int = 0) -> None:
        self.epoch = epoch
        self.ended = False
        self.told = told
        self._kept: deque[_Told] = deque(maxlen=kept)
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._due: deque[asyncio.Future[None]] = deque()

    def tell(self, kind: str, at: float, make: Callable[[], Any], worker: str | None = None) -> None:
        """Append an event; `make` gives its data, if anybody asks."""
        self._kept.append(_Told(kind, at, worker, make))
        self.told += 1
        self._wake()

    def end(self) -> None:
        """Nothing more will come: readers end once they have read all."""
        self.ended = True
        self._wake()

    @property
    def cursor(self) -> str:
        """Where the next event will come after."""
        return f"{self.epoch}-{self.told}"

    def read(self, after: str | None) -> AsyncGenerator[list[Event]]:
        """Batches of events, from this call on (None), from the oldest kept (""), or after a cursor, to the feed's end.

        The first batch comes at once, and is empty where there is nothing yet.
        """
        position, lost = self._position(after)
        return self._batches(position, lost)

    async def _batches(self, position: int, lost: bool) -> AsyncGenerator[list[Event]]:
        batch = [self._gap(position, None)] if lost else []
        if position == self.told and not self.ended:
            yield batch
            batch = []
        while True:
            oldest = self.told - len(self._kept)
            if position < oldest:
                batch.append(self._gap(oldest, oldest - position))
                position = oldest
            events = self._events(position)  # In one batch with the gap: by the next there may be another one.
            position += len(events)
            batch += events
            if batch:
                yield batch
                batch = []
            elif self.ended:
                return
            else:
                await self._news()

    def _position(self, after: str | None) -> tuple[int, bool]:
        """How many events a reader has behind it; and whether it is unknown what it missed."""
        if after is None:
            return self.told, False
        oldest = self.told - len(self._kept)
        if after == "":
            return oldest, False
        match = _CURSOR.fullmatch(after)
        if match is None or match[1] != self.epoch or int(match[2]) > self.told:
            return oldest, True
        return int(match[2]), False

    def _events(self, position: int) -> list[Event]:
        """Those that follow, as many as are handed out at once."""
        start = position - self.told + len(self._kept)
        batch = []
        for number, told in enumerate(islice(self._kept, start, start + BATCH), position + 1):
            if told.event is None:
                told.event = Event(f"{self.epoch}-{number}", told.kind, told.at, told.worker, told.make())
                told.make = _nothing
            batch.append(told.event)
        return batch

    def _gap(self, position: int, missed: int | None) -> Event:
        """`missed` None: it can't be told how many."""
        at = self._kept[0].at if self._kept else 0.0
        return Event(f"{self.epoch}-{position}", "gap", at, None, {"missed": missed})

    async def _news(self) -> None:
        """Returns when something was told since, or the feed has ended."""
        news = asyncio.get_running_loop().create_future()
        self._waiting[news] = None
        try:
            await news
        finally:
            self._waiting.pop(news, None)

    def _wake(self) -> None:
        under_way = bool(self._due)
        self._due.extend(self._waiting)
        self._waiting.clear()
        if not under_way:
            self._wake_some()

    def _wake_some(self) -> None:
        for _ in range(min(AT_ONCE, len(self._due))):
            news = self._due.popleft()
            if not news.done():
                news.set_result(None)
        if self._due:
            self._due[0].get_loop().call_soon(self._wake_some)


def _nothing() -> None:
    return None
