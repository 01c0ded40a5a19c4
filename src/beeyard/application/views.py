"""What status, lists and pages read: one worker as a flat record of plain values."""

from msgspec import Struct

from beeyard.domain.messages import Now
from beeyard.domain.worker import Down, Failed, Preparing, Running, Starting, Stopping, Waiting, Worker, describe, state


class WorkerView(Struct, frozen=True):
    """One worker at one moment. Seconds are floats, moments wall-clock seconds; None where there is nothing to tell.

    `note` says why it is in its state; `endpoints` maps names to addresses.
    """

    id: str
    state: str
    ready: bool
    health: str
    pid: int | None
    attempt: int
    restarts: int
    provider: str
    package: str | None
    endpoints: dict[str, str]
    wanted: str
    uptime: float | None
    note: str
    exit: str | None
    retry_in: float | None
    origin: str


def view(worker: Worker, now: Now) -> WorkerView:
    """The worker as people and programs see it now."""
    phase, spec = worker.phase, worker.spec
    alive = isinstance(phase, Running | Stopping)
    return WorkerView(
        id=worker.id,
        state=state(worker),
        ready=isinstance(phase, Running) and phase.ready_since is not None,
        health=worker.health.status,
        pid=phase.handle.state.get("pid") if isinstance(phase, Running | Stopping) else None,
        attempt=worker.attempt,
        restarts=worker.restarts,
        provider=spec.provider,
        package=None,
        endpoints=_endpoints(worker) if alive else {},
        wanted="up" if worker.wanted.up else "down",
        uptime=max(0.0, now.mono - phase.since) if isinstance(phase, Running | Stopping) else None,
        note=_note(worker),
        exit=describe(worker.death.exit) if worker.death is not None else None,
        retry_in=_retry_in(worker, now),
        origin=spec.origin,
    )


def _note(worker: Worker) -> str:
    match worker.phase:
        case Preparing(blocked=text) | Down(reason=text) | Waiting(reason=text) | Failed(reason=text):
            return text
        case Stopping(cause=cause):
            return cause.detail or f"{cause.kind} asked"
        case Running(contact_lost_since=lost) if lost is not None:
            return "contact lost: the launcher is being started again"
        case Running() | Starting():
            return worker.health.reason


def _retry_in(worker: Worker, now: Now) -> float | None:
    match worker.phase:
        case Waiting(until=at) | Failed(retry_at=float(at)):
            return max(0.0, at - now.mono)
        case _:
            return None


def _endpoints(worker: Worker) -> dict[str, str]:
    found = {}
    for name, endpoint in worker.spec.endpoints.items():
        address = f"{endpoint.host}:{worker.ports.get(name, endpoint.port)}"
        found[name] = f"{endpoint.protocol}://{address}{endpoint.path}"
    return found
