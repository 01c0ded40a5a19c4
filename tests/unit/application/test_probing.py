"""The probes of one attempt, on a clock that stands still between two questions."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from beeyard.application.heard import Heard
from beeyard.application.probing import Probing, http_address, tcp_address
from beeyard.application.probing import given as granted
from beeyard.application.views import ProbeView
from beeyard.domain.errors import Invalid, Rejected, Unavailable
from beeyard.domain.messages import Exit, Handle, Probed
from beeyard.domain.pressure import CALM, MOST, Strain
from beeyard.domain.spec import Endpoint, ProbeRole, ProbeSpec, RestartPolicy, WorkerSpec
from beeyard.domain.values import Duration, WorkerId
from beeyard.ports.prober import Result
from beeyard.ports.provider import Answer
from tests.fakes.clock import FakeClock, settle
from tests.fakes.logs import FakeLogs
from tests.fakes.prober import FakeProber
from tests.fakes.provider import FakeProvider

OK, BAD = Result(True), Result(False, "no")
HANDLE = Handle("fake", 1, {})


class Yard:
    """One attempt of `web` on port 80, its probes, and what they told."""

    def __init__(
        self, probes: dict[ProbeRole, ProbeSpec], *, grace: float = 0.0, roll: float = 0.0, handle: Handle = HANDLE,
        **more: Any,
    ) -> None:  # fmt: skip
        self.clock, self.prober, self.provider = FakeClock(), FakeProber(), FakeProvider()
        self.logs = FakeLogs()
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
        more.setdefault("strain", lambda: CALM)
        began = self.clock.now().wall
        self.probing = Probing(
            self.spec, 1, handle, self.provider, self.prober, self.clock, lambda: roll, self.told.append,
            listen=lambda probe, tell: Heard("web", probe, self.logs, handle, began, tell), **more,
        )  # fmt: skip

    def costs(self) -> dict[str, ProbeView]:
        """What each probe has cost so far."""
        return self.probing.views()

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


def _deaf(probe: ProbeSpec, tell: Callable[[], None]) -> Heard:
    """There is no log probe here."""
    raise AssertionError(probe)


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
    async with watched(
        {"readiness": http("/ready"), "liveness": http("/live")}, since=0.0, resumed=True, roll=0.25
    ) as yard:
        assert yard.clock.pending() == [yard.begun + 2.5, yard.begun + 2.5]


async def test_what_follows_a_resumed_startup_begins_at_once() -> None:
    """It is spread already."""
    async with watched(
        {"startup": http("/up"), "readiness": http("/ready")}, since=0.0, resumed=True, roll=0.25
    ) as yard:
        await yard.clock.run(2.5)
        assert yard.asked() == ["/up", "/ready"]


async def test_liveness_waits_for_the_grace_period() -> None:
    """Readiness does not."""
    async with watched({"readiness": http("/ready"), "liveness": http("/live")}, grace=7.0) as yard:
        assert yard.clock.pending() == [yard.begun, yard.begun + 7.0]


async def test_a_period_lasts_from_question_to_question_and_one_missed_is_made_up_for() -> None:
    """After an answer that took 25 s the next question comes at once, and then one at 30, as if nothing had been."""
    async with watched({"readiness": http("/ready")}) as yard:
        yard.prober.gate = asyncio.Event()
        await yard.clock.run(25.0)
        assert yard.asked() == ["/ready"]
        yard.prober.gate.set()
        await yard.clock.run()
        assert yard.asked() == ["/ready"] * 2
        assert yard.clock.pending() == [yard.begun + 30.0]


async def test_questions_that_time_out_after_a_period_are_asked_each_period() -> None:
    """Three of them are three periods, so that a hung worker does not live longer than that."""
    async with watched({"liveness": http("/live", period=Duration(1.0), failures=3)}) as yard:
        yard.prober.answer = BAD
        for _ in range(3):
            gate = yard.prober.gate = asyncio.Event()
            await yard.clock.run(1.0)
            gate.set()
            await settle()
        assert yard.told == [Probed(1, "liveness", False, "no")]


async def test_a_period_of_zero_does_not_spin() -> None:
    """Time still passes between two questions."""
    async with watched({"readiness": http("/ready", period=Duration(0.0))}) as yard:
        await yard.clock.run()
        assert yard.clock.pending() == [yard.begun + 0.01]


async def test_first_questions_are_spread_over_a_period_of_a_second_at_most() -> None:
    """Who waits for a worker waits for its first question as well; a short period needs no more than itself."""
    probes: dict[ProbeRole, ProbeSpec] = {"readiness": http("/ready"), "liveness": http("/live", period=Duration(0.1))}
    async with watched(probes, roll=0.5) as yard:
        assert yard.clock.pending() == [yard.begun + 4 / 64, yard.begun + 0.5]


async def test_a_thousand_workers_started_together_are_not_asked_together() -> None:
    """Some sixteen at a time, at all of the sixty-four moments of the first second."""
    rolls = random.Random(7)
    moments: Counter[float] = Counter()
    for _ in range(1000):
        async with watched({"readiness": http("/ready")}, roll=rolls.random()) as yard:
            moments.update(at - yard.begun for at in yard.clock.pending())
    assert sorted(moments) == [number / 64 for number in range(1, 65)]
    assert max(moments.values()) < 40


async def test_a_period_of_a_tenth_of_a_second_is_kept() -> None:
    """Ten questions a second, and three failures in a row are enough."""
    async with watched({"liveness": http("/live", period=Duration(0.1), failures=3)}) as yard:
        await yard.clock.run(0.95)
        assert yard.asked() == ["/live"] * 10
        yard.prober.answer = BAD
        await yard.clock.run(0.2)
        assert yard.told == []
        await yard.clock.run(0.1)
        assert yard.told == [Probed(1, "liveness", False, "no")]


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 4), st.integers(1, 4))
async def test_only_equal_results_in_a_row_change_a_verdict(answers: list[bool], failures: int, successes: int) -> None:
    """Against the plainest reading of the rule: look back at the last so many."""
    expected: list[bool] = []
    for at in range(len(answers)):
        for passed, needed in ((True, successes), (False, failures)):
            same = at + 1 >= needed and set(answers[at + 1 - needed : at + 1]) == {passed}
            if same and expected[-1:] != [passed]:
                expected.append(passed)
    async with watched({"readiness": http("/ready", failures=failures, successes=successes)}) as yard:
        yard.prober.answers = [OK if answer else BAD for answer in answers]
        if answers:
            await yard.clock.run(10.0 * (len(answers) - 1))
        assert [event.passed for event in yard.told] == expected


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
        yard.spec, 1, HANDLE, yard.provider, yard.prober, yard.clock, lambda: 0.0, stop,
        listen=_deaf, strain=lambda: CALM, execs=asyncio.Semaphore(1),
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


async def test_what_a_command_took_and_how_long_it_waited_are_told_apart() -> None:
    """The second one stands in line for the two seconds that the first one takes, and takes two of its own."""
    probes: dict[ProbeRole, ProbeSpec] = {
        "readiness": ProbeSpec(means="exec", command=("a",)),
        "liveness": ProbeSpec(means="exec", command=("b",)),
    }
    async with watched(probes, execs=asyncio.Semaphore(1)) as yard:
        gate = yard.provider.gates["exec"] = asyncio.Event()
        for _ in range(2):
            await yard.clock.run(2.0)
            done, gate = gate, asyncio.Event()
            yard.provider.gates["exec"] = gate
            done.set()
            await settle()
        costs = {role: (view.took, view.waited, view.took_mean, view.asked) for role, view in yard.costs().items()}
        assert costs == {"readiness": (2.0, 0.0, 2.0, 1), "liveness": (2.0, 2.0, 2.0, 1)}


async def test_a_command_that_takes_most_of_its_period_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """Not at the first slow ones, for a start is slow; and not again."""
    probe = ProbeSpec(means="exec", command=("check",), period=Duration(1.0))
    async with watched({"readiness": probe}) as yard:
        gate = yard.provider.gates["exec"] = asyncio.Event()
        for number in range(8):
            await yard.clock.run(0.6)
            done, gate = gate, asyncio.Event()
            yard.provider.gates["exec"] = gate
            done.set()
            await yard.clock.run(0.4)
            assert len(caplog.messages) == (number >= 3)
        assert caplog.messages == [
            "the readiness probe of web takes 600ms of its period of 1s, 0ms of it waiting for its turn: give it a "
            "longer one"
        ]


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


# --- by what it wrote -----------------------------------------------------------------------------------------------


def log(pattern: str, **fields: Any) -> ProbeSpec:
    """A probe that waits for a line, and believes in silence after three periods of ten seconds."""
    return ProbeSpec(means="log", target=pattern, **fields)


async def test_a_log_probe_passes_at_once_when_its_line_is_written() -> None:
    """Whatever the period, and on whichever stream; then nobody listens any more."""
    async with watched({"readiness": log("ready in [0-9]+ms")}) as yard:
        await yard.clock.run()
        yard.logs.write("web", "ready in a moment", 1.0)
        await settle()
        assert yard.told == []
        yard.logs.write("web", "I am ready in 12ms now", 1.0, "stderr")
        await settle()
        assert yard.told == [Probed(1, "readiness", True)]
        assert (yard.logs.following, yard.clock.pending()) == (0, [])


async def test_a_log_probe_may_look_at_one_stream_only() -> None:
    """What is said on the other one does not count."""
    async with watched({"readiness": log("ready", stream="stderr")}) as yard:
        await yard.clock.run()
        yard.logs.write("web", "ready", 1.0, "stdout")
        await settle()
        assert yard.told == []
        yard.logs.write("web", "ready", 1.0, "stderr")
        await settle()
        assert yard.told == [Probed(1, "readiness", True)]


async def test_silence_for_so_many_periods_is_a_failed_startup() -> None:
    """After `failures` periods, and not one less."""
    async with watched({"startup": log("ready", period=Duration(1.0), failures=5)}) as yard:
        await yard.clock.run(4.9)
        assert yard.told == []
        await yard.clock.run(0.1)
        assert yard.told == [Probed(1, "startup", False, "it wrote no line with 'ready'")]
        assert (yard.logs.following, yard.clock.pending()) == (0, [])


async def test_what_follows_a_startup_that_was_heard_begins_at_once() -> None:
    """The line opens the way for the questions."""
    async with watched({"startup": log("ready"), "readiness": http("/ready")}) as yard:
        await yard.clock.run()
        assert yard.asked() == []
        yard.logs.write("web", "ready", 1.0)
        await yard.clock.run()
        assert yard.told == [Probed(1, "startup", True), Probed(1, "readiness", True)]


async def test_lines_from_before_the_attempt_never_count() -> None:
    """Those behind the place that was noted before its launch do, though nobody listened when they were written."""
    yard = Yard({"readiness": log("ready")}, handle=replace(HANDLE, output="end:1"))
    yard.logs.write("web", "ready", None)
    yard.probing.start()
    await yard.clock.run()
    assert yard.told == []
    yard.logs.write("web", "ready", None)
    await settle()
    assert yard.told == [Probed(1, "readiness", True)]
    await yard.probing.aclose()


@pytest.mark.parametrize(("early", "told"), [(0.01, []), (0.0, [Probed(1, "readiness", True)])])
async def test_where_no_place_was_noted_the_time_decides(early: float, told: list[Probed]) -> None:
    """A probe that came later than its worker looks at lines from after the worker's start."""
    yard = Yard({"readiness": log("ready")})
    yard.logs.write("web", "ready", yard.clock.now().wall - early)
    yard.probing.start()
    await yard.clock.run()
    assert yard.told == told
    await yard.probing.aclose()


