"""What a worker waits for and what happens to it next, in words. Changes nothing; the moment is an argument."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.domain.lifecycle import gave_up
from beeyard.domain.messages import Handle, Now
from beeyard.domain.spec import Condition, StopStep
from beeyard.domain.values import signal_name
from beeyard.domain.worker import (
    Down,
    Failed,
    Preparing,
    Running,
    Starting,
    Stopping,
    Waiting,
    Worker,
    describe,
    state,
)

if TYPE_CHECKING:
    from beeyard.application.supervisor import Supervisor


Missing = tuple[str, Condition, Worker | None]
"""A condition that does not hold: which worker would have to meet it, and how that one is; None if it is not there."""


class Coming(Struct, frozen=True):
    """What happens if nothing else does, and when in wall-clock seconds; None: never by itself, or nobody knows."""

    what: str
    at: float | None = None


class Outlook(Struct, frozen=True):
    """Empty, and None, where there is nothing to wait for and nothing to come."""

    waits_for: str = ""
    next: Coming | None = None


def outlook(supervisor: "Supervisor", missing: Iterable[Missing], now: Now, away: str) -> Outlook:
    """For one worker.

    Args:
        missing: the conditions of its start that do not hold.
        away: what runs the workers and can't be reached now, in words; empty when all is well.
    """
    worker = supervisor.worker
    match worker.phase:
        case Preparing():
            wants = [wish(*one, full=True) for one in missing]
            return Outlook("; ".join(wants), Coming("start, as soon as that is so") if wants else Coming("start"))
        case Starting():
            return Outlook(away or "the answer to its launch")
        case Running(ready_since=None):
            return Outlook(away or "; ".join(_probe(*pending) for pending in _pending(supervisor)))
        case Running():
            return Outlook(away)
        case Stopping(handle=handle, step=step, deadline=deadline):
            steps = worker.spec.stop
            return Outlook(away or _end(handle, steps, step), Coming(_after(steps, step), _wall(deadline, now)))
        case Waiting(until=at):
            return Outlook("the delay after its last end", Coming("restart", _wall(at, now)))
        case Failed(retry_at=float(at)):
            return Outlook("the cool-down after too many ends", Coming("one trial start", _wall(at, now)))
        case Failed():
            return Outlook("someone who starts it")
        case Down():
            return Outlook("the master, which is going down or up" if worker.wanted.on and worker.wanted.held else "")


def wish(name: str, condition: Condition, worker: Worker | None, *, full: bool = False) -> str:
    """A condition that does not hold, and why not.

    Args:
        full: also what changes without the worker's state changing: what it waits for itself, what its probes say.
    """
    if worker is None:
        return f"{name}, which is not there"
    how = state(worker)
    match worker.phase:
        case Waiting() | Failed() | Down() if worker.death is not None:
            how += f": {describe(worker.death.exit)}"
        case Preparing(blocked=reason) if reason and full:
            how += f": {reason}"
        case Running() if full and condition != "completed":
            how += f", {worker.health.reason or 'not ready'}"
    if gave_up(worker):
        trial = isinstance(worker.phase, Failed) and worker.phase.retry_at is not None
        how += "; one trial start is to come" if trial else "; it will not come by itself"
    return f"{name} to be {condition} (it is {how})"


def _pending(supervisor: "Supervisor") -> list[tuple[str, str]]:
    return [] if supervisor.probing is None else list(supervisor.probing.pending())


def _probe(role: str, said: str) -> str:
    return f"its {role} probe: {said}" if said else f"the first answer to its {role} probe"


def _end(handle: Handle, steps: tuple[StopStep, ...], step: int) -> str:
    """What was sent and has not ended it."""
    if step > len(steps) and handle.state.get("pid") is None:
        return "its end: it was killed, and its thread in the master has not let go yet"
    if step > len(steps):
        return "its end: it was killed, and the kernel has not let go of it yet"
    return f"its end: {signal_name(steps[step - 1].signal)} was sent"


def _after(steps: tuple[StopStep, ...], step: int) -> str:
    if step < len(steps):
        return signal_name(steps[step].signal)
    return "kill" if step == len(steps) else "another kill"


def _wall(mono: float, now: Now) -> float:
    return round(now.wall + (mono - now.mono), 3)
