"""The worker file's blocks, key by key, as written: before defaults meet, spellings unite and paths are looked up.

A field of type `Node` has several forms; the module named after it in this package reads it. Keys that belong to the
format but not yet to this version stand in LATER, so that none is accepted and then does nothing.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from beeyard.domain.limits import Severity
from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import Backoff, Listen, LogSpec, ProbeRole, ProbeSpec, RestartPolicy, RestartWhen
from beeyard.domain.values import Duration, Memory, SignalNumber
from beeyard.entrypoints.settings.tree import Node

_BACKOFF = Backoff()
_RESTART = RestartPolicy()
_PROBE = ProbeSpec("process")
_LOGS = LogSpec()
_MODULE = ModuleSpec()

Name = Annotated[str, "name"]
Port = Annotated[int, "port"]
Call = Annotated[str, "call"]
Retries = Annotated[int | None, "retries"]
Positive = Annotated[Duration, Meta(gt=0, description="a duration above 0")]
Count = Annotated[int, Meta(ge=1, le=1_000_000, description="a whole number from 1 to 1000000")]
Times = Annotated[float, Meta(gt=0, le=1000, description="a number above 0, at most 1000")]
Growth = Annotated[float, Meta(ge=1, le=1000, description="a number from 1 to 1000")]

Size = Annotated[Memory, Meta(ge=4096, description="a size of at least 4KB")]
Files = Annotated[int, Meta(ge=0, le=10_000, description="a whole number from 0 to 10000")]


class Tls(Struct):
    """`tls:` of the master."""

    certificate: Annotated[str, "file"]
    key: Annotated[str, "file"]
    client_ca: Annotated[str, "file"] = ""


class Master(Struct):
    """`master:`; `force_shutdown_timeout` is the older spelling."""

    name: str = ""
    listen: Node | None = None
    tls: Node | None = None
    hosts: tuple[Annotated[str, "host"], ...] = ()
    advertise: Node | None = None
    shutdown_timeout: Node | None = None
    force_shutdown_timeout: Node | None = None


class Global(Struct):
    """`global:` of older files."""

    process_defaults: Node | None = None
    module_defaults: Node | None = None


class Secret(Struct):
    """One of `secrets:`."""

    file: Annotated[str, "new file"] = ""
    env: Node | None = None
    command: Node | None = None


class File(Struct, rename={"older_defaults": "global"}):
    """The whole file."""

    master: Master = field(default_factory=Master)
    secrets: Node | None = None
    package_manager: Node | None = None
    defaults: Node | None = None
    older_defaults: Global = field(default_factory=Global)
    workers: Node | None = None


class Endpoint(Struct):
    """One of `endpoints:`."""

    port: Port = 0
    protocol: Literal["http", "https", "grpc", "tcp"] = "tcp"
    host: str = "127.0.0.1"
    path: str = ""
    listen: Node | None = None


class ListenAt(Struct):
    """`listen:` of an endpoint, as more than `true`."""

    unix: Annotated[str, "new file"] = ""
    mode: Annotated[int, "mode"] = Listen().mode
    user: Annotated[str | None, "user"] = None
    group: Annotated[str | None, "group"] = None


class Probe(Struct):
    """One of `probes:`."""

    http: str | None = None
    tcp: str | None = None
    grpc: str | None = None
    service: str = _PROBE.service
    call: Call = _PROBE.call
    log: str | None = None
    stream: Literal["stdout", "stderr"] | None = None
    exec: Node | None = None
    notify: bool | None = None
    module: bool | None = None
    process: bool | None = None
    endpoint: str = ""
    method: str = _PROBE.method
    headers: dict[str, str] = field(default_factory=dict)
    period: Positive = _PROBE.period
    timeout: Positive = _PROBE.timeout
    initial_delay: Duration = _PROBE.initial_delay
    failures: Count = _PROBE.failures
    successes: Count = _PROBE.successes


class RunOptions(Struct):
    """`run_options:` of a health check, with that block's own defaults."""

    enabled: bool = True
    interval: Positive = Duration(30.0)
    timeout: Positive = Duration(5.0)
    initial_delay: Duration = Duration(0.0)
    retries: Annotated[int, Meta(ge=0, le=1_000_000, description="a whole number from 0 to 1000000")] = 3


class ShortCheck(RunOptions):
    """`health_check:` in the form that packages use."""

    endpoint: str = ""


class HttpCheck(Struct):
    """`http:` of a typed health check."""

    url: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)


class TcpCheck(Struct):
    """`tcp:` of a typed health check."""

    address: str
    port: Annotated[int, Meta(ge=1, le=65535, description="a port from 1 to 65535")]


