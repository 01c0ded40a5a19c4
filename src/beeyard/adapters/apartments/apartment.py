"""A thread for one attempt. It has ended when nothing of it runs any more, and never before.

Nobody can end a thread from outside: an exception is put into it, which it sees when it next runs Python code. One
that waits in C code for ever, or that catches everything, is stuck. Then the attempt goes on, and says where it hangs.
A thread that was not to be waited for (a daemon thread, in Python's words) is left behind instead, and counted.
"""

import contextlib
import ctypes
import gc
import logging
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import thread as futures

from beeyard.adapters.apartments import routing
from beeyard.adapters.apartments.tenant import Tenant, hangs
from beeyard.domain.messages import Exit

POLITE = 0.5
"""Seconds that threads have to end by themselves when what started them has ended."""
LEFT = 2.0
"""Seconds that they have when they were told to."""

log = logging.getLogger("beeyard")


class Evicted(SystemExit):
    """Put into threads that have to end. A SystemExit, for of all that ends a thread that is caught least."""


class Apartment:
    """One attempt.

    Args:
        work: what it does, in its thread; how it ended.
        told: called in that thread when it should have ended and can't, with where it hangs; then with nothing.
        ended: called in that thread when nothing else of it runs.
    """

    def __init__(
        self, tenant: Tenant, work: Callable[[], Exit], told: Callable[[str], None], ended: Callable[[Exit], None]
    ) -> None:
        self.tenant = tenant
        self.killed = False
        self._work = work
        self._told = told
        self._ended = ended
        self._leaving = False
        self._thread = threading.Thread(target=self._live, name=tenant.name, daemon=True)

    def start(self) -> None:
        """Raises RuntimeError when the system has no thread left."""
        routing.install()
        self._thread.start()

    def alive(self) -> bool:
        """Whether its own thread runs."""
        return self._thread.is_alive()

    def join(self, timeout: float | None = None) -> None:
        """Wait for its own thread, if it ever began."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def evict(self) -> None:
        """Put an end into all its threads. They see it when they next run."""
        self.killed = True
        for lodger in self.tenant.lodgers():
            if lodger.thread is not self._thread or not self._leaving:
                _interrupt(lodger.thread)

    def stuck(self) -> str:
        """Where it hangs, in words."""
        lodgers = [lodger for lodger in self.tenant.lodgers() if lodger.thread is not self._thread or not self._leaving]
        return ", ".join(map(hangs, lodgers))

    def _live(self) -> None:
        exit = Exit(1)
        self.tenant.enter()
        try:
            try:
                exit = self._work()
            finally:
                self._leaving = True
            left = self._emptied()
        except BaseException as error:  # Only an end that was put into it: whatever it does is caught further inside.
            left = self._emptied()
            if not isinstance(error, Evicted):
                log.exception("%s: its apartment broke", self.tenant.name)
        if self.killed:
            exit = Exit(signal=signal.SIGKILL, leftovers=left)
        elif left:
            exit = Exit(exit.code, note=exit.note, leftovers=left)
        self.tenant.leave()
        self.tenant.vacate()
        self._ended(exit)

    def _emptied(self) -> int:
        """End what it left running. Returns how many threads were left behind."""
        if not self.tenant.lodgers():
            return 0
        self._wait(POLITE)
        if self.tenant.lodgers():
            gc.collect()  # Pools that nobody has any more end their threads when they are collected.
            for lodger in self.tenant.lodgers():
                _interrupt(lodger.thread)
            self._wait(LEFT)
        said = ""
        while awaited := [lodger for lodger in self.tenant.lodgers() if lodger.awaited]:
            now = ", ".join(map(hangs, awaited))
            if now != said:
                self._told(said := now)
            for lodger in awaited:
                _interrupt(lodger.thread)
            self._wait(LEFT)
        if said:
            self._told("")
        behind = self.tenant.lodgers()
        for lodger in behind:
            log.warning("%s ended and left behind %s", self.tenant.name, hangs(lodger))
        return len(behind)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        for lodger in self.tenant.lodgers():
            with contextlib.suppress(RuntimeError):
                lodger.thread.join(max(0.0, end - time.monotonic()))


def _interrupt(thread: threading.Thread) -> None:
    if thread.ident is not None and thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Evicted))
        # One of a pool that nobody shut down waits for work in C code, for ever; no work at all wakes it up.
        if (waits := futures._threads_queues.get(thread)) is not None:
            waits.put(None)
