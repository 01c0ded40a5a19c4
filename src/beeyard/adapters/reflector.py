"""A mirror of what lies elsewhere: list it once, then watch what changes, and never miss or invent a thing.

What is told is a right sequence whatever the stream did: a thing is added before it is changed or gone, each state told
was true in that order, and once the other side answers again the mirror is as it is there. Nothing is polled: only a
version that is too old, or a stream that can't be resumed, is worth another list. Knows neither what the things are nor
how they are asked for; a key names one thing in all its life, and no other one after it.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Generic, Literal, TypeVar

from msgspec import Struct

from beeyard.domain.errors import BeeyardError, Limited

FIRST, MOST = 0.2, 30.0
"""Seconds between two tries: of the first failure, and at most."""
SETTLED = 5.0
"""Seconds after which a stream that ended did its work, though nothing happened."""
TOLD = 2
"""Failures in a row after which contact counts as lost: one closed connection is none."""

T = TypeVar("T")

log = logging.getLogger("beeyard")


class Stale(Exception):
    """What was asked for begins too far back: list again."""


class Step(Struct, Generic[T], frozen=True, gc=False):
    """One line of a watch: the thing as it is now, None when it is gone. Without a key it only says how far we are."""

    version: str
    key: str = ""
    thing: T | None = None


class Listed(Struct, Generic[T], frozen=True):
    """All there is at one version."""

    version: str
    things: Mapping[str, T]


class Change(Struct, Generic[T], frozen=True):
    """What became of a thing; of one that is gone, the last that was known of it."""

    kind: Literal["added", "changed", "gone"]
    key: str
    thing: T


class Reflector(Generic[T]):
    """One mirror.

    `list_all()` answers with all there is; `watch(version)` yields what happened since, a step without a key first when
    it is connected. Both raise Stale, Limited, or another of our errors. `tell` hears each change, `contact` why there
    is none with the other side, and an empty text when there is again.
    """

    def __init__(
        self,
        list_all: Callable[[], Awaitable[Listed[T]]],
        watch: Callable[[str], AsyncGenerator[Step[T], None]],
        tell: Callable[[Change[T]], None],
        contact: Callable[[str], None],
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        roll: Callable[[], float] = random.random,
    ) -> None:
        self._list = list_all
        self._watch = watch
        self._tell = tell
        self._contact = contact
        self._pause = pause
        self._roll = roll
        self._version = ""
        self._failures = 0
        self._lost = False
        self.things: dict[str, T] = {}
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled. Every round lists if it must, and watches until the stream ends."""
        fruitless = 0
        while True:
            began, least, fruitful = asyncio.get_running_loop().time(), 0.0, False
            try:
                if not self._version:
                    self._compare(await self._list())
                async with aclosing(self._watch(self._version)) as steps:
                    async for step in steps:
                        self._reached()
                        fruitful |= self._take(step)
            except Stale:
                self._version = ""
            except BeeyardError as error:
                least = error.retry_after if isinstance(error, Limited) else FIRST
                self._missed(error)
            settled = fruitful or asyncio.get_running_loop().time() - began >= SETTLED
            fruitless = 0 if settled and not least else fruitless + 1
            await self._pause(max(least, self._delay(fruitless)))

    def _delay(self, fruitless: int) -> float:
        """Twice as long each time, the first one for nothing; up to a quarter less, so that not all come at once."""
        if fruitless < 2:
            return 0.0
        return min(MOST, FIRST * 2.0 ** min(fruitless - 2, 16)) * (1.0 - self._roll() / 4)

    def _compare(self, listed: Listed[T]) -> None:
        self._version = listed.version
        for key in self.things.keys() - listed.things.keys():
            self._put(key, None)
        for key, thing in listed.things.items():
            self._put(key, thing)
        self._reached()
        self.synced.set()

    def _take(self, step: Step[T]) -> bool:
        """Whether it says anything of a thing."""
        self._version = step.version or self._version
        if not step.key:
            return False
        self._put(step.key, step.thing)
        return True

    def _put(self, key: str, thing: T | None) -> None:
        known = self.things.get(key)
        if thing is None:
            if known is not None:
                del self.things[key]
                self._tell(Change("gone", key, known))
        elif known is None:
            self.things[key] = thing
            self._tell(Change("added", key, thing))
        elif known != thing:
            self.things[key] = thing
            self._tell(Change("changed", key, thing))

    def _reached(self) -> None:
        self._failures = 0
        if self._lost:
            self._lost = False
            self._contact("")

    def _missed(self, error: BeeyardError) -> None:
        self._failures += 1
        log.debug("a watch failed: %s", error)
        if self._failures >= TOLD and not self._lost:
            self._lost = True
            self._contact(error.advised)
