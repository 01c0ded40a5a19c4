"""The part of a worker file that says how a process is found which somebody else runs, and what may be done to it.

Also what follows from that for the rest of the worker: when it is looked for again, how it is ended, and which words
mean nothing for a process that Beeyard did not start.
"""

import signal
from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct

from beeyard.adapters.providers.process.section import NewFile
from beeyard.domain.errors import Problem
from beeyard.domain.limits import ENDINGS
from beeyard.domain.spec import Backoff, Line, Period, Port, RestartPolicy, Span, StopStep, Text, WorkerSpec
from beeyard.domain.values import Duration, SignalNumber

Method = Literal["pid-file", "process-name", "port", "service-name"]
Signal = Annotated[SignalNumber, Meta(ge=1, le=64, description="a signal's number")]

KILL = SignalNumber(signal.SIGKILL)
_NEEDED: dict[Method, str] = {
    "pid-file": "pid_file",
    "process-name": "process_name",
    "port": "port",
    "service-name": "service_name",
}
"""Method -> the key that says what to look for."""
_FREE = "it is watched, not kept within anything: its cgroup is somebody else's"
_ONLY = {"process_args": "process-name", "protocol": "port"} | {key: method for method, key in _NEEDED.items()}


class Discovery(Struct, frozen=True, omit_defaults=True):
    """How the process is found; looked for again every `check_interval` while it is not there."""

    method: Method
    pid_file: NewFile = ""
    process_name: Line = ""
    process_args: Annotated[tuple[Text, ...], Meta(max_length=1000)] = ()
    port: Port = 0
    protocol: Literal["tcp", "udp"] = "tcp"
    service_name: Line = ""
    check_interval: Period = Duration(30.0)


class Control(Struct, frozen=True, omit_defaults=True):
    """What may be done to it. `allowed_signals`: those of a stop, in this order; none named: SIGTERM, then SIGKILL."""

    can_terminate: bool = False
    can_restart: bool = False
    service_manager: Literal["systemd"] | None = None
    service_name: Line = ""
    allowed_signals: Annotated[tuple[Signal, ...], Meta(max_length=64)] = ()
    graceful_timeout: Span = Duration(30.0)

    def allows(self, signo: int) -> bool:
        """Whether this signal may be sent."""
        return self.can_terminate and signo in (self.allowed_signals or (signal.SIGTERM, KILL))


class UnmanagedSection(Struct, frozen=True, omit_defaults=True):
    """A process that is found, never started."""

    discovery: Discovery
    control: Control = Control()

    @property
    def service(self) -> str:
        """What the service manager calls it; empty where none is to be asked."""
        if self.control.service_manager is None:
            return ""
        return self.control.service_name or self.discovery.service_name

    def stop(self) -> tuple[StopStep, ...]:
        """The signals that may be sent, one after the other; a SIGKILL at the end comes by itself."""
        signals = self.control.allowed_signals or (SignalNumber(signal.SIGTERM),)
        signals = signals[:-1] if len(signals) > 1 and signals[-1] == KILL else signals
        return tuple(StopStep(signo, self.control.graceful_timeout) for signo in signals)

    def restart(self) -> RestartPolicy:
        """Looked for again after each `check_interval`, for ever."""
        interval = self.discovery.check_interval
        return RestartPolicy("always", Backoff(interval, 1.0, interval, None), jitter=0.0)

    def problems(self) -> Iterator[Problem]:
        """What does not go together in it."""
        discovery, control = self.discovery, self.control
        needed = _NEEDED[discovery.method]
        if not getattr(discovery, needed):
            expected = f"what to look for: the method is {discovery.method}"
            yield Problem(f"discovery.{needed}", "nothing", expected)
        for key, method in _ONLY.items():
            if method != discovery.method and getattr(discovery, key) != getattr(_NOTHING, key):
                yield Problem(f"discovery.{key}", f"`{key}`", f"no such key: the method is {discovery.method}")
        if control.service_manager and not self.service:
            yield Problem("control.service_name", "nothing", f"what {control.service_manager} calls it")
        if control.service_name and not control.service_manager:
            yield Problem("control.service_name", "`service_name`", "a service_manager beside it")
        if control.allowed_signals and not control.can_terminate:
            yield Problem("control.allowed_signals", "signals", "none, or can_terminate: true")

    def unfit(self, spec: WorkerSpec) -> Iterator[Problem]:
        """What a worker asks for that nobody can do with a process of somebody else's."""
        for role, probe in spec.probes.items():
            at = f"probes.{role}"
            if probe.means == "log":
                yield Problem(at, "`log`", "another probe", hint="what it writes does not come to Beeyard")
            elif probe.means == "notify":
                yield Problem(at, "`notify`", "another probe", hint="it was not told where to speak to Beeyard")
            elif role != "readiness" and not self.may_end():
                hint = "a failed one ends the process, which takes control.can_terminate"
                yield Problem(at, f"a {role} probe", "readiness", hint=hint)
        for name, endpoint in spec.endpoints.items():
            if not endpoint.port:
                yield Problem(f"endpoints.{name}.port", "`auto`", "the port where it listens")
        for limit, wish in spec.limits.bounds.items():
            if wish.policy in ENDINGS and not self.may_end():
                hint = f"{wish.policy} ends the process, which takes control.can_terminate"
                yield Problem("limits", f"{wish.policy} for {limit}", "none, log or alert", hint=hint)
            elif wish.policy == "throttle":
                yield Problem("limits", f"throttle for {limit}", "another policy", hint=_FREE)
        if spec.limits.cpu_shares or spec.limits.io_weight:
            yield Problem("limits", "cpu_shares or io.weight", "neither", hint=_FREE)
        if "." in spec.id:
            yield Problem("instances", spec.id, "no instances", hint="all of them would find the same process")

    def may_end(self) -> bool:
        """Whether anything may be done that ends it."""
        return self.control.can_terminate or self.may_renew()

    def may_renew(self) -> bool:
        """Whether a service manager may be asked to start it anew."""
        return self.control.can_restart and bool(self.service)


_NOTHING = Discovery("pid-file")
