"""Who waits for whom, and whether the wait is over."""

from collections.abc import Iterable, Mapping

from beeyard.application.supervisor import Supervisor
from beeyard.domain.spec import Condition, WorkerSpec
from beeyard.domain.worker import Down, Preparing, Running, Worker, state


class Dependencies:
    """The `depends_on` of all workers of one master, read backwards as well."""

    def __init__(self, supervisors: Mapping[str, Supervisor]) -> None:
        self._supervisors = supervisors
        self._dependents: dict[str, list[str]] = {}

    def rebuild(self) -> None:
        """After workers or specs changed."""
        self._dependents = {}
        for name, supervisor in self._supervisors.items():
            for need in supervisor.worker.spec.depends_on:
                self._dependents.setdefault(need, []).append(name)

    def on(self, name: str) -> Iterable[str]:
        """Those that need this worker."""
        return self._dependents.get(name, ())

    def waiting(self, name: str) -> list[str]:
        """Those that need this worker and are waiting to start."""
        return [other for other in self.on(name) if isinstance(self._supervisors[other].worker.phase, Preparing)]

    def missing(self, spec: WorkerSpec) -> list[tuple[str, Condition, Worker | None]]:
        """Each condition that does not hold: of which worker, and how that one is; None if it is not there."""
        found = [(need, condition, self._supervisors.get(need)) for need, condition in spec.depends_on.items()]
        return [
            (need, condition, None if supervisor is None else supervisor.worker)
            for need, condition, supervisor in found
            if supervisor is None or not _met(supervisor.worker, condition)
        ]

    def unmet(self, spec: WorkerSpec) -> str:
        """What the start waits for, in words; empty when for nothing."""
        for need, condition, worker in self.missing(spec):
            if worker is None:
                return f"waits for {need}, which is not there"
            return f"waits for {need} to be {condition} (it is {state(worker)})"
        return ""


def _met(worker: Worker, condition: Condition) -> bool:
    phase = worker.phase
    match condition:
        case "started":
            return isinstance(phase, Running)
        case "ready":
            return isinstance(phase, Running) and phase.ready_since is not None
        case "healthy":
            ready = isinstance(phase, Running) and phase.ready_since is not None
            told = "readiness" in worker.spec.probes or "startup" in worker.spec.probes
            return ready and (worker.health.status == "healthy" or not told)
        case "completed":
            return isinstance(phase, Down) and worker.death is not None and worker.death.exit.success
