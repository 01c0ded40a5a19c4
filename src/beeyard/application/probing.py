"""Asks the probes of one attempt, each at its time, and tells when a verdict changes. Decides nothing about the worker.

The kubelet's rules. Startup comes first; readiness and liveness wait until it has passed, and then it is never asked
again. Delays count from the attempt's start, periods from question to question; a missed one is skipped, and no
probe is under way twice. After a failed startup or liveness that probe rests: the attempt is as good as over. A
result nobody could get, because the provider can't be reached, is thrown away. Nothing is told after `stop`.

Between two questions a probe is a timer and nothing more, for there may be ten thousand.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from urllib.parse import urljoin

from beeyard.domain import health
from beeyard.domain.errors import BeeyardError, Invalid, Unavailable
from beeyard.domain.messages import Handle, Probed
from beeyard.domain.spec import Endpoint, ProbeRole, ProbeSpec, WorkerSpec
from beeyard.domain.values import human_duration
from beeyard.ports.clock import Cancel, Clock
from beeyard.ports.prober import Prober, Result
from beeyard.ports.provider import Answer, Provider

SHORTEST_PERIOD = 0.01
"""Seconds. A period of 0 would leave no time for anything else."""

_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # where to ask who listens on all addresses
_log = logging.getLogger(__name__)


class Probing:
    """All probes of one attempt, from `start` to `stop`.

    Args:
        roll: gives numbers in [0, 1): what part of a period passes before a resumed probe asks first.
        emit: takes each changed verdict; it may call `stop`.
        execs: shared by all attempts, so that not too many commands run at once.
        since: when the attempt started (monotonic); None: now, as `start` is called.
        resumed: the attempt ran before this master did; its first questions are spread over one period.
        started: it is known to have passed its startup probe.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        attempt: int,
        handle: Handle,
        provider: Provider,
        prober: Prober,
        clock: Clock,
        roll: Callable[[], float],
        emit: Callable[[Probed], None],
        *,
        execs: asyncio.Semaphore,
        since: float | None = None,
        resumed: bool = False,
        started: bool = False,
    ) -> None:
        self._spec = spec
        self._attempt = attempt
        self._handle = handle
        self._provider = provider
        self._prober = prober
        self._clock = clock
        self._roll = roll
        self._emit = emit
        self._execs = execs
        self._since = since
        self._spread = resumed
        self._started = started or "startup" not in spec.probes
        self._probes: list[_Probe] = []

    def start(self) -> None:
        """Begin, once."""
        if self._since is None:
            self._since = self._clock.now().mono
        self._begin(*(("readiness", "liveness") if self._started else ("startup",)))

    def stop(self) -> None:
        """Ask no more, and cancel what is being asked. Harmless twice."""
        for probe in self._probes:
            probe.stop()

    async def aclose(self) -> None:
        """Stop, and wait until nothing is under way any more."""
        self.stop()
        await asyncio.gather(*(probe.task for probe in self._probes if probe.task), return_exceptions=True)

    def pending(self) -> list[tuple[ProbeRole, str]]:
        """Startup and readiness probes that have not passed, each with what its last answer was, if there was one."""
        return [
            (probe.role, probe.said)
            for probe in self._probes
            if probe.role != "liveness" and not probe.passed and not probe.rests
        ]

    def _begin(self, *roles: ProbeRole) -> None:
        for role in roles:
            if (spec := self._spec.probes.get(role)) is not None:
                probe = _Probe(role, spec, self._clock, self._ask, self._decided)
                self._probes.append(probe)
                probe.begin(self._first(role, spec))

    def _first(self, role: ProbeRole, probe: ProbeSpec) -> float:
        """When to ask for the first time."""
        assert self._since is not None
        delay = probe.initial_delay
        if role == "liveness":
            delay = max(delay, self._spec.restart.startup_grace)
        spread = self._roll() * probe.period if self._spread else 0.0
        return max(self._since + delay, self._clock.now().mono) + spread

    def _decided(self, probe: "_Probe", result: Result) -> None:
        """One verdict changed: go on to what waited for it, and tell. Telling comes last, for it may stop us."""
        role = probe.role
        if role == "startup" or (role == "liveness" and not result.ok):
            probe.stop()
        if role == "startup" and result.ok:
            self._spread = False
            self._begin("readiness", "liveness")
        self._emit(Probed(self._attempt, role, result.ok, result.reason))

    async def _ask(self, role: ProbeRole, probe: ProbeSpec) -> Result | None:
        """One question, by the means of the probe. None: no answer could be got, and the worker is not to blame."""
        try:
            match probe.means:
                case "http":
                    url = http_address(self._spec.endpoints, self._handle.ports, probe)
                    return await self._prober.http(url, probe.method, probe.headers, probe.timeout)
                case "tcp":
                    host, port = tcp_address(self._spec.endpoints, self._handle.ports, probe)
                    return await self._prober.tcp(host, port, probe.timeout)
                case "exec":
                    async with self._execs:
                        answer = await self._provider.exec(self._spec, probe.command, probe.timeout)
                    return _judged(probe, answer)
                case "process":
                    sight = await self._provider.inspect(self._spec.id, self._attempt)
                    return Result(True) if sight.state == "running" else Result(False, f"the process is {sight.state}")
        except Unavailable:
            return None
        except BeeyardError as error:
            return Result(False, str(error))
        except Exception:
            _log.exception("the %s probe of %s broke; it is asked again", role, self._spec.id)
            return None


