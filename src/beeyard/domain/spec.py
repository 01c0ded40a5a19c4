"""What a worker should be: values only, complete, with every default filled in.

A provider owns the shape of its own section; here that section is `run`, in the provider's normal form, and only the
provider looks inside. The bounds stand in the types, where decoding keeps to them and the API's description shows them.
They are what no worker can do without, such as an id that can be a folder's name: a saved record that breaks one of
them could never have run. What one value says of another is in `check`.
"""

import re
import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import asdict

from beeyard.domain.errors import Invalid, Problem
from beeyard.domain.lifetime import ENDLESS, Lifetime
from beeyard.domain.limits import UNLIMITED, Limits, Severity, held
from beeyard.domain.module import ModuleSpec
from beeyard.domain.packages import REF
from beeyard.domain.plain import Mismatch, nearest, read
from beeyard.domain.rollout_plan import Rollout
from beeyard.domain.rollout_plan import unfit as unfit_rollout
from beeyard.domain.scaling import MOST, Scaling, unfit
from beeyard.domain.side_by_side import asked_at, clashes
from beeyard.domain.values import (
    NAME,
    NAME_EXPECTED,
    WORKER,
    WORKER_EXPECTED,
    Duration,
    Memory,
    SignalNumber,
    WorkerId,
    human_duration,
    number_of,
)

RestartWhen = Literal["never", "on-failure", "always", "unless-stopped"]
Condition = Literal["started", "ready", "healthy", "completed"]
ProbeRole = Literal["startup", "readiness", "liveness"]
ProbeMeans = Literal["http", "tcp", "grpc", "exec", "log", "module", "notify", "process"]
Trigger = Literal["exit", "health", "resource"]

SIGNALS = frozenset(map(int, signal.valid_signals()))
DECADE = 10 * 365 * 86400.0
SOCKET_PATH = 107
"""Bytes in the path of a unix socket (unix(7))."""
NO_PORT = "it is a file, and probes ask over the network; `exec` or `notify` tells"
ALWAYS_OPEN = "Beeyard listens there also while nothing serves, so a connection says nothing"
LINE_STAYS = "a line once written says nothing of now; liveness needs a probe that asks"

Id = Annotated[WorkerId, Meta(pattern=WORKER, description=WORKER_EXPECTED)]
Label = Annotated[str, Meta(pattern=NAME, description=NAME_EXPECTED)]
Chosen = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{0,64}(?!\n)$", description=f"{NAME_EXPECTED}, or nothing")]
Text = Annotated[
    str, Meta(pattern=r"^[^\x00]*$", max_length=131_071, description="text without NUL, of at most 131071 characters")
]
"""As long as the kernel lets one argument of a program be."""
Line = Annotated[
    str, Meta(pattern=r"^[^\x00-\x1f\x7f]*(?!\n)$", max_length=4096, description="one line of at most 4096 characters")
]
Origin = Annotated[Line, Meta(min_length=1, examples=["/srv/beeyard.yaml"])]
Path = Annotated[
    str, Meta(pattern=r"^(/[^\x00]*)?$", max_length=4095, description="an absolute path, or nothing", examples=["/srv"])
]
Port = Annotated[int, Meta(ge=0, le=65535, description="a port from 0 to 65535")]
Span = Annotated[Duration, Meta(ge=0, le=DECADE, description="seconds, at most ten years of them")]
Period = Annotated[Duration, Meta(ge=0.001, le=DECADE, description="seconds, from 0.001 to ten years of them")]
Factor = Annotated[float, Meta(ge=1, le=1000, description="a number from 1 to 1000")]
Times = Annotated[float, Meta(gt=0, le=1000, description="a number above 0, at most 1000")]
Retries = Annotated[int, Meta(ge=0, le=1000, description="a whole number from 0 to 1000")]
Count = Annotated[int, Meta(ge=1, le=1_000_000, description="a whole number from 1 to 1000000")]
Command = Annotated[tuple[Text, ...], Meta(max_length=10_000)]
HostName = Annotated[str, Meta(pattern=r"^[^\x00-\x20\x7f/]{1,255}(?!\n)$", description="a host's name or address")]
PackageRef = Annotated[
    str, Meta(pattern=rf"^({REF})?(?!\n)$", max_length=512, description="a package, perhaps with a range, or nothing")
]
HeaderName = Annotated[
    str, Meta(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}(?!\n)$", description="the name of a header")
]


class Backoff(Struct, frozen=True, omit_defaults=True):
    """How long to wait before each restart, and how many to allow inside one window (None: unlimited)."""

    delay: Span = Duration(1.0)
    factor: Factor = 2.0
    max_delay: Span = Duration(60.0)
    max_retries: Retries | None = 5


