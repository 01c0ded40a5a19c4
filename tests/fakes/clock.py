"""A clock that stands still until a test moves it."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

from beeyard.domain.messages import Now


class Call:
    """A call that is due at `at`."""

    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class FakeClock:
    """Calls are made only by `advance` and `run`, in order of their moments; one that is past waits for them too."""

    def __init__(self, mono: float = 1000.0, wall: float = 1_700_000_000.0) -> None:
        self._mono = mono
        self._offset = wall - mono
        self._calls: list[tuple[float, int, Call]] = []
        self._serial = count()

    def now(self) -> Now:
        return Now(self._mono, self._mono + self._offset)

    def call_at(self, mono: float, callback: Callable[[], None]) -> Call:
        call = Call(mono, callback)
        heapq.heappush(self._calls, (mono, next(self._serial), call))
        return call

    def jump_wall(self, seconds: float) -> None:
        """Somebody set the wall clock; monotonic time knows nothing of it."""
        self._offset += seconds

    def pending(self) -> list[float]:
        """The moments of the calls still to come, in order."""
        return sorted(at for at, _, call in self._calls if call.callback)

    def advance(self, seconds: float = 0.0) -> None:
        """Let time pass; each call sees its own moment, and may ask for further ones."""
        end = self._mono + seconds
        while self._next(end):
            pass
        self._mono = end

    async def run(self, seconds: float = 0.0) -> None:
        """Let time pass as on a running loop: before, between and after the calls all tasks get on."""
        end = self._mono + seconds
        await settle()
        while self._next(end):
            await settle()
        self._mono = end

    def _next(self, end: float) -> bool:
        """Make the next call that is due by `end`, if there is one."""
        while self._calls and self._calls[0][0] <= end:
            at, _, call = heapq.heappop(self._calls)
            if call.callback:
                self._mono = max(self._mono, at)
                call.callback()
                return True
        return False


async def settle() -> None:
    """Let all tasks run until each waits for something from outside."""
    for _ in range(30):
        await asyncio.sleep(0)
