"""Whose a thread of the master's process is: one attempt's with all the threads that it starts, or nobody's.

A tenant's threads are counted, and their CPU with them. How they are told apart is not known here: see `routing`.

Nothing is locked: a thread may be ended by an exception at any place, and one that ended with a lock in its hands
would hold up the master. What that costs is said where it does.
"""

import logging
import os
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from types import FrameType

from msgspec import Struct

from beeyard.adapters.apartments.outlets import Outlet

_here = threading.local()
_LIBRARY = (sysconfig.get_path("stdlib"), os.path.dirname(__file__), "<frozen ")


def here() -> "Tenant | None":
    """Whose the thread is that asks."""
    found: Tenant | None = getattr(_here, "tenant", None)
    return found


class Lodger(Struct, frozen=True, gc=False):
    """One thread that runs. `awaited`: it was to end before its program does (no daemon thread, in Python's words)."""

    thread: threading.Thread
    clock: int
    awaited: bool


class Tenant:
    """One attempt.

    Args:
        lines: the form of what it logs.
        uncaught: told of an error that ended one of its threads, and where that was; in that thread.
    """

    def __init__(
        self,
        name: str,
        out: Outlet,
        err: Outlet,
        lines: logging.Formatter,
        uncaught: Callable[[BaseException, str], None],
    ) -> None:
        self.name = name
        self.out, self.err = out, err
        self.uncaught = uncaught
        self.log = logging.StreamHandler(err)
        self.log.setFormatter(lines)
        # Known to nobody else, so that it goes with its attempt.
        self.logger = logging.Logger(name, logging.INFO)  # noqa: LOG001
        self.logger.addHandler(self.log)
        self._lodgers: dict[int, Lodger] = {}
        self._spent = self._most = 0.0

    def enter(self, *, awaited: bool = True) -> None:
        """The thread that calls is this tenant's from now on."""
        me = threading.current_thread()
        ident = threading.get_ident()
        _here.tenant = self
        self._lodgers[ident] = Lodger(me, time.pthread_getcpuclockid(ident), awaited)

    def leave(self) -> None:
        """The thread that calls is about to end."""
        self._spent += time.thread_time()  # One of two that end in the same instant may be lost.
        self._lodgers.pop(threading.get_ident(), None)

    def lodgers(self) -> list[Lodger]:
        """Its threads that run, but for the one that asks."""
        own = threading.get_ident()
        found = list(self._lodgers.items())
        return [lodger for ident, lodger in found if ident != own and lodger.thread.is_alive()]

    def cpu(self) -> float:
        """Seconds that all its threads used so far."""
        used = self._spent
        for lodger in list(self._lodgers.values()):
            try:
                used += time.clock_gettime(lodger.clock)
            except OSError:  # It ended meanwhile.
                continue
        self._most = max(self._most, used)
        return self._most

    def vacate(self) -> None:
        """Nothing of it runs any more."""
        self.logger.removeHandler(self.log)
        self.log.close()
        for outlet in (self.out, self.err):
            outlet.close()


def hangs(lodger: Lodger) -> str:
    """Where a thread is, in words: in the code of its owner, as far as that can be told."""
    frame = sys._current_frames().get(lodger.thread.ident or 0)
    found: FrameType | None = frame
    while found is not None and found.f_code.co_filename.startswith(_LIBRARY):
        found = found.f_back
    found = found or frame
    if found is None:
        return f"the thread {lodger.thread.name}"
    code = found.f_code
    name = getattr(code, "co_qualname", code.co_name)
    return f"the thread {lodger.thread.name} in {name} ({os.path.basename(code.co_filename)}:{found.f_lineno})"
