"""Keeps the launcher's two companions alive: the master, and the pump. Both outlive the launcher.

A companion that a predecessor started is found by the lock it holds, and watched by pidfd. One that ends is started
again, later and later while it keeps ending early.
"""

import os
import time
from collections.abc import Callable, Sequence

from beeyard.launcher import kernel
from beeyard.launcher.kernel import Identity
from beeyard.launcher.locks import holder
from beeyard.launcher.loop import Loop, Timer
from beeyard.launcher.voice import voice

SLOWEST = 30.0
"""Seconds between two starts of a companion that never lives long."""
STEADY = 10.0
"""Seconds after which a companion's early ends are forgotten."""


say = voice("launcher")


class Companion:
    """One program that has to be there."""

    def __init__(self, name: str, argv: Sequence[str], lock: str, loop: Loop, started: Callable[[], None]) -> None:
        self.name = name
        self.argv = list(argv)
        self.pid: int | None = None
        self.status: int | None = None
        self._lock = lock
        self._loop = loop
        self._started = started
        self._wanted = True
        self._early = 0
        self._since = 0.0
        self._pidfd: int | None = None
        self._timer: Timer | None = None

    def ensure(self) -> None:
        """Take over the one that runs, or start one."""
        self._timer = None
        if not self._wanted or self.pid is not None:
            return
        self._since = time.monotonic()
        pid = holder(self._lock)
        if pid is None:
            try:
                # Its own session: what a terminal or a process group is told is not meant for it.
                pid = os.posix_spawn(self.argv[0], self.argv, os.environ, setsid=True, setsigmask=[])
            except OSError as error:
                say(f"{self.name} can't be started: {error}")
                self._retry()
                return
        elif (seen := kernel.stat(pid)) is None or seen.parent != os.getpid():
            self._pidfd = kernel.open_process(Identity(pid, seen.start)) if seen else None
            if self._pidfd is None:
                self._retry()
                return
            self._loop.watch(self._pidfd, lambda _: self._lost())
        self.pid = pid
        self._started()

    def reaped(self, pid: int, status: int) -> bool:
        """Whether this child was the companion."""
        if pid != self.pid:
            return False
        self.status = status
        self._ended(f"{kernel.ending(status)}")
        return True

    def release(self) -> None:
        """Do not start it again."""
        self._wanted = False
        if self._timer is not None:
            self._timer.cancel()

    def _lost(self) -> None:
        assert self._pidfd is not None
        self._loop.forget(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = None
        self._ended("as seen by pidfd")

    def _ended(self, how: str) -> None:
        if self._wanted:
            say(f"{self.name} {self.pid} ended: {how}")
        self.pid = None
        self._retry()

    def _retry(self) -> None:
        if not self._wanted:
            return
        self._early = 0 if time.monotonic() - self._since > STEADY else self._early + 1
        # The first time at once: who is missed should be back before anybody notices.
        delay = 0.0 if self._early <= 1 else min(SLOWEST, 0.1 * 2 ** min(self._early - 1, 16))
        self._timer = self._loop.later(delay, self.ensure)
