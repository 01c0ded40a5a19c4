"""The probes of one attempt, on a clock that stands still between two questions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from beeyard.application.probing import Probing, http_address, tcp_address
from beeyard.domain.errors import Invalid, Rejected, Unavailable
from beeyard.domain.messages import Exit, Handle, Probed
from beeyard.domain.spec import Endpoint, ProbeRole, ProbeSpec, RestartPolicy, WorkerSpec
from beeyard.domain.values import Duration, WorkerId
from beeyard.ports.prober import Result
from beeyard.ports.provider import Answer
from tests.fakes.clock import FakeClock, settle
from tests.fakes.prober import FakeProber
from tests.fakes.provider import FakeProvider

OK, BAD = Result(True), Result(False, "no")


class Yard:
    """One attempt of `web` on port 80, its probes, and what they told."""

    def __init__(self, probes: dict[ProbeRole, ProbeSpec], *, grace: float = 0.0, **more: Any) -> None:
        self.clock, self.prober, self.provider = FakeClock(), FakeProber(), FakeProvider()
        self.begun = self.clock.now().mono
        self.told: list[Probed] = []
        self.spec = WorkerSpec(
            id=WorkerId("web"),
            provider="fake",
            run={},
            endpoints={"main": Endpoint(protocol="http", port=80)},
            probes=probes,
            restart=RestartPolicy(startup_grace=Duration(grace)),
        )
        more.setdefault("execs", asyncio.Semaphore(8))
        handle = Handle("fake", 1, {})
        self.probing = Probing(
            self.spec, 1, handle, self.provider, self.prober, self.clock, lambda: 0.25, self.told.append, **more
        )

    def asked(self) -> list[str]:
        """The questions so far, without what they have in common."""
        return [question.removeprefix("GET http://127.0.0.1:80") for question in self.prober.asked]


@asynccontextmanager
async def watched(probes: dict[ProbeRole, ProbeSpec], **more: Any) -> AsyncIterator[Yard]:
    """A yard whose probes have begun, and are ended with the test."""
    yard = Yard(probes, **more)
    await yard.provider.launch(yard.spec, 1, {})
    yard.probing.start()
    yield yard
    await yard.probing.aclose()


def http(path: str, **fields: Any) -> ProbeSpec:
    """A probe that asks every ten seconds, and believes one result unless told otherwise."""
    fields = {"period": Duration(10.0), "failures": 1, "successes": 1} | fields
    return ProbeSpec(means="http", target=path, **fields)


# --- when -----------------------------------------------------------------------------------------------------------


async def test_the_first_question_comes_at_once_and_the_others_by_period() -> None:
    """Three questions in twenty seconds, and one verdict, for it does not change."""
    async with watched({"readiness": http("/ready")}) as yard:
        await yard.clock.run(20.0)
        assert yard.asked() == ["/ready"] * 3
        assert yard.told == [Probed(1, "readiness", True)]


async def test_the_initial_delay_counts_from_the_start_of_the_attempt() -> None:
    """Not from the start of the watch."""
    async with watched({"readiness": http("/ready", initial_delay=Duration(5.0))}, since=998.0) as yard:
        await yard.clock.run(2.9)
        assert yard.asked() == []
        await yard.clock.run(0.1)
        assert yard.asked() == ["/ready"]


async def test_a_resumed_attempt_is_asked_within_a_period() -> None:
    """A quarter of it here, so that a woken master does not ask ten thousand workers at once."""
    async with watched({"readiness": http("/ready"), "liveness": http("/live")}, since=0.0, resumed=True) as yard:
        assert yard.clock.pending() == [yard.begun + 2.5, yard.begun + 2.5]


async def test_what_follows_a_resumed_startup_begins_at_once() -> None:
    """It is spread already."""
    async with watched({"startup": http("/up"), "readiness": http("/ready")}, since=0.0, resumed=True) as yard:
        await yard.clock.run(2.5)
        assert yard.asked() == ["/up", "/ready"]


async def test_liveness_waits_for_the_grace_period() -> None:
    """Readiness does not."""
    async with watched({"readiness": http("/ready"), "liveness": http("/live")}, grace=7.0) as yard:
        assert yard.clock.pending() == [yard.begun, yard.begun + 7.0]


async def test_a_period_lasts_from_question_to_question_and_missed_ones_are_skipped() -> None:
    """An answer that takes 25 s leaves out the questions at 10 and 20; the next one comes at 30."""
    async with watched({"readiness": http("/ready")}) as yard:
        yard.prober.gate = asyncio.Event()
        await yard.clock.run(25.0)
        assert yard.asked() == ["/ready"]
        yard.prober.gate.set()
        await settle()
        assert yard.clock.pending() == [yard.begun + 30.0]


async def test_a_period_of_zero_does_not_spin() -> None:
    """Time still passes between two questions."""
    async with watched({"readiness": http("/ready", period=Duration(0.0))}) as yard:
        await yard.clock.run()
        assert yard.clock.pending() == [yard.begun + 0.01]


# --- in which order -------------------------------------------------------------------------------------------------


async def test_the_others_wait_until_startup_has_passed_which_is_then_never_asked_again() -> None:
    """Startup fails twice without a verdict, passes, and makes way."""
    probes: dict[ProbeRole, ProbeSpec] = {
        "startup": http("/up", failures=3, period=Duration(1.0)),
        "readiness": http("/ready"),
        "liveness": http("/live"),
    }
    async with watched(probes) as yard:
        yard.prober.answers = [BAD, BAD]
        await yard.clock.run(1.5)
        assert yard.asked() == ["/up", "/up"]
        await yard.clock.run(5.0)
        assert yard.asked() == ["/up", "/up", "/up", "/ready", "/live"]
        assert yard.told == [Probed(1, "startup", True), Probed(1, "readiness", True)]


async def test_a_startup_passed_before_is_not_asked_again() -> None:
    """A master that wakes up beside a worker that was ready believes it."""
    async with watched({"startup": http("/up"), "readiness": http("/ready")}, started=True) as yard:
        await yard.clock.run()
        assert yard.asked() == ["/ready"]


async def test_a_failed_startup_is_told_once_and_ends_the_probing() -> None:
    """Nothing more can be learnt of this attempt."""
    async with watched({"startup": http("/up", failures=2), "liveness": http("/live")}) as yard:
        yard.prober.answer = BAD
        await yard.clock.run(100.0)
        assert yard.told == [Probed(1, "startup", False, "no")]
        assert yard.asked() == ["/up", "/up"]
        assert yard.clock.pending() == []


async def test_a_failed_liveness_is_told_once_while_readiness_goes_on() -> None:
    """Until the lifecycle stops both."""
    async with watched({"liveness": http("/live", failures=2), "readiness": http("/ready")}) as yard:
        yard.prober.answers = [OK, OK, OK, BAD, OK, BAD]
        await yard.clock.run(40.0)
        assert yard.told == [Probed(1, "readiness", True), Probed(1, "liveness", False, "no")]
        assert yard.asked().count("/live") == 3


async def test_readiness_comes_and_goes() -> None:
    """Each change is told, with its reason when it failed."""
    async with watched({"readiness": http("/ready", failures=2)}) as yard:
        yard.prober.answers = [OK, BAD, OK, BAD, BAD, BAD, OK]
        await yard.clock.run(60.0)
        changes = [(event.passed, event.reason) for event in yard.told]
        assert changes == [(True, ""), (False, "no"), (True, "")]


# --- the end --------------------------------------------------------------------------------------------------------


async def test_a_question_under_way_is_cancelled_by_the_stop() -> None:
    """And nothing is told or asked any more."""
    async with watched({"readiness": http("/ready")}) as yard:
        yard.prober.gate = asyncio.Event()
        await yard.clock.run()
        await yard.probing.aclose()
        assert yard.prober.cancelled == 1
        yard.prober.gate.set()
        await yard.clock.run(100.0)
        assert (yard.told, yard.asked(), yard.clock.pending()) == ([], ["/ready"], [])


async def test_an_answer_that_came_just_before_the_stop_is_not_told() -> None:
    """The task has its answer, but has not run yet."""
    async with watched({"readiness": http("/ready")}) as yard:
        yard.prober.gate = asyncio.Event()
        await yard.clock.run()
        yard.prober.gate.set()
        yard.probing.stop()
        await settle()
        assert (yard.told, yard.clock.pending()) == ([], [])


async def test_whoever_is_told_may_stop_the_probing_on_the_spot() -> None:
    """What a passed startup would begin is stopped with the rest."""
    yard = Yard({"startup": http("/up"), "readiness": http("/ready")})
    told = []

    def stop(event: Probed) -> None:
        told.append(event)
        probing.stop()

    probing = Probing(
        yard.spec, 1, Handle("fake", 1, {}), yard.provider, yard.prober, yard.clock, lambda: 0.0, stop,
        execs=asyncio.Semaphore(1),
    )  # fmt: skip
    probing.start()
    await yard.clock.run(100.0)
    assert (told, yard.asked(), yard.clock.pending()) == ([Probed(1, "startup", True)], ["/up"], [])


# --- by what means --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(3, "\n  disk full  \nmore\n"), "check ended with exit code 3: disk full"),
        (Answer(1, ""), "check ended with exit code 1"),
        (Answer(None, "", timed_out=True), "check did not end within 2s"),
        (Answer(None, ""), "check was killed"),
        (Rejected("no_command", "no such command: check"), "no such command: check"),
    ],
)
async def test_a_command_fails_with_its_exit_code_and_first_line(answer: Answer | Rejected, reason: str) -> None:
    """In words that need no log beside them."""
    probe = ProbeSpec(means="exec", command=("check",), timeout=Duration(2.0), failures=1)
    async with watched({"readiness": probe}) as yard:
        yard.provider.answers["check",] = answer
        await yard.clock.run()
        assert yard.told == [Probed(1, "readiness", False, reason)]


async def test_commands_wait_for_a_free_place() -> None:
    """One at a time here, whatever the number of probes."""
    probes: dict[ProbeRole, ProbeSpec] = {
        "readiness": ProbeSpec(means="exec", command=("a",)),
        "liveness": ProbeSpec(means="exec", command=("b",)),
    }
    async with watched(probes, execs=asyncio.Semaphore(1)) as yard:
        gate = yard.provider.gates["exec"] = asyncio.Event()
        await yard.clock.run()
        assert yard.provider.called("exec") == [("web", ("a",))]
        gate.set()
        await settle()
        assert yard.provider.called("exec") == [("web", ("a",)), ("web", ("b",))]


async def test_a_process_probe_passes_while_the_attempt_runs() -> None:
    """And fails when it has ended."""
    async with watched({"liveness": ProbeSpec(means="process", failures=1)}) as yard:
        await yard.clock.run()
        yard.provider.exit("web", Exit(code=0))
        await yard.clock.run(10.0)
        assert yard.told == [Probed(1, "liveness", False, "the process is ended")]


@pytest.mark.parametrize("error", [Unavailable("away", "the launcher restarts"), None])
async def test_what_the_worker_is_not_to_blame_for_counts_neither_way(error: Unavailable | None) -> None:
    """An unreachable provider, or a bug of ours, is no failed probe; it is asked again a period later."""
    async with watched({"liveness": ProbeSpec(means="exec", command=("check",), failures=1)}) as yard:
        yard.provider.answers["check",] = error or "no answer at all"  # type: ignore[assignment]
        await yard.clock.run(10.0)
        assert yard.told == []
        assert len(yard.provider.called("exec")) == 2
        yard.provider.answers["check",] = Answer(1, "")
        await yard.clock.run(10.0)
        assert yard.told == [Probed(1, "liveness", False, "check ended with exit code 1")]


async def test_a_probe_without_address_fails_and_says_why() -> None:
    """It can't be asked, but whoever wrote it should learn of it."""
    async with watched({"readiness": http("/ready", endpoint="nowhere")}) as yard:
        await yard.clock.run()
        reason = "the probe has no address: the worker has no endpoint 'nowhere'"
        assert yard.told == [Probed(1, "readiness", False, reason)]


