"""Who waits for whom, whether the wait is over, and who is to be restarted with whom."""

from collections.abc import Callable, Iterable, Mapping

from beeyard.application.outlook import Missing, wish
from beeyard.application.supervisor import Supervisor
from beeyard.domain.messages import Blocked, Outdated, Prepared
from beeyard.domain.spec import Condition, WorkerSpec
from beeyard.domain.supply import Supply
from beeyard.domain.worker import (
    Down,
    Preparing,
    Running,
    Starting,
    Stopping,
    Waiting,
    Worker,
)


class Dependencies:
    """The `depends_on` of all workers of one master, read backwards as well. `supply` tells which package a worker runs
    from, or what keeps that from being there."""

    def __init__(self, supervisors: Mapping[str, Supervisor]) -> None:
        self._supervisors = supervisors
        self.supply: Callable[[Worker], Supply | str | None] = lambda worker: None
        self._dependents: dict[str, list[str]] = {}
        self._followers: dict[str, list[str]] = {}

    def rebuild(self) -> None:
        """After workers or specs changed."""
        self._dependents, self._followers = {}, {}
        for name, supervisor in self._supervisors.items():
            for other, need in supervisor.worker.spec.needs.items():
                self._dependents.setdefault(other, []).append(name)
                if need.restart:
                    self._followers.setdefault(other, []).append(name)

    def on(self, name: str) -> Iterable[str]:
        """Those that need this worker."""
        return self._dependents.get(name, ())

    def concerned(self, name: str) -> list[str]:
        """Of whom a change of this worker may ask something: itself, those that need it, all restarted in its train."""
        if name not in self._followers:  # As nearly always.
            return [name, *self.on(name)]
        return list(dict.fromkeys([*_reached(name, lambda one: self._followers.get(one, ())), *self.on(name)]))

    def demand(self, worker: Worker) -> Prepared | Blocked | Outdated | None:
        """What those that it needs ask of this worker now."""
        match worker.phase:
            case Preparing():
                supply = self.supply(worker)  # Brought while it waits for others.
                if reason := self.unmet(worker.spec) or (supply if isinstance(supply, str) else ""):
                    return Blocked(reason)
                return Prepared(self.attempts(worker.spec), None if isinstance(supply, str) else supply)
            case Running() if changed := self._changed(worker):
                return Outdated(f"{' and '.join(changed)} {'were' if len(changed) > 1 else 'was'} restarted")
            case _:
                return None

    def attempts(self, spec: WorkerSpec) -> dict[str, int]:
        """Of each worker that this one is to be restarted with, its attempt now. Not of a group of which some
        are on standby: its instances come and go as they are needed."""
        return {
            name: self._supervisors[name].worker.attempt
            for name, need in spec.needs.items()
            if need.restart and name in self._supervisors and not self._supervisors[name].worker.spec.varies
        }

    def missing(self, spec: WorkerSpec) -> list[Missing]:
        """Each condition that does not hold. Nobody waits for what its group can do without."""
        found = [(name, need.condition, self._supervisors.get(name)) for name, need in spec.needs.items()]
        return [
            (name, condition, None if supervisor is None else supervisor.worker)
            for name, condition, supervisor in found
            if supervisor is None or not (supervisor.worker.wanted.standby or _met(supervisor.worker, condition))
        ]

    def unmet(self, spec: WorkerSpec) -> str:
        """What the start waits for, in words; empty when for nothing."""
        return next((f"waits for {wish(*missing)}" for missing in self.missing(spec)), "")

    def _changed(self, worker: Worker) -> list[str]:
        """Those with which this one is to be restarted now.

        Only once it can start again at once, and nothing that it needs is about to be restarted too: so one change
        far below restarts everything above it once, however many ways lead there. Not while the master goes down.
        """
        changed = [need for need in worker.upon if self._is_other(worker, need)]
        if not changed or self.missing(worker.spec) or any(map(self._unsettled, worker.upon)):
            return []
        return [] if any(s.worker.wanted.held for s in self._supervisors.values()) else changed

    def _is_other(self, worker: Worker, need: str) -> bool:
        """Whether a worker is at another attempt than the one upon which this one started."""
        return need in self._supervisors and self._supervisors[need].worker.attempt != worker.upon[need]

    def _unsettled(self, name: str) -> bool:
        """Whether a worker is going to be restarted with one that it needs, near or far."""
        return any(
            _will_come(self._supervisors[need].worker, attempt)
            for one in _reached(name, self._upon)
            for need, attempt in self._upon(one).items()
            if need in self._supervisors
        )

    def _upon(self, name: str) -> dict[str, int]:
        """Upon which attempts a worker runs; nothing while it does not run."""
        supervisor = self._supervisors.get(name)
        return supervisor.worker.upon if supervisor and isinstance(supervisor.worker.phase, Running) else {}


def _reached(name: str, onward: Callable[[str], Iterable[str]]) -> Iterable[str]:
    """The worker itself and all to whom steps onward lead, the nearest first."""
    found, queue = {name}, [name]
    for one in queue:  # It grows while it is read.
        yield one
        fresh = [other for other in onward(one) if other not in found]
        found.update(fresh)
        queue += fresh


def _will_come(worker: Worker, seen: int) -> bool:
    """Whether a worker is another one than was seen, or about to be."""
    if isinstance(worker.phase, Running):
        return worker.attempt != seen
    return worker.wanted.up and isinstance(worker.phase, Preparing | Starting | Stopping | Waiting)


def _met(worker: Worker, condition: Condition) -> bool:
    phase = worker.phase
    match condition:
        case "started":
            return isinstance(phase, Running)
        case "ready":
            return isinstance(phase, Running) and phase.ready_since is not None
        case "healthy":
            ready = isinstance(phase, Running) and phase.ready_since is not None
            told = "readiness" in worker.outfit.probes or "startup" in worker.outfit.probes
            return ready and (worker.health.status == "healthy" or not told)
        case "completed":
            done = isinstance(phase, Down) and worker.death is not None and worker.death.exit.success
            return done and not worker.wanted.held  # It is about to do it again, or going down.
