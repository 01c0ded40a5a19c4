"""Watches for workers that do nothing, where their spec asks for that: by the readings that are taken of all anyway.

What counts as nothing, `domain.lifetime` says; what follows from it, the lifecycle. The record hears of it now and
then while it lasts, so that the next master goes on counting: what was used while no master looked shows in the next
reading.
"""

from collections.abc import Callable

from beeyard.application.supervisor import Supervisor
from beeyard.domain.lifetime import Quiet, still
from beeyard.domain.messages import Event, Rested
from beeyard.domain.worker import Running

TELL = 0.1
"""Share of its idle time after which the record hears that a worker does nothing, and again after as much."""


class Idling:
    """Of one master. `post(worker, event)` brings events back."""

    def __init__(self, post: Callable[[str, Event], None]) -> None:
        self._post = post

    def take(self, supervisor: Supervisor, at: float, cpu: float) -> None:
        """One reading: the seconds of CPU that the attempt which lives had used at this moment."""
        worker, phase = supervisor.worker, supervisor.worker.phase
        most = worker.spec.lifetime.idle
        if most is None or not isinstance(phase, Running):
            supervisor.quiet = None
            return
        before = supervisor.quiet or phase.quiet or Quiet(at, at, cpu)
        spoken = phase.since if supervisor.notified is None else max(phase.since, supervisor.notified.spoken)
        quiet = supervisor.quiet = still(before, at, cpu, spoken)  # Never before the attempt began.
        known = phase.quiet
        if quiet.lasted >= most or quiet.at - (quiet.since if known is None else known.at) >= TELL * most:
            self._post(worker.id, Rested(phase.attempt, quiet))
        elif known is not None and known.since != quiet.since:
            self._post(worker.id, Rested(phase.attempt, None))
