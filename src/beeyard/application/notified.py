"""What one attempt has said of itself by sd_notify, from its launch to its end, and what its probes make of that.

That it is ready is remembered by the worker's record, so the next master need not be told. What is said while no
master listens is lost: the watchdog of an attempt that was taken over begins a new period.
"""

from collections.abc import Callable

from beeyard.domain.messages import Said
from beeyard.domain.spec import ProbeRole, ProbeSpec
from beeyard.domain.values import human_duration
from beeyard.ports.clock import Clock
from beeyard.ports.notify import Word
from beeyard.ports.prober import Result

LEAST = 1.0
"""Seconds between two status texts that are told: each is saved, and some programs write one for every request."""
TRIGGERED = Result(False, "the worker asked to be ended (WATCHDOG=trigger)")


class Notified:
    """One attempt's word. `tell`, set by whoever judges by it, is called after each.

    Args:
        ready: it is known to have said so.
        emit: takes what people are shown, and what prolongs a stop.
        ends: ends the hearing; set by whoever began it.
    """

    def __init__(self, attempt: int, clock: Clock, emit: Callable[[Said], None], *, ready: bool) -> None:
        self.attempt = attempt
        self.tell: Callable[[Word], None] | None = None
        self.ends: Callable[[], None] | None = None
        self._clock = clock
        self._emit = emit
        self._ready = ready
        self._stopping = False
        self._alive = clock.now().mono
        self._patience = 0.0
        self._status = self._told = ""
        self._next = 0.0
        self._waiting = False

    def take(self, word: Word) -> None:
        """One more word of it."""
        now = self._clock.now().mono
        if word.ready:
            self._ready = True
        if word.stopping:
            self._stopping = True
        if word.watchdog == "alive":
            self._alive = now
        if word.extend is not None:
            self._patience = max(self._patience, now + word.extend)
            self._emit(Said(self.attempt, None, word.extend))
        if word.status is not None:
            self._status = word.status
        elif word.reloading:
            self._status = "reloading"
        elif word.ready and self._status == "reloading":
            self._status = ""
        self._show()
        if self.tell is not None:
            self.tell(word)

    def judge(self, role: ProbeRole, probe: ProbeSpec) -> Result:
        """What a notify probe in this role has found."""
        if role == "liveness":
            silent = self._clock.now().mono - self._alive
            # A question is asked exactly one period after the last word: what a float loses must not count as a word.
            late = silent >= 0.999 * probe.period
            return Result(not late, f"no WATCHDOG=1 for {human_duration(round(silent, 1))}" if late else "")
        if self._stopping:
            return Result(False, "it said that it stops (STOPPING=1)")
        return Result(True) if self._ready else Result(False, "it has not said that it is ready (READY=1)")

    def patient(self) -> bool:
        """Whether it asked for more time than has passed: then a start is not judged to have failed."""
        return self._clock.now().mono < self._patience

    def end(self) -> None:
        """Hear no more of it. Harmless twice."""
        self._waiting = True
        if self.ends is not None:
            self.ends()

    def _show(self) -> None:
        if self._status == self._told or self._waiting:
            return
        now = self._clock.now().mono
        if now < self._next:
            self._waiting = True
            self._clock.call_at(self._next, self._later)
            return
        self._next = now + LEAST
        self._told = self._status
        self._emit(Said(self.attempt, self._status))

    def _later(self) -> None:
        self._waiting = False
        self._show()