class RestartPolicy(Struct, frozen=True, omit_defaults=True):
    """When a worker that ended comes back.

    `overrides` replace the backoff for one trigger; `severity` and `profile` multiply delay and retries, as the
    `context_aware_restart` block of older files does. Ill health within `startup_grace` of a start is not acted upon.
    """

    policy: RestartWhen = "on-failure"
    backoff: Backoff = Backoff()
    jitter: Annotated[float, Meta(ge=0, le=1, description="a number from 0 to 1")] = 0.1
    window: Period = Duration(300.0)
    cool_down: Period = Duration(300.0)
    reset_after: Span = Duration(60.0)
    overrides: dict[Trigger, Backoff] = field(default_factory=dict)
    severity: dict[Severity, Times] = field(default_factory=dict)
    profile: Times = 1.0
    startup_grace: Span = Duration(0.0)


class ProbeSpec(Struct, frozen=True, omit_defaults=True):
    """One question asked again and again.

    `target`: http a URL or a path; tcp and grpc `host:port`, a port, or an endpoint's name; log a
    regular expression that a line of output has to contain; else unused. `service`: which one of a gRPC server, empty
    for the server as a whole; `call`: which of its methods answers instead of the health service, as
    `package.Service/Method`. `headers` go with a question by http or grpc. `stream`: where log looks, empty for both.
    `failures` and `successes` count consecutive equal results.
    """

    means: ProbeMeans
    target: Line = ""
    command: Command = ()
    method: Annotated[str, Meta(pattern=r"^[A-Za-z]{1,20}(?!\n)$", description="a method such as GET")] = "GET"
    headers: Annotated[dict[HeaderName, Line], Meta(max_length=100)] = field(default_factory=dict)
    service: Line = ""
    call: Annotated[
        str,
        Meta(pattern=r"^([A-Za-z0-9_.]{1,512}/[A-Za-z0-9_]{1,256})?(?!\n)$", description="package.Service/Method"),
    ] = ""
    stream: Literal["", "stdout", "stderr"] = ""
    endpoint: Chosen = ""
    period: Period = Duration(10.0)
    timeout: Period = Duration(1.0)
    initial_delay: Span = Duration(0.0)
    failures: Count = 3
    successes: Count = 1


MODULE = ProbeSpec("module")
MODULE_PROBES: dict[ProbeRole, ProbeSpec] = {"readiness": ProbeSpec("notify"), "liveness": MODULE}
"""Of a worker that runs a module and has no probes of its own: ready once its start returned, alive as it answers. Who
has others is ready by the former all the same, unless it has a readiness probe."""


class Listen(Struct, frozen=True, omit_defaults=True):
    """A socket that Beeyard opens for an endpoint and passes on. With `unix` it is a file of that name, of this mode,
    user and group (None: the master's own); else it is at the endpoint's host and port."""

    unix: Path = ""
    mode: Annotated[int, Meta(ge=0, le=0o777, description="the number of an octal mode, at most 511")] = 0o660
    user: HostName | None = None
    group: HostName | None = None


class Endpoint(Struct, frozen=True, omit_defaults=True):
    """An address clients ask for by name. Port 0: the master chooses one and passes it on. None for `listen`: the
    worker opens it by itself."""

    protocol: Literal["http", "https", "grpc", "tcp"] = "tcp"
    port: Port = 0
    host: HostName = "127.0.0.1"
    path: Line = ""
    listen: Listen | None = None

    @property
    def unix(self) -> str:
        """The file that it is instead of a port; empty: it has a port."""
        return "" if self.listen is None else self.listen.unix


class LogSpec(Struct, frozen=True, omit_defaults=True):
    """How much of a worker's output is kept: `max_files` full files of `max_size` beside the one being written."""

    max_size: Annotated[Memory, Meta(ge=4096, lt=2**60, description="bytes, at least 4096")] = Memory(50 * 1024**2)
    max_files: Annotated[int, Meta(ge=0, le=10_000, description="a whole number from 0 to 10000")] = 5


class StopStep(Struct, frozen=True, gc=False):
    """One step of a stop: send `signal`, wait so long for the end, then take the next. After the last: kill."""

    signal: Annotated[SignalNumber, Meta(ge=1, le=64, description="a signal's number")] = SignalNumber(15)
    wait: Span = Duration(20.0)


class Need(Struct, frozen=True, omit_defaults=True):
    """What one worker needs of another to start; with `restart` it is restarted whenever the other one was."""

    condition: Condition = "ready"
    restart: bool = False