async def test_a_readiness_that_was_heard_before_the_master_woke_up_is_not_waited_for_again() -> None:
    """The line may be gone by now."""
    async with watched({"readiness": log("ready")}, since=0.0, resumed=True, ready=True) as yard:
        await yard.clock.run(100.0)
        assert (yard.told, yard.clock.pending(), yard.logs.following) == ([], [], 0)


async def test_the_end_of_the_probing_is_the_end_of_listening() -> None:
    """An attempt that is over leaves no follower behind."""
    yard = Yard({"startup": log("ready")})
    yard.probing.start()
    await yard.clock.run()
    assert yard.logs.following == 1
    await yard.probing.aclose()
    assert yard.logs.following == 0


# --- by hand --------------------------------------------------------------------------------------------------------


async def test_a_question_by_hand_counts_like_any_other_and_the_period_goes_on_from_it() -> None:
    """The second failure in a row is one, whoever asked for it."""
    async with watched({"liveness": http("/live", failures=2)}) as yard:
        yard.prober.answer = BAD
        await yard.clock.run(4.0)
        answer = await yard.probing.ask("liveness")
        assert (answer.ok, answer.reason, answer.counted) == (False, "no", True)
        assert yard.told == [Probed(1, "liveness", False, "no")]


async def test_a_question_by_hand_moves_the_next_one() -> None:
    """A period later, not sooner."""
    async with watched({"readiness": http("/ready")}) as yard:
        await yard.clock.run(4.0)
        await yard.probing.ask("readiness")
        assert yard.clock.pending() == [yard.begun + 14.0]