class GrpcCheck(Struct):
    """`grpc:` of a typed health check."""

    address: str
    service: str = ""
    method: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class ExecCheck(Struct):
    """`exec:` of a typed health check."""

    command: str
    args: tuple[str, ...] = ()


class TypedCheck(Struct):
    """`health_check:` with a `type:` and a block of that name."""

    type: Literal["http", "tcp", "exec", "process", "grpc"]
    http: HttpCheck | None = None
    tcp: TcpCheck | None = None
    grpc: GrpcCheck | None = None
    exec: ExecCheck | None = None
    run_options: RunOptions = field(default_factory=RunOptions)


class Restart(Struct):
    """`restart_policy:` as a mapping."""

    policy: RestartWhen = _RESTART.policy
    delay: Duration = _BACKOFF.delay
    factor: Growth = _BACKOFF.factor
    max_delay: Duration = _BACKOFF.max_delay
    jitter: Annotated[float, Meta(ge=0, le=1, description="a number from 0 to 1")] = _RESTART.jitter
    max_retries: Retries = _BACKOFF.max_retries
    window: Positive = _RESTART.window
    cool_down: Positive = _RESTART.cool_down
    reset_after: Duration = _RESTART.reset_after


class Attempts(Struct):
    """One situation of `context_aware_restart:`."""

    max_retries: Retries = 3
    retry_delay: Duration = Duration(5.0)
    backoff_rate: Growth = 1.5


class ContextAwareRestart(Struct):
    """`context_aware_restart:`."""

    default: Attempts | None = None
    health_failures: Attempts | None = None
    resource_violations: Attempts | None = None
    severity_multipliers: dict[Severity, Times] = field(default_factory=dict)
    worker_profile_multipliers: dict[str, Times] | None = None
    process_profile_multipliers: dict[str, Times] | None = None
    startup_grace_period: Duration = Duration(0.0)
    sustained_violation_time: Duration = Duration(0.0)
    spike_tolerance_time: Duration = Duration(0.0)


class Stop(Struct):
    """`stop:` as one step."""

    signal: SignalNumber = SignalNumber(15)
    timeout: Duration = Duration(20.0)


class StopInSteps(Struct):
    """One of several steps of `stop:`."""

    signal: SignalNumber
    wait: Duration


class Logs(Struct):
    """`logs:`."""

    max_size: Size = _LOGS.max_size
    max_files: Files = _LOGS.max_files


class Lifetime(Struct):
    """`lifetime:`."""

    max: Positive | None = None
    idle: Positive | None = None
    after: Positive | None = None


class Module(Struct):
    """`module:`; `module_path` is the older name of a `module_name` that goes with an `entry_point`."""

    module_type: Literal["native", "plugin"] | None = None
    module_name: Node | None = None
    module_path: Node | None = None
    entry_point: str = ""
    config: Node | None = None
    start_timeout: Annotated[Duration, Meta(ge=0.001, description="a duration of at least 1ms")] = _MODULE.start_timeout
    stop_timeout: Duration | None = None


class Worker(Struct):
    """One of `workers:`, without its provider's section."""

    id: Name = ""
    provider: Node | None = None
    type: Node | None = None
    kind: Node | None = None
    enabled: bool = True
    instances: Node | None = None
    package: Node | None = None
    module: Node | None = None
    module_type: Node | None = None
    module_name: Node | None = None
    config: Node | None = None
    depends_on: Node | None = None
    exit_on: Literal["never", "failure"] = "never"
    register: bool = False
    endpoints: dict[Name, Endpoint] = field(default_factory=dict)
    probes: dict[ProbeRole, Probe] = field(default_factory=dict)
    health_check: Node | None = None
    restart_policy: Node | None = None
    context_aware_restart: Node | None = None
    profile_type: Literal["batch", "web", "database", "worker", "scheduler", "default"] | None = None
    limits: Node | None = None
    lifetime: Lifetime = field(default_factory=Lifetime)
    rollout: Node | None = None
    logs: Logs = field(default_factory=Logs)
    schedule: Node | None = None


LATER: Mapping[type, Mapping[str, str]] = {
    Worker: {
        "kubernetes": "the provider `kubernetes`",
        "resources": "resource limits",
        "log_collection": "log collection",
        "unit": "the `unit` block of older files",
    },
    Logs: {
        "max_age": "log files that expire",
        "compress": "compressed logs",
        "rate": "log rates",
        "max_line": "line lengths",
    },
}
"""Block -> key -> what it needs."""

LATER_VALUES: Mapping[str, str] = {
    "kubernetes": "the provider `kubernetes`",
}
"""Provider -> what it needs."""
