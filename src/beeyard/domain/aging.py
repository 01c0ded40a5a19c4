"""The one moment at which age alone counts: that of an attempt which may go on so long, or of a worker that is done.

Knows when, and not what is done then.
"""

from msgspec.structs import replace

from beeyard.domain import lifetime
from beeyard.domain.messages import Effect, SetTimer, Timer
from beeyard.domain.worker import Down, Running, Worker


def due(worker: Worker) -> tuple[Timer, float] | None:
    """The moment at which its spec wants something of it for its age alone; None where there is no such."""
    bounds, phase = worker.spec.lifetime, worker.phase
    if isinstance(phase, Running) and bounds.max is not None and not phase.handle.waits:
        term = lifetime.term(bounds.max, worker.spec.restart.jitter, worker.id, phase.attempt)
        return "lifetime", phase.since + term
    if isinstance(phase, Down) and phase.done is not None and bounds.after is not None:
        return "forget", phase.done + bounds.after
    return None


def numbered(worker: Worker) -> Worker:
    """With a number for the timer of its age, if there is something to wait for."""
    return worker if due(worker) is None else replace(worker, serial=worker.serial + 1)


def timer(worker: Worker) -> list[Effect]:
    """The timer of its age, if there is something to wait for."""
    found = due(worker)
    return [] if found is None else [SetTimer(*found, worker.serial)]