async def test_a_question_by_hand_joins_the_one_under_way() -> None:
    """No probe is asked twice at a time."""
    async with watched({"readiness": http("/ready")}) as yard:
        yard.prober.gate = asyncio.Event()
        await yard.clock.run()
        asking = asyncio.ensure_future(yard.probing.ask("readiness"))
        await settle()
        yard.prober.gate.set()
        assert (await asking).ok
        assert yard.asked() == ["/ready"]


async def test_a_question_before_the_initial_delay_is_over_is_answered_and_not_counted() -> None:
    """Who looks early does no harm by it, and the first one that counts comes when it would have."""
    async with watched({"liveness": http("/live", failures=1, initial_delay=Duration(5.0))}) as yard:
        yard.prober.answer = BAD
        answer = await yard.probing.ask("liveness")
        assert (answer.ok, answer.counted, yard.told) == (False, False, [])
        await yard.clock.run(10.0)
        assert yard.told == [Probed(1, "liveness", False, "no")]


async def test_what_is_not_asked_by_itself_is_not_asked_by_hand() -> None:
    """Readiness waits for startup; and startup, once passed, is over."""
    async with watched({"startup": http("/up"), "readiness": http("/ready")}) as yard:
        early = await yard.probing.ask("readiness")
        assert (early.ok, early.reason) == (None, "it waits until the startup probe has passed")
        await yard.clock.run()
        over = await yard.probing.ask("startup")
        assert (over.ok, over.reason, over.counted) == (True, "it is not asked any more", False)


