"""What is answered about a worker that was made by the call, and about its provider. Knows how a state is told."""

from typing import Literal

from msgspec import Struct

from beeyard.application.views import WorkerView
from beeyard.ports.provider import PAUSED

State = Literal["created", "running", "paused", "stopping", "exited", "dead"]

_STATES: dict[str, State] = {
    "registered": "created",
    "standby": "created",
    "preparing": "created",
    "starting": "created",
    "running": "running",
    "stopping": "stopping",
    "stopped": "exited",
    "backoff": "dead",
    "failed": "dead",
}
"""The state in `ps` -> ours."""


class WorkerCapabilities(Struct, frozen=True):
    """What a worker was given."""

    cpu_cores: float
    memory_mb: int

    @property
    def memory_gb(self) -> float:
        """The same memory."""
        return self.memory_mb / 1024


class WorkerStatus(Struct, frozen=True):
    """How a worker is: `created` and on its way up, `running`, `paused` by somebody, `stopping`, `exited` (it ended and
    stays down), or `dead` (it ended and should not have). `detail` says why, `exit` how it ended."""

    worker_id: str
    state: State
    ready: bool
    detail: str
    exit: str | None

    @property
    def is_available(self) -> bool:
        """Whether it can be given work."""
        return self.state == "running" and self.ready


class ProvisionedWorker(Struct, frozen=True):
    """A worker as it was made."""

    id: str
    name: str
    provider: str
    image: str
    capabilities: WorkerCapabilities
    status: WorkerStatus


class ProviderCapabilities(Struct, frozen=True):
    """What a provider can do where the master runs. `max_workers`: None, there is no limit of Beeyard's own.
    `estimated_provision_time_ms`: as long as it took so far on average, None before the first."""

    supports_health_checks: bool
    supports_volumes: bool
    max_workers: int | None
    estimated_provision_time_ms: int | None
    whole_tree_kill: str
    user_switching: bool
    exact_exits: bool


def status(view: WorkerView) -> WorkerStatus:
    """Of one worker."""
    state = _STATES[view.state]
    if state == "running" and view.lost == PAUSED:
        state = "paused"
    return WorkerStatus(view.id, state, view.ready and state == "running", view.note, view.exit)