ENDPOINTS = {
    "raw": Endpoint(port=7000, host="0.0.0.0"),
    "api": Endpoint(protocol="http", path="/v1/"),
    "tls": Endpoint(protocol="https", port=443, host="::"),
}


@pytest.mark.parametrize(
    ("target", "endpoint", "url"),
    [
        ("/health", "", "http://127.0.0.1:20001/health"),
        ("health", "", "http://127.0.0.1:20001/v1/health"),
        ("", "", "http://127.0.0.1:20001/v1/"),
        ("/health?deep=1", "tls", "https://[::1]:443/health?deep=1"),
        ("/health", "raw", "http://127.0.0.1:7000/health"),
        ("https://example.org/up", "raw", "https://example.org/up"),
    ],
)
def test_a_relative_target_resolves_against_its_endpoint(target: str, endpoint: str, url: str) -> None:
    """Without a name, the first http endpoint; the port is the one it got at launch."""
    probe = ProbeSpec(means="http", target=target, endpoint=endpoint)
    assert http_address(ENDPOINTS, {"api": 20001}, probe) == url


def test_a_path_may_be_asked_of_the_only_endpoint_though_it_does_not_say_http() -> None:
    """`tcp` is what an endpoint is when nothing was said."""
    probe = ProbeSpec(means="http", target="/health")
    assert http_address({"main": Endpoint(port=81)}, {}, probe) == "http://127.0.0.1:81/health"


@pytest.mark.parametrize(
    ("target", "endpoint", "address"),
    [
        ("api", "", ("127.0.0.1", 20001)),
        ("", "tls", ("::1", 443)),
        ("", "", ("127.0.0.1", 7000)),
        ("8080", "", ("127.0.0.1", 8080)),
        ("db.example.org:5432", "", ("db.example.org", 5432)),
        ("[::1]:80", "", ("::1", 80)),
    ],
)
def test_a_tcp_target_is_an_endpoint_an_address_or_a_port(target: str, endpoint: str, address: tuple[str, int]) -> None:
    """Without any, the first endpoint."""
    assert tcp_address(ENDPOINTS, {"api": 20001}, ProbeSpec(means="tcp", target=target, endpoint=endpoint)) == address


def test_an_address_nobody_knows_is_invalid() -> None:
    """Neither an endpoint nor a port."""
    with pytest.raises(Invalid, match="the worker has no endpoint 'nobody'"):
        tcp_address(ENDPOINTS, {}, ProbeSpec(means="tcp", target="nobody"))
