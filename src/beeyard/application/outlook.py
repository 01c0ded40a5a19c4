"""What a worker waits for and what happens to it next, in words. Changes nothing; the moment is an argument."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.views import Coming
from beeyard.domain.aging import due
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
    then = next(iter(ages(worker, now)), None)
    match worker.phase:
        case Preparing():
            wants = [wish(*one, full=True) for one in missing]
            return Outlook("; ".join(wants), Coming("start, as soon as that is so") if wants else Coming("start"))
        case Starting():
            return Outlook(away or "the answer to its launch")
        case Running(ready_since=None):
            return Outlook(away or "; ".join(_probe(*pending) for pending in _pending(supervisor)), then)
        case Running():
            return Outlook(away, then)
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
            held = worker.wanted.on and worker.wanted.held
            return Outlook("the master, which is going down or up" if held else "", then)


def ages(worker: Worker, now: Now) -> list[Coming]:
    """What its lifetime brings if it goes on as it is, the next first."""
    found, phase, most = due(worker), worker.phase, worker.spec.lifetime.idle
    coming = [] if found is None else [(found[1], "max lifetime" if found[0] == "lifetime" else "removed")]
    if isinstance(phase, Running) and phase.quiet is not None and most is not None:
        coming.append((phase.quiet.since + most, "idle stop"))
    return [Coming(what, _wall(at, now)) for at, what in sorted(coming)]


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