class WorkerSpec(Struct, frozen=True, omit_defaults=True):
    """One worker. `origin` says who put it here: the worker file's path, or `cli`. `package` is what it runs from,
    `module` which module it runs, wherever its provider does that; `scaling` how many of its group are to run, and
    `rollout` how it goes over to another version of its package: without it each start may take a newer one. `half`:
    how many of its group run while as many are on standby, where it goes over blue-green."""

    id: Id
    provider: Label
    run: dict[str, Any]
    enabled: bool = True
    depends_on: Annotated[dict[Id, Condition | Need], Meta(max_length=10_000)] = field(default_factory=dict)
    exit_on: Literal["never", "failure"] = "never"
    endpoints: Annotated[dict[Label, Endpoint], Meta(max_length=1000)] = field(default_factory=dict)
    probes: dict[ProbeRole, ProbeSpec] = field(default_factory=dict)
    restart: RestartPolicy = RestartPolicy()
    stop: Annotated[tuple[StopStep, ...], Meta(min_length=1, max_length=100)] = (StopStep(),)
    limits: Limits = UNLIMITED
    lifetime: Lifetime = ENDLESS
    logs: LogSpec = LogSpec()
    package: PackageRef = ""
    module: ModuleSpec | None = None
    register: bool = False
    scaling: Scaling | None = None
    rollout: Rollout | None = None
    half: Annotated[int, Meta(ge=0, le=MOST, description="a whole number from 0 to 1000")] = 0
    origin: Origin = "cli"

    @property
    def varies(self) -> bool:
        """Whether it is of a group of which some are on standby, now these and then those."""
        return self.scaling is not None or self.half > 0

    @property
    def needs(self) -> dict[str, Need]:
        """`depends_on` in one form: a condition alone asks for no restart."""
        return {name: Need(need) if isinstance(need, str) else need for name, need in self.depends_on.items()}


def once(specs: Iterable[WorkerSpec]) -> None:
    """Raises Invalid when two of them are of one worker."""
    counted = Counter(spec.id for spec in specs)
    problems = [Problem(id, f"{count} specs", "one spec of a worker") for id, count in counted.items() if count > 1]
    if problems:
        raise Invalid("worker_twice", "{text}", text="\n".join(map(str, problems)), problems=problems)


def check(spec: WorkerSpec) -> list[Problem]:
    """What is wrong with a spec, each thing with its path; also one that was made in a program and never read."""
    try:
        msgspec.msgpack.decode(msgspec.msgpack.encode(spec), type=WorkerSpec)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        return _broken(spec)
    problems = []
    for role, probe in spec.probes.items():
        at = f"probes.{role}"
        if probe.endpoint and probe.endpoint not in spec.endpoints:
            expected = "the name of an endpoint"
            problems.append(
                Problem(f"{at}.endpoint", probe.endpoint, expected, hint=nearest(probe.endpoint, [*spec.endpoints]))
            )
        if probe.means == "module" and spec.module is None:
            problems.append(Problem(f"{at}.means", "module", "another one", hint="the worker runs no module"))
        if probe.means == "exec" and not probe.command:
            problems.append(Problem(f"{at}.command", "nothing", "a command"))
        if probe.means == "log":
            problems += _unheard(at, role, probe)
    problems += _unpassable(spec.endpoints)
    problems += _told_nothing(spec)
    problems += too_short(spec)
    for number, step in enumerate(spec.stop):
        if int(step.signal) not in SIGNALS:
            problems.append(Problem(f"stop[{number}].signal", str(step.signal), "a signal's number"))
    if spec.scaling is not None:
        protocols = {name: endpoint.protocol for name, endpoint in spec.endpoints.items()}
        problems += unfit(spec.scaling, spec.id, protocols)
    if spec.rollout is not None:
        protocols = {name: endpoint.protocol for name, endpoint in spec.endpoints.items()}
        problems += unfit_rollout(spec.rollout, spec.package, protocols)
    problems += clashes(spec)
    return [*problems, *ending(spec)]


def _unheard(at: str, role: ProbeRole, probe: ProbeSpec) -> list[Problem]:
    """Why no line of output could answer this probe."""
    if role == "liveness":
        return [Problem(f"{at}.means", "log", "startup or readiness", hint=LINE_STAYS)]
    try:
        re.compile(probe.target)
    except (re.error, OverflowError, RecursionError) as error:
        return [Problem(f"{at}.target", probe.target, "a regular expression", hint=str(error))]
    return [] if probe.target else [Problem(f"{at}.target", "nothing", "a regular expression")]


