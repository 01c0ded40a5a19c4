"""One probe of one attempt: its streak, what its questions cost, and either the timer of the next or the task of the
one under way. Knows when; how to ask, and what follows from a verdict, are others' matter.
"""

import asyncio
from collections.abc import Callable, Coroutine

from beeyard.application.views import ProbeView
from beeyard.domain import health
from beeyard.domain.spec import ProbeRole, ProbeSpec
from beeyard.ports.clock import Cancel, Clock
from beeyard.ports.prober import Result

SHORTEST_PERIOD = 0.01
"""Seconds. A period of 0 would leave no time for anything else."""


class Probe:
    """`said`: what its last answer was; `rests`: it is asked no more. Of its last question, in seconds: `waited`, how
    long it stood in line; `time`, how long the answer might take, and `strain`, why that was longer than written."""

    __slots__ = (
        *("_ask", "_clock", "_decided", "_due", "_opens", "_streak", "_timer", "_took", "_took_all", "_waited_all"),
        *("asked", "counted", "last", "rests", "role", "said", "spec", "strain", "task", "time", "waited"),
    )

    def __init__(self, role: ProbeRole, spec: ProbeSpec, clock: Clock, ask: "Ask", decided: "Decided") -> None:
        self.role: ProbeRole = role
        self.spec = spec
        self.task: asyncio.Task[None] | None = None
        self.last: Result | None = None
        self.counted = True
        self.said = ""
        self.rests = False
        self.asked = 0
        self.waited = 0.0
        self.time: float = spec.timeout
        self.strain = ""
        self._took = self._took_all = self._waited_all = 0.0
        self._clock = clock
        self._ask = ask
        self._decided = decided
        self._streak = health.first(role)
        self._due = self._opens = 0.0
        self._timer: Cancel | None = None

    @property
    def passed(self) -> bool:
        """The verdict in force."""
        return self._streak.passed is True

    def view(self) -> ProbeView:
        """How it stands, and what it costs."""
        times = max(1, self.asked)
        return ProbeView(
            means=self.spec.means,
            passed=self._streak.passed,
            said=self.said,
            asked=self.asked,
            took=round(self._took, 4),
            took_mean=round(self._took_all / times, 4),
            waited=round(self.waited, 4),
            waited_mean=round(self._waited_all / times, 4),
            timeout=round(self.time, 4),
            strain=self.strain,
        )

    def begin(self, due: float, opens: float) -> None:
        """Ask for the first time when it is due. Until it `opens`, answers do not count."""
        self._opens = opens
        self._wait(due)

    def stop(self) -> None:
        """Harmless twice."""
        self.rests = True
        if self._timer is not None:
            self._timer.cancel()
        if self.task is not None:
            self.task.cancel()

    def hurry(self) -> None:
        """Ask now instead of when it is due, unless it is asked already; the period goes on from here."""
        if self.task is None and not self.rests:
            if self._timer is not None:
                self._timer.cancel()
            self._due = self._clock.now().mono
            self._question()

    async def now(self) -> Result | None:
        """The answer to a question asked now, or to the one under way; None: none could be got."""
        self.hurry()
        if self.task is not None:
            await asyncio.wait({self.task})
        return self.last

    def _wait(self, due: float) -> None:
        self._due = due
        self._timer = self._clock.call_at(due, self._question)

    def _question(self) -> None:
        self.last = None
        self.task = asyncio.get_running_loop().create_task(self._once())

    async def _once(self) -> None:
        began = self._clock.now().mono
        self.counted = began >= self._opens
        self.waited = 0.0
        result = await self._ask(self)
        self.task = None
        period = max(self.spec.period, SHORTEST_PERIOD)
        now = self._clock.now().mono
        self.asked += 1
        self._took = now - began - self.waited
        self._took_all += self._took
        self._waited_all += self.waited
        late = max(0.0, now - self._due)
        # One that was missed is made up for at once, as the kubelet's ticker does: else a probe whose questions time
        # out after a period would be asked only every second time, and a hung worker would live twice as long.
        self._wait(max(self._due + period * max(1.0, late // period), self._opens))
        self.last = result
        if result is not None:
            self.said = "passed" if result.ok else result.reason
            if self.counted:
                self._streak, changed = health.observe(self.spec, self._streak, result.ok)
                if changed:
                    self._decided(self, result)


Ask = Callable[[Probe], Coroutine[None, None, Result | None]]
Decided = Callable[[Probe, Result], None]
