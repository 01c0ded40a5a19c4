"""One at a time with each package. Who has to wait is told meanwhile how it goes for the one who is at it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from msgspec.structs import replace

from beeyard.application.packages.status import PackageStatus

Tell = Callable[[PackageStatus], None]


class Turns:
    """For one master."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._waiting: dict[str, list[Tell]] = {}

    @asynccontextmanager
    async def turn(
        self, package: str, tell: Tell = lambda status: None, known: PackageStatus | None = None
    ) -> AsyncIterator[bool]:
        """Alone with it. Whether somebody else was at it before: then `tell` heard of that, beginning with `known`."""
        lock, waiting = self._locks.setdefault(package, asyncio.Lock()), self._waiting.setdefault(package, [])
        if waits := lock.locked():
            waiting.append(tell)
            if known is not None:
                _joined(tell, known)
        try:
            await lock.acquire()
        finally:
            if waits:
                waiting.remove(tell)
        try:
            yield waits
        finally:
            lock.release()

    def told(self, status: PackageStatus) -> None:
        """How it goes on."""
        for tell in self._waiting.get(status.name, ()):
            _joined(tell, status)


def _joined(tell: Tell, status: PackageStatus) -> None:
    if status.under_way:
        tell(replace(status, joined=True))
