"""The clock of this machine, and the running loop's timers. Knows nothing of who waits for what.

`now().mono` is CLOCK_MONOTONIC: all processes of one boot share it, so a moment may be saved and read by the next
master. A loop's own `time()` is never used: asyncio's is the same clock, but uvloop's is cached and cut to
milliseconds. So moments become delays.
"""

import asyncio
import time
from collections.abc import Callable

from beeyard.domain.messages import Now
from beeyard.ports.clock import Cancel

GRAIN = 0.0015
"""Added to each delay: uvloop rounds it to a millisecond and counts from one begun, and a call must not be early."""


class SystemClock:
    """The real time; calls are made by the running loop."""

    def now(self) -> Now:
        """Both clocks, read now."""
        return Now(time.monotonic(), time.time())

    def call_at(self, mono: float, callback: Callable[[], None]) -> Cancel:
        """Call once `now().mono >= mono`, at most some milliseconds later on an idle loop; soon, if that is past."""
        loop = asyncio.get_running_loop()
        delay = mono - time.monotonic()
        return loop.call_soon(callback) if delay <= 0 else loop.call_later(delay + GRAIN, callback)
