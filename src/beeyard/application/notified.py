"""What one attempt has said of itself, from its launch to its end, and what its probes make of that: by sd_notify, or
a module by its host's reports.

That it is ready is remembered by the worker's record, so the next master need not be told. What is said while no
master listens is lost: the watchdog of an attempt that was taken over begins a new period.
"""

import asyncio
from collections.abc import Callable

from beeyard.domain.messages import Said
from beeyard.domain.spec import ProbeRole, ProbeSpec
from beeyard.domain.values import human_duration
from beeyard.ports.clock import Clock
from beeyard.ports.notify import Word
from beeyard.ports.prober import Result
from beeyard.sdk.report import Report

LEAST = 1.0
"""Seconds between two status texts that are told: each is saved, and some programs write one for every request."""
TRIGGERED = Result(False, "the worker asked to be ended (WATCHDOG=trigger)")


class Notified:
    """One attempt's word. `tell`, set by whoever judges by it, is called after each.

    Args:
        ready: it is known to have said so.
        start: seconds that a module may take until it is ready, before its silence counts.
        emit: takes what people are shown, and what prolongs a stop.
        ends: ends the hearing; set by whoever began it.
    """

    def __init__(
        self, attempt: int, clock: Clock, emit: Callable[[Said], None], *, ready: bool, start: float = 0.0
    ) -> None:
        self.attempt = attempt
        self.tell: Callable[[Word], None] | None = None
        self.ends: Callable[[], None] | None = None
        self._clock = clock
        self._emit = emit
        self._ready = ready
        self._start = start
        self._stopping = False
        self.report: Report | None = None
        self.reported = 0.0
        """When the last report came (monotonic)."""
        self.spoken = float("-inf")
        """When it last said what it does (monotonic): that it lives, and a module's reports, say nothing of that."""
        self._answered = clock.now().mono
        self._judged: dict[ProbeRole, float] = {}
        self._alive = clock.now().mono
        self._patience = 0.0
        self._status = self._told = ""
        self._next = 0.0
        self._waiting = False
        self._ended = False
        self._spoken: asyncio.Future[None] | None = None

    def take(self, word: Word) -> None:
        """One more word of it."""
        now = self._clock.now().mono
        if word.ready or word.reloading or word.status is not None or word.extend is not None:
            self.spoken = now
        if word.ready:
            self._ready = True
        if word.stopping:
            self._stopping = True
        if word.watchdog == "alive":
            self._alive = now
        if word.report is not None:
            if self.report is None or word.report.asked != self.report.asked:
                self._answered = now
            self.report = word.report
            self.reported = now
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
        self._wake()

    async def until(self, reached: Callable[[], bool], timeout: float) -> bool:
        """Wait until something is true after one of its words. False: not in time, or it has ended before."""
        clock, late = self._clock, False

        def due() -> None:
            nonlocal late
            late = True
            self._wake()

        timer = clock.call_at(clock.now().mono + timeout, due)
        try:
            while not (reached() or late or self._ended):
                self._spoken = self._spoken or asyncio.get_running_loop().create_future()
                await asyncio.shield(self._spoken)
        finally:
            timer.cancel()
        return reached()

    def answered(self, role: ProbeRole, probe: ProbeSpec) -> Result | None:
        """What a module's host has found, each of its answers once; None: no new one, and none is overdue."""
        if self.report is not None and self._judged.get(role) != self.report.asked and self.report.healthy is not None:
            self._judged[role] = self.report.asked
            return Result(self.report.healthy, self.report.reason)
        silent = self._clock.now().mono - self._answered
        if silent <= probe.period + probe.timeout + (0.0 if self._ready else self._start):
            return None
        return Result(False, f"its loop has not answered for {human_duration(round(silent, 1))}")

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
        self._waiting = self._ended = True
        self._wake()
        if self.ends is not None:
            self.ends()

    def _wake(self) -> None:
        spoken, self._spoken = self._spoken, None
        if spoken is not None:
            spoken.set_result(None)

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