def _unpassable(endpoints: Mapping[str, Endpoint]) -> Iterator[Problem]:
    """What a socket that is passed on can't be."""
    for name, endpoint in endpoints.items():
        at = f"endpoints.{name}"
        if endpoint.listen is None:
            continue
        if len(endpoint.unix.encode()) > SOCKET_PATH:
            found, expected = f"a path of {len(endpoint.unix.encode())} bytes", f"at most {SOCKET_PATH}"
            yield Problem(f"{at}.listen.unix", found, expected, hint="no system takes a longer one for a socket")
        if endpoint.unix and endpoint.port:
            yield Problem(f"{at}.port", str(endpoint.port), "none: with `listen.unix` it is a file")
        if not endpoint.unix and endpoint.listen != Listen():
            yield Problem(
                f"{at}.listen", "mode, user or group", "a path as `unix` beside them: a port has none of them"
            )


def _told_nothing(spec: WorkerSpec) -> Iterator[Problem]:
    """Probes that can't ask, or are answered although nothing serves."""
    for role, probe in spec.probes.items():
        named = asked_at(probe, spec.endpoints)
        endpoint = spec.endpoints.get(named)
        if endpoint is not None and endpoint.unix:
            yield Problem(f"probes.{role}", f"{probe.means} at {named}", "another one", hint=NO_PORT)
        elif endpoint is not None and endpoint.listen is not None and probe.means == "tcp":
            yield Problem(f"probes.{role}", f"tcp at {named}", "http, notify, or another one", hint=ALWAYS_OPEN)


def ending(spec: WorkerSpec) -> list[Problem]:
    """What of its lifetime would take an instance out of a group for good, of which others are on standby."""
    if not spec.varies:
        return []
    never = spec.restart.policy == "never"
    expected = "nothing: its group scales" if spec.half == 0 else "nothing: its group goes over blue-green"
    hint = "`instances` says how many of it run"
    return [
        Problem(f"lifetime.{word}", human_duration(most), expected, hint=hint)
        for word, most in asdict(spec.lifetime).items()
        if most is not None and (word != "max" or never)
    ]


def too_short(spec: WorkerSpec) -> list[Problem]:
    """Whether an attempt could be ended for its age while it still starts."""
    most, probe = spec.lifetime.max, spec.probes.get("startup")
    start = 0.0 if spec.module is None else spec.module.start_timeout
    if probe is not None:
        start = max(start, probe.initial_delay + probe.period * probe.failures)
    if most is None or most * (1.0 - spec.restart.jitter) > start:
        return []
    expected = f"more than {human_duration(start)}, which its start may take" if start else "a jitter below 1"
    less = f"less {spec.restart.jitter * 100:g} % jitter" if spec.restart.jitter else ""
    return [Problem("lifetime.max", human_duration(most), expected, hint=less)]


def _broken(spec: WorkerSpec) -> list[Problem]:
    """For a spec that can't be read again as it was made."""
    try:
        read(msgspec.to_builtins(spec), WorkerSpec)
    except Mismatch as mismatch:
        return mismatch.problems
    except (TypeError, ValueError, RecursionError) as error:
        return [Problem("run", str(error), "plain values")]
    return [Problem("run", "a value that can't be saved", "plain values")]


def notifies(spec: WorkerSpec) -> bool:
    """Whether the worker is to say by itself how it is."""
    asked = any(probe.means == "notify" for probe in spec.probes.values())
    return asked or spec.module is not None or spec.register


def shares(spec: WorkerSpec) -> bool:
    """Whether other instances of its group listen at the same port, which Beeyard opens."""
    opened = (endpoint for endpoint in spec.endpoints.values() if endpoint.listen is not None)
    return number_of(spec.id) > 0 and any(endpoint.port for endpoint in opened)


def watchdog(spec: WorkerSpec) -> Duration | None:
    """How often the worker has to say that it lives; None: it need not."""
    probe = spec.probes.get("liveness")
    return probe.period if probe is not None and probe.means == "notify" else None


def asking(spec: WorkerSpec) -> tuple[Duration, Duration]:
    """How often a module is asked whether it is healthy, and how long it may take to answer: as its probes want it."""
    asked = [probe for probe in spec.probes.values() if probe.means == "module"] or [MODULE]
    return min(probe.period for probe in asked), min(probe.timeout for probe in asked)


def needs_restart(old: WorkerSpec, new: WorkerSpec) -> bool:
    """Whether going from one spec to the other means another attempt, or is a matter of supervision alone."""
    told = (notifies(old), watchdog(old), asking(old)) != (notifies(new), watchdog(new), asking(new))
    kept = [(hold.virtual, hold.descriptors) for hold in (held(old.limits), held(new.limits))]  # Told at its start.
    return (
        told
        or kept[0] != kept[1]
        or (old.provider, old.run, old.module) != (new.provider, new.run, new.module)
        or (old.endpoints, old.package, old.register) != (new.endpoints, new.package, new.register)
    )
