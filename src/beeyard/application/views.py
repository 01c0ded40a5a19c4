"""What status, lists and pages read: one worker as a flat record of plain values."""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from beeyard.domain.curve import Sample
from beeyard.domain.health import Health
from beeyard.domain.limits import LimitName, Policy, Severity, kept_as
from beeyard.domain.messages import Now
from beeyard.domain.packages import Trust
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.worker import (
    Down,
    Failed,
    Phase,
    Preparing,
    Running,
    Starting,
    Stopping,
    Waiting,
    Worker,
    describe,
    state,
)
from beeyard.sdk.report import Offer, Report


class WorkerView(Struct, frozen=True):
    """One worker at one moment, which does not change until the worker does. None where there is nothing to tell.

    `since` and `retry_at` are wall-clock seconds: since when its process lives, when it is started again. `note` says
    why it is in its state; `endpoints` maps names to addresses. `progress`, from 0 to 1, while its package comes;
    `lost` says why nobody can tell at present how it is.
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
    since: float | None
    note: str
    exit: str | None
    retry_at: float | None
    origin: str
    progress: float | None = None
    lost: str | None = None


class ProbeView(Struct, frozen=True):
    """One probe of the attempt that runs. `passed` is the verdict in force (None: none yet), `said` its last answer.

    In seconds: how long its last question took, and the mean of the `asked` ones; how long they waited for their turn
    before that, for only so many commands run at once; and the `timeout` of the last one, with `strain` saying why that
    was longer than written, if it was.
    """

    means: str
    passed: bool | None
    said: str
    asked: int
    took: float
    took_mean: float
    waited: float
    waited_mean: float
    timeout: float = 0.0
    strain: str = ""


class LimitView(Struct, frozen=True):
    """One limit of a worker. `now`: what it bounds as last measured, None where nobody measured or nobody could.

    `bound` and `now` are bytes, cores, percent of one core, seconds of CPU, bytes or operations a second, or counts, by
    the limit's name; `kept` says by what it is kept here; `over` how far above it, or near it, the worker is.
    """

    bound: float
    policy: Policy
    now: float | None
    kept: str
    over: str


class Alert(Struct, frozen=True):
    """A limit with the policy `alert` is at another level than before; None: within it again."""

    limit: LimitName
    level: Severity | None
    text: str


class SupplyView(Struct, frozen=True):
    """The installed package that a worker runs from, and how far it is known who made it."""

    package: str
    digest: str
    path: str
    trust: Trust


class ScalingView(Struct, frozen=True):
    """A group that scales: how many of its instances are wanted and how many of those are ready, within which bounds,
    what they bear (empty: nobody knows), and the last change with its moment in wall-clock seconds."""

    wanted: int
    ready: int
    min: int
    max: int
    spares: int = 0
    load: str = ""
    last: str = ""
    at: float | None = None


class ModuleView(Struct, frozen=True):
    """A module as its host reported it last: what its author calls it, what it offers and where, its tasks and threads,
    and the number of errors that nobody caught, with the last one.

    `loaded` is when it was begun, `asked` when its `healthy()` answered last (wall-clock seconds, None before the first
    time), `healthy` what it said, and `reason` why it said no. `shared` are the bytes of the whole process where it is
    one of many there, None where it has one of its own. `code` is a digest of the code that serves, empty where only a
    restart loads another; `swaps` how often new code was to take over, and `refused` why it did not the last time.
    """

    name: str
    version: str
    description: str
    author: str
    loaded: float
    asked: float | None
    healthy: bool | None
    reason: str
    offers: dict[str, Offer]
    tasks: int
    threads: int
    shared: int | None
    uncaught: int
    last: str
    code: str
    swaps: int
    refused: str


class Coming(Struct, frozen=True):
    """What happens if nothing else does, and when in wall-clock seconds; None: never by itself, or nobody knows."""

    what: str
    at: float | None = None


class WorkerDetail(Struct, frozen=True):
    """One worker with its spec as it was understood.

    `failures` are the ends that count towards its restart budget; `last_attempt_at` wall-clock seconds; `usage` what
    it used when that was last looked at; `runs` what its provider would run, and whether that is there; `waits_for`
    what its start or its readiness still needs; `needed_by` the workers that depend on it; `refused` says of an
    operation why it can't be carried out now: one that is not in there can. `probes`: those that have begun, by role;
    `module` what its host said last; `grows` what only grows, of its module or of the master in which that runs;
    `ages` what its lifetime brings, the next first; `scaling` is of its group, where that scales.
    """

    worker: WorkerView
    spec: WorkerSpec
    health: Health
    failures: int
    last_attempt_at: float | None
    usage: Sample | None
    runs: dict[str, str | bool]
    waits_for: str
    needed_by: list[str]
    refused: dict[str, str]
    probes: dict[str, ProbeView] = {}
    limits: dict[LimitName, LimitView] = {}
    module: ModuleView | None = None
    grows: list[str] = []
    supply: SupplyView | None = None
    ages: list[Coming] = []
    scaling: ScalingView | None = None


class WorkerEvent(Struct, frozen=True):
    """A worker changed: what it was `before`, `what` happened, `by` whom if somebody asked, and how it is now."""

    before: str
    what: str
    by: str
    removed: bool
    now: WorkerView


class Event(Struct, frozen=True, gc=False):
    """Something that happened. `kind`: worker, job, master, gap, …; `at`: wall-clock seconds; `data`: by kind.

    `cursor` is where it stands: whoever comes back with it gets what came after.
    """

    cursor: str
    kind: str
    at: float
    worker: str | None
    data: Any


JobState = Literal["accepted", "running", "done", "failed", "cancelled"]


class JobView(Struct, frozen=True):
    """One job. `at` and `ended` are wall-clock seconds; `error` is a problem document; `workers` those it names."""

    id: str
    operation: str
    state: JobState
    by: str
    at: float
    ended: float | None
    workers: list[str] | None
    reason: str
    error: dict[str, Any] | None
    result: Any


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
        package=_package(worker),
        endpoints=_endpoints(worker) if alive else {},
        wanted="up" if worker.wanted.up else "down",
        since=_wall(phase.since, now) if isinstance(phase, Running | Stopping) else None,
        note=_note(worker),
        exit=describe(worker.death.exit) if worker.death is not None else None,
        retry_at=_retry_at(worker, now),
        origin=spec.origin,
        lost=_lost(phase),
    )


def last_attempt_at(worker: Worker, now: Now) -> float | None:
    """When its last attempt began, in wall-clock seconds; None for a worker that was never started."""
    match worker.phase:
        case Starting(since=since) | Running(since=since) | Stopping(since=since):
            return _wall(since, now)
        case _:
            return None if worker.death is None else round(worker.death.at - worker.death.uptime, 3)


def supply(worker: Worker) -> SupplyView | None:
    """None of a worker that runs from no package, or did not get one yet."""
    found = worker.supply
    if found is None or not worker.spec.package:
        return None
    return SupplyView(f"{found.name} {found.version}", found.digest, found.path, found.trust)


def module(report: Report, shared: int | None) -> ModuleView:
    """What a report says of the module itself. `shared`: bytes of the process that it shares with others."""
    return ModuleView(
        name=report.info.name,
        version=report.info.version,
        description=report.info.description,
        author=report.info.author,
        loaded=round(report.loaded, 3),
        asked=round(report.asked, 3) or None,
        healthy=report.healthy,
        reason=report.reason,
        offers=dict(report.offers),
        tasks=report.tasks,
        threads=report.threads,
        shared=shared,
        uncaught=report.uncaught,
        last=report.last,
        code=report.code,
        swaps=report.swaps,
        refused=report.refused,
    )


def limits(worker: Worker, now: Mapping[LimitName, float | None]) -> dict[LimitName, LimitView]:
    """Its limits in force, with what was measured last."""
    phase = worker.phase
    means = phase.handle.state.get("held", {}) if isinstance(phase, Running | Stopping) else {}
    found: dict[LimitName, LimitView] = {}
    for name, limit in worker.limits.bounds.items():
        kept = means.get(kept_as(name, limit), "")
        if not kept or kept.startswith("not held"):
            kept = "watched only" + (f" ({kept})" if kept else "") if limit.policy != "none" else "nothing"
        found[name] = LimitView(limit.bound, limit.policy, now.get(name), kept, worker.over.get(name, ""))
    return found


def _note(worker: Worker) -> str:
    match worker.phase:
        case Preparing(blocked=text) | Down(reason=text) | Waiting(reason=text) | Failed(reason=text):
            return text
        case Stopping(cause=cause, status=status):
            return "; ".join(filter(None, (cause.detail or f"{cause.kind} asked", status)))
        case Running() as phase if (reason := _lost(phase)) is not None:
            return f"contact lost: {reason}"
        case Running(status=text):
            return worker.health.reason or "; ".join(worker.over.values()) or text
        case Starting():
            return worker.health.reason


def _lost(phase: Phase) -> str | None:
    if isinstance(phase, Running) and phase.contact_lost_since is not None:
        return phase.contact_lost
    return None


def _package(worker: Worker) -> str | None:
    """`caddy 2.11.4` as long as it is known which one; else what was asked for."""
    if not worker.spec.package:
        return None
    supply = worker.supply
    return worker.spec.package if supply is None else f"{supply.name} {supply.version}"


def _retry_at(worker: Worker, now: Now) -> float | None:
    match worker.phase:
        case Waiting(until=at) | Failed(retry_at=float(at)):
            return _wall(at, now)
        case _:
            return None


def _wall(mono: float, now: Now) -> float:
    """A moment of the monotonic clock as wall-clock seconds, to the millisecond."""
    return round(now.wall + (mono - now.mono), 3)


def _endpoints(worker: Worker) -> dict[str, str]:
    found = {}
    for name, endpoint in worker.spec.endpoints.items():
        address = f"{endpoint.host}:{worker.ports.get(name, endpoint.port)}"
        found[name] = f"unix:{endpoint.unix}" if endpoint.unix else f"{endpoint.protocol}://{address}{endpoint.path}"
    return found


class Orphan(Struct, frozen=True):
    """One attempt. `since`: wall-clock seconds; of one whose provider can't tell, when this master first saw it.
    `where` is its pid, or what its provider calls it. One that is not `alive` ended, and only lies about."""

    worker: str
    attempt: int
    provider: str
    alive: bool
    since: float
    where: str
