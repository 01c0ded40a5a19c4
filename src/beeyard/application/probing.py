"""Asks the probes of one attempt, each at its time, and tells when a verdict changes. Decides nothing about the worker.

The kubelet's rules. Startup comes first; readiness and liveness wait until it has passed, and then it is never asked
again. Delays count from the attempt's start, periods from question to question; of missed ones one is made up for, and
no probe is under way twice. After a failed startup or liveness that probe rests: the attempt is as good as over; so
does one by log that passed, for what was said stays said. A result nobody could get, because the provider can't be
reached, is thrown away. Nothing is told after `stop`.

The first question of an attempt comes after a random part of its period, a second at most. A thousand workers that are
started together are then not asked together ever after. It costs no time: a question at the very start nearly always
finds a worker that does not listen yet, and the next one comes a whole period later.

On a host under pressure a question may take longer (`given`), so that a worker which is slow like all others is not
taken for a sick one.

Between two questions a probe is a timer and nothing more, for there may be ten thousand.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from urllib.parse import urljoin

from msgspec import Struct

from beeyard.application.heard import Heard
from beeyard.application.notified import TRIGGERED, Notified
from beeyard.application.probe import Probe
from beeyard.application.views import ProbeView
from beeyard.domain.errors import BeeyardError, Invalid, Unavailable
from beeyard.domain.messages import Handle, Probed
from beeyard.domain.pressure import Strain
from beeyard.domain.spec import Endpoint, ProbeRole, ProbeSpec, WorkerSpec
from beeyard.domain.values import human_duration
from beeyard.ports.clock import Clock
from beeyard.ports.notify import Word
from beeyard.ports.prober import Prober, Result
from beeyard.ports.provider import Answer, Provider

SPREAD = 1.0
"""Seconds over which first questions are spread, at most: who waits for a worker to be ready waits for that as well."""
MEETING = 1 / 64
"""Seconds. First questions come at whole multiples of it: a thousand a second at as many moments wake the loop up so
often that they cost nearly twice as much as sixteen at a time."""
COSTLY = 0.5
"""The part of its period that a command may take before we say so."""
ENOUGH = 3
"""Questions before we judge what they cost."""

_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # where to ask who listens on all addresses
_log = logging.getLogger(__name__)


class Probing:
    """All probes of one attempt, from `start` to `stop`.

    Args:
        roll: gives numbers in [0, 1): when within its spread a probe asks first.
        emit: takes each changed verdict; it may call `stop`.
        listen: begins to wait for the line of a log probe, and calls back once it was written.
        strain: tells how hard the host makes it for everyone now.
        execs: shared by all attempts, so that not too many commands run at once.
        since: when the attempt started (monotonic); None: now, as `start` is called.
        resumed: the attempt ran before this master did; its first questions are spread over one period.
        started: it is known to have passed its startup probe.
        ready: its readiness probe passed.
        notified: what it says of itself, if it is to say anything.
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
        listen: "Listen",
        strain: Callable[[], Strain],
        execs: asyncio.Semaphore,
        since: float | None = None,
        resumed: bool = False,
        started: bool = False,
        ready: bool = False,
        notified: Notified | None = None,
    ) -> None:
        self._spec = spec
        self._attempt = attempt
        self._handle = handle
        self._provider = provider
        self._prober = prober
        self._clock = clock
        self._roll = roll
        self._emit = emit
        self._listen = listen
        self._strain = strain
        self._execs = execs
        self._since = since
        self._spread = math.inf if resumed else SPREAD
        self._ready = ready
        self._notified = notified
        self._started = started or "startup" not in spec.probes
        self._probes: list[Probe] = []
        self._ears: dict[ProbeRole, Heard] = {}
        self._warned: set[ProbeRole] = set()

    def start(self) -> None:
        """Begin, once."""
        if self._since is None:
            self._since = self._clock.now().mono
        if self._notified is not None:
            self._notified.tell = self._told
        self._begin(*(("readiness", "liveness") if self._started else ("startup",)))

    def stop(self) -> None:
        """Ask no more, and cancel what is being asked. Harmless twice."""
        if self._notified is not None:
            self._notified.tell = None
        for probe in self._probes:
            self._rest(probe)

    async def aclose(self) -> None:
        """Stop, and wait until nothing is under way any more."""
        self.stop()
        await asyncio.gather(*(probe.task for probe in self._probes if probe.task), return_exceptions=True)
        for ear in self._ears.values():
            await ear.closed()

    def views(self) -> dict[str, ProbeView]:
        """The probes that have begun, by role."""
        return {probe.role: probe.view() for probe in self._probes}

    async def ask(self, role: ProbeRole) -> "Told":
        """Ask now. The answer counts like any other, unless the probe's initial delay is not over."""
        probe = next((probe for probe in self._probes if probe.role == role), None)
        if probe is None:
            return Told(None, "it waits until the startup probe has passed")
        if probe.rests:
            return Told(probe.passed, "it is not asked any more", counted=False)
        result = await probe.now()
        if result is None:
            return Told(None, "no answer could be got; the worker is not to blame")
        return Told(result.ok, result.reason, probe.counted, probe.view())

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
                if spec.means == "log" and self._ready and role == "readiness":
                    continue  # It was heard before this master woke up.
                probe = Probe(role, spec, self._clock, self._patiently, self._decided)
                self._probes.append(probe)
                opens = self._opens(role, spec)
                now = self._clock.now().mono
                if spec.means == "log":  # It is heard when it is written; without that, silence counts by periods.
                    self._ears[role] = self._listen(spec, probe.hurry)
                    probe.begin(max(opens, now) + spec.period, 0.0)
                elif spec.means == "notify":  # As soon as it says so; silence counts by periods.
                    probe.begin(max(opens, now) + spec.period, opens)
                    if role != "liveness":
                        self._hear(probe)
                else:
                    first = max(opens, now) + self._roll() * min(spec.period, self._spread)
                    probe.begin(math.ceil(first / MEETING) * MEETING, opens)

    def _opens(self, role: ProbeRole, probe: ProbeSpec) -> float:
        """When its initial delay is over."""
        assert self._since is not None
        delay = probe.initial_delay
        if role == "liveness":
            delay = max(delay, self._spec.restart.startup_grace)
        return self._since + delay

    def _rest(self, probe: Probe) -> None:
        probe.stop()
        if (ear := self._ears.get(probe.role)) is not None:
            ear.stop()

    def _decided(self, probe: Probe, result: Result) -> None:
        """One verdict changed: go on to what waited for it, and tell. Telling comes last, for it may stop us."""
        role = probe.role
        if role == "startup" or (role == "liveness" and not result.ok) or (probe.spec.means == "log" and result.ok):
            self._rest(probe)
        if role == "startup" and result.ok:
            self._spread = 0.0  # What follows is spread already.
            self._begin("readiness", "liveness")
        self._emit(Probed(self._attempt, role, result.ok, result.reason))

    def _told(self, word: Word) -> None:
        """The attempt said something: what it concerns is asked now."""
        for probe in list(self._probes):
            if probe.spec.means == "module" and word.report is not None and not probe.rests:
                probe.hurry()
            if probe.spec.means != "notify" or probe.rests:
                continue
            if probe.role != "liveness":
                self._hear(probe)
            elif word.watchdog == "trigger":
                self._decided(probe, TRIGGERED)
            elif word.watchdog == "alive":
                probe.hurry()

    def _hear(self, probe: Probe) -> None:
        """Ask a startup or readiness probe whose answer has become another."""
        assert self._notified is not None
        if self._notified.judge(probe.role, probe.spec).ok != probe.passed:
            probe.hurry()

    async def _patiently(self, asked: Probe) -> Result | None:
        """One question; a start that asked for more time has not failed yet, and on a starving host all have more."""
        strain, began = self._strain(), self._clock.now().mono
        asked.time = given(asked.spec, strain)
        asked.strain = strain.reason if asked.time > asked.spec.timeout else ""
        result = await self._ask(asked)
        if result is None or result.ok:
            return result
        if asked.role == "startup" and self._notified is not None and self._notified.patient():
            return None
        if asked.strain and self._clock.now().mono - began - asked.waited >= asked.spec.timeout:
            return Result(False, f"{result.reason}, {human_duration(asked.spec.timeout)} as a rule ({asked.strain})")
        return result

    async def _ask(self, asked: Probe) -> Result | None:
        """One question, by the means of the probe. None: no answer could be got, and the worker is not to blame."""
        probe = asked.spec
        try:
            match probe.means:
                case "http":
                    url = http_address(self._spec.endpoints, self._handle.ports, probe)
                    return await self._prober.http(url, probe.method, probe.headers, asked.time)
                case "tcp":
                    host, port = tcp_address(self._spec.endpoints, self._handle.ports, probe)
                    return await self._prober.tcp(host, port, asked.time)
                case "grpc":
                    host, port = tcp_address(self._spec.endpoints, self._handle.ports, probe)
                    return await self._prober.grpc(
                        host, port, probe.service, asked.time, call=probe.call, headers=probe.headers
                    )
                case "exec":
                    began = self._clock.now().mono
                    async with self._execs:
                        asked.waited = self._clock.now().mono - began
                        answer = await self._provider.exec(self._spec, probe.command, asked.time)
                    self._weigh(asked)
                    return _judged(probe, answer, asked.time)
                case "log":
                    if self._ears[asked.role].line is not None:
                        return Result(True)
                    return Result(False, f"it wrote no line with {probe.target!r}")
                case "notify":
                    assert self._notified is not None
                    return self._notified.judge(asked.role, probe)
                case "module":
                    assert self._notified is not None
                    return self._notified.answered(asked.role, probe)
                case "process":
                    sight = await self._provider.inspect(self._spec.id, self._attempt)
                    return Result(True) if sight.state == "running" else Result(False, f"the process is {sight.state}")
        except Unavailable:
            return None
        except BeeyardError as error:
            return Result(False, str(error))
        except Exception:
            _log.exception("the %s probe of %s broke; it is asked again", asked.role, self._spec.id)
            return None

    def _weigh(self, probe: Probe) -> None:
        """Say it once when a command costs too much; the one just asked is not among its `asked` yet."""
        costs, period = probe.view(), probe.spec.period
        whole = costs.took_mean + costs.waited_mean
        if probe.asked >= ENOUGH and whole > COSTLY * period and probe.role not in self._warned:
            self._warned.add(probe.role)
            _log.warning(
                "the %s probe of %s takes %s of its period of %s, %s of it waiting for its turn: give it a longer one",
                *(probe.role, self._spec.id, human_duration(round(whole, 3)), human_duration(period)),
                human_duration(round(costs.waited_mean, 3)),
            )


class Told(Struct, frozen=True):
    """An answer asked for by hand; `ok` is None where there is none. `counted`: it is part of the probe's streak."""

    ok: bool | None
    reason: str
    counted: bool = False
    costs: ProbeView | None = None


Listen = Callable[[ProbeSpec, Callable[[], None]], Heard]
"""(probe, tell)"""


# --- answers and addresses ------------------------------------------------------------------------------------------


def given(probe: ProbeSpec, strain: Strain) -> float:
    """How long a question may take now (seconds): two periods at most, for a hung worker must still be found out."""
    return max(probe.timeout, min(probe.timeout * strain.factor, 2 * probe.period))


def _judged(probe: ProbeSpec, answer: Answer, time: float) -> Result:
    """A command passes with exit code 0; otherwise its first line of output is the best reason there is."""
    if answer.timed_out:
        return Result(False, f"{probe.command[0]} did not end within {human_duration(time)}")
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