# --- addresses ------------------------------------------------------------------------------------------------------

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


# --- on a starving host ---------------------------------------------------------------------------------------------

STRAINED = Strain(2.5, "host under pressure: cpu 90 %")


async def test_a_question_may_take_longer_while_the_host_is_under_pressure() -> None:
    """It is looked at for each question, and the view says why there was more time."""
    strain = STRAINED
    async with watched({"readiness": http("/ready")}, strain=lambda: strain) as yard:
        await yard.clock.run(1.0)
        view = yard.costs()["readiness"]
        assert (view.timeout, view.strain) == (2.5, "host under pressure: cpu 90 %")
        strain = CALM
        await yard.clock.run(10.0)
        view = yard.costs()["readiness"]
        assert (view.timeout, view.strain) == (1.0, "")
        assert yard.prober.times == [2.5, 1.0]


async def test_a_command_may_take_longer_as_well() -> None:
    """The provider ends it only then."""
    probe = ProbeSpec(means="exec", command=("check",), timeout=Duration(3.0))
    async with watched({"readiness": probe}, strain=lambda: STRAINED) as yard:
        yard.provider.answers["check",] = Answer(None, "", timed_out=True)
        await yard.clock.run(1.0)
        assert yard.costs()["readiness"].said == "check did not end within 7.5s"


@pytest.mark.parametrize(
    ("took", "reason"),
    [(2.5, "no, 1s as a rule (host under pressure: cpu 90 %)"), (0.5, "no")],
    ids=["all the time it had", "no longer than ever"],
)
async def test_a_failure_says_that_there_was_more_time(took: float, reason: str) -> None:
    """Where more time was no help; a refusal at once has nothing to do with it."""
    async with watched({"readiness": http("/ready")}, strain=lambda: STRAINED) as yard:
        yard.prober.gate, yard.prober.answer = asyncio.Event(), BAD
        await yard.clock.run(took)
        yard.prober.gate.set()
        await yard.clock.run()
        assert yard.costs()["readiness"].said == reason


@given(st.floats(0.001, 100.0), st.floats(0.001, 100.0), st.floats(1.0, MOST))
def test_a_hung_worker_is_found_out_within_two_periods_a_failure(timeout: float, period: float, factor: float) -> None:
    """Never less time than was written, never more than two periods unless that was written, all of it on a calm host
    as written."""
    probe = ProbeSpec("tcp", timeout=Duration(timeout), period=Duration(period))
    time = granted(probe, Strain(factor, "some"))
    assert timeout <= time <= max(timeout, min(2 * period, MOST * timeout))
    assert granted(probe, CALM) == timeout