class _Probe:
    """One probe: its streak, and either the timer of the next question or the task of the one under way."""

    __slots__ = ("_ask", "_clock", "_decided", "_due", "_spec", "_streak", "_timer", "rests", "role", "said", "task")

    def __init__(self, role: ProbeRole, spec: ProbeSpec, clock: Clock, ask: "_Ask", decided: "_Decided") -> None:
        self.role: ProbeRole = role
        self.task: asyncio.Task[None] | None = None
        self.said = ""
        self.rests = False
        self._spec = spec
        self._clock = clock
        self._ask = ask
        self._decided = decided
        self._streak = health.first(role)
        self._due = 0.0
        self._timer: Cancel | None = None

    @property
    def passed(self) -> bool:
        """The verdict in force."""
        return self._streak.passed is True

    def begin(self, due: float) -> None:
        self._due = due
        self._timer = self._clock.call_at(due, self._question)

    def stop(self) -> None:
        self.rests = True
        if self._timer is not None:
            self._timer.cancel()
        if self.task is not None:
            self.task.cancel()

    def _question(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self._once())

    async def _once(self) -> None:
        result = await self._ask(self.role, self._spec)
        self.task = None
        period = max(self._spec.period, SHORTEST_PERIOD)
        late = max(0.0, self._clock.now().mono - self._due)
        self.begin(self._due + period * (late // period + 1))
        if result is not None:
            self.said = "passed" if result.ok else result.reason
            self._streak, changed = health.observe(self._spec, self._streak, result.ok)
            if changed:
                self._decided(self, result)


_Ask = Callable[[ProbeRole, ProbeSpec], Coroutine[None, None, Result | None]]
_Decided = Callable[[_Probe, Result], None]


# --- answers and addresses ------------------------------------------------------------------------------------------


def _judged(probe: ProbeSpec, answer: Answer) -> Result:
    """A command passes with exit code 0; otherwise its first line of output is the best reason there is."""
    if answer.timed_out:
        return Result(False, f"{probe.command[0]} did not end within {human_duration(probe.timeout)}")
    if answer.code == 0:
        return Result(True)
    how = "was killed" if answer.code is None else f"ended with exit code {answer.code}"
    said = next((line.strip() for line in answer.output.splitlines() if line.strip()), "")
    return Result(False, f"{probe.command[0]} {how}" + (f": {said}" if said else ""))


def http_address(endpoints: Mapping[str, Endpoint], ports: Mapping[str, int], probe: ProbeSpec) -> str:
    """The URL to ask. What the target leaves out is taken from the probe's endpoint, else from the first http one.

    Raises:
        Invalid: `probe_address`.
    """
    if "://" in probe.target:
        return probe.target
    named = probe.endpoint or next((name for name, at in endpoints.items() if at.protocol in ("http", "https")), "")
    endpoint, host, port = _endpoint(endpoints, ports, named)
    scheme = "https" if endpoint.protocol == "https" else "http"
    base = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"
    return urljoin(urljoin(base, endpoint.path), probe.target)


def tcp_address(endpoints: Mapping[str, Endpoint], ports: Mapping[str, int], probe: ProbeSpec) -> tuple[str, int]:
    """The host and port to connect to: an endpoint by name, `host:port`, a port of this host, or the only endpoint.

    Raises:
        Invalid: `probe_address`.
    """
    target = probe.target or probe.endpoint
    host, _, port = target.rpartition(":")
    if target in endpoints or not port.isdecimal():
        return _endpoint(endpoints, ports, target)[1:]
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def _endpoint(endpoints: Mapping[str, Endpoint], ports: Mapping[str, int], name: str) -> tuple[Endpoint, str, int]:
    """The endpoint of that name, or without name the first, and where it can be reached from this host."""
    name = name or next(iter(endpoints), "")
    endpoint = endpoints.get(name)
    if endpoint is None:
        raise Invalid("probe_address", "the probe has no address: the worker has no endpoint {name!r}", name=name)
    return endpoint, _EVERYWHERE.get(endpoint.host, endpoint.host), ports.get(name, endpoint.port)
