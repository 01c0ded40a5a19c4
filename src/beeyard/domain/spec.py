"""What a worker should be: values only, complete, with every default filled in.

A provider owns the shape of its own section; here that section is `run`, in the provider's normal form, and only the
provider looks inside.
"""

from typing import Any, Literal

from msgspec import Struct, field

from beeyard.domain.values import Duration, Memory, SignalNumber, WorkerId

RestartWhen = Literal["never", "on-failure", "always", "unless-stopped"]
Condition = Literal["started", "ready", "healthy", "completed"]
ProbeRole = Literal["startup", "readiness", "liveness"]
ProbeMeans = Literal["http", "tcp", "exec", "process"]
Trigger = Literal["exit", "health", "resource"]
Severity = Literal["warning", "critical", "emergency"]


class Backoff(Struct, frozen=True, omit_defaults=True):
    """How long to wait before each restart, and how many to allow inside one window (None: unlimited)."""

    delay: Duration = Duration(1.0)
    factor: float = 2.0
    max_delay: Duration = Duration(60.0)
    max_retries: int | None = 5


class RestartPolicy(Struct, frozen=True, omit_defaults=True):
    """When a worker that ended comes back.

    `overrides` replace the backoff for one trigger; `severity` and `profile` multiply delay and retries, as the
    `context_aware_restart` block of older files does. Ill health within `startup_grace` of a start is not acted upon.
    """

    policy: RestartWhen = "on-failure"
    backoff: Backoff = Backoff()
    jitter: float = 0.1
    window: Duration = Duration(300.0)
    cool_down: Duration = Duration(300.0)
    reset_after: Duration = Duration(60.0)
    overrides: dict[Trigger, Backoff] = field(default_factory=dict)
    severity: dict[Severity, float] = field(default_factory=dict)
    profile: float = 1.0
    startup_grace: Duration = Duration(0.0)


class ProbeSpec(Struct, frozen=True, omit_defaults=True):
    """One question asked again and again.

    `target`: http a URL or a path; tcp `host:port`, a port, or an endpoint's name; exec unused; process unused.
    `failures` and `successes` count consecutive equal results.
    """

    means: ProbeMeans
    target: str = ""
    command: tuple[str, ...] = ()
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    endpoint: str = ""
    period: Duration = Duration(10.0)
    timeout: Duration = Duration(1.0)
    initial_delay: Duration = Duration(0.0)
    failures: int = 3
    successes: int = 1


class Endpoint(Struct, frozen=True, omit_defaults=True):
    """An address clients ask for by name. Port 0: the master chooses one and passes it on."""

    protocol: Literal["http", "https", "grpc", "tcp"] = "tcp"
    port: int = 0
    host: str = "127.0.0.1"
    path: str = ""


class LogSpec(Struct, frozen=True, omit_defaults=True):
    """How much of a worker's output is kept: `max_files` full files of `max_size` beside the one being written."""

    max_size: Memory = Memory(50 * 1024**2)
    max_files: int = 5


class StopStep(Struct, frozen=True, gc=False):
    """One step of a stop: send `signal`, wait so long for the end, then take the next. After the last: kill."""

    signal: SignalNumber = SignalNumber(15)
    wait: Duration = Duration(20.0)


class WorkerSpec(Struct, frozen=True, omit_defaults=True):
    """One worker. `origin` says who put it here: the worker file's path, or `cli`."""

    id: WorkerId
    provider: str
    run: dict[str, Any]
    enabled: bool = True
    depends_on: dict[str, Condition] = field(default_factory=dict)
    exit_on: Literal["never", "failure"] = "never"
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    probes: dict[ProbeRole, ProbeSpec] = field(default_factory=dict)
    restart: RestartPolicy = RestartPolicy()
    stop: tuple[StopStep, ...] = (StopStep(),)
    logs: LogSpec = LogSpec()
    origin: str = "cli"


def needs_restart(old: WorkerSpec, new: WorkerSpec) -> bool:
    """Whether going from one spec to the other means another attempt, or is a matter of supervision alone."""
    return (old.provider, old.run, old.endpoints) != (new.provider, new.run, new.endpoints)
