"""How long a worker lives: its greatest age, its idle time, and how long it is remembered when it is done."""

from msgspec.structs import replace

from beeyard.domain.lifecycle import FORGET_AGAIN, gave_up, resume, step
from beeyard.domain.lifetime import Lifetime, Quiet, spent, still, term
from beeyard.domain.messages import (
    Asked,
    CancelTimer,
    Destroy,
    Exit,
    Exited,
    Fired,
    Forget,
    Handle,
    HostRestarted,
    Launched,
    Now,
    Prepare,
    Prepared,
    Respecified,
    Rested,
    SetTimer,
    Terminate,
    Unwatch,
)
from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import Backoff, ProbeSpec, RestartPolicy, RestartWhen, StopStep, WorkerSpec, check
from beeyard.domain.values import Duration, WorkerId
from beeyard.domain.worker import Cause, Down, Preparing, Running, Stopping, Worker, new

HOUR = 3600.0
AGING = Lifetime(max=Duration(24 * HOUR), idle=Duration(0.5 * HOUR), after=Duration(600.0))


def spec(lifetime: Lifetime = AGING, policy: RestartWhen = "on-failure", jitter: float = 0.0) -> WorkerSpec:
    """A worker that lives so long."""
    restart = RestartPolicy(policy=policy, backoff=Backoff(delay=Duration(1.0)), jitter=jitter)
    return WorkerSpec(id=WorkerId("web"), provider="process", run={}, restart=restart, lifetime=lifetime)


def at(seconds: float) -> Now:
    """A moment, so many seconds after the start of the test."""
    return Now(seconds, 1000.0 + seconds)


def launched(worker: Worker, seconds: float) -> Worker:
    """The same with its next attempt, which runs since then."""
    worker, _ = step(worker, Prepared(), at(seconds))
    return step(worker, Launched(worker.attempt, Handle("process", 1, {})), at(seconds))[0]


def running(subject: WorkerSpec) -> Worker:
    """A worker whose first attempt runs since second 10."""
    return launched(step(new(subject), Respecified(subject), at(0))[0], 10)


def old(subject: WorkerSpec) -> Worker:
    """One whose first attempt is being stopped for its age."""
    worker = running(subject)
    return step(worker, Fired("lifetime", worker.serial), at(10 + 24 * HOUR))[0]


def quiet(seconds: float, begin: float = 10.0) -> Rested:
    """The first attempt did nothing for so long."""
    return Rested(1, Quiet(begin, begin + seconds, 0.0))


def test_an_attempt_of_its_greatest_age_is_stopped_as_its_spec_says() -> None:
    """A timer from its start; then the usual stop sequence, with the reason."""
    worker = running(spec())
    assert resume(worker, at(10)) == [SetTimer("lifetime", 10 + 24 * HOUR, worker.serial)]
    worker, effects = step(worker, Fired("lifetime", worker.serial), at(10 + 24 * HOUR))
    assert isinstance(worker.phase, Stopping)
    assert worker.phase.cause == Cause("lifetime", "it had run for 1d; its max lifetime is 1d")
    assert effects == [
        Unwatch(),
        Terminate(1, StopStep(), 1),
        SetTimer("stop", 10 + 24 * HOUR + 20, worker.serial),
    ]


def test_it_starts_anew_at_once_and_nothing_counts() -> None:
    """No delay, no failure, and no trial that failed, however it ended; the decision says so."""
    worker, effects = step(replace(old(spec()), failures=(5.0,)), Exited(1, Exit(signal=15)), at(25 * HOUR))
    assert isinstance(worker.phase, Preparing)
    assert effects[-1] == Prepare()
    assert (worker.failures, worker.restarts) == ((5.0,), 0)
    assert worker.death is not None
    assert worker.death.decision == "started anew at once, outside the budget"
    assert resume(launched(worker, 26 * HOUR), at(26 * HOUR))[-1] == SetTimer("lifetime", 50 * HOUR, worker.serial + 1)


def test_where_nothing_may_follow_an_end_it_stays_down_and_is_done() -> None:
    """The policy `never` holds for this end too; it has not failed, and is forgotten in time."""
    worker, effects = step(old(spec(policy="never")), Exited(1, Exit(signal=15)), at(25 * HOUR))
    assert worker.phase == Down(1, "stays down: restart policy is never", 25 * HOUR)
    assert not worker.wanted.up
    assert not gave_up(worker)
    assert effects[-1] == SetTimer("forget", 25 * HOUR + 600, worker.serial)


def test_a_stop_that_is_asked_for_meanwhile_holds() -> None:
    """Who wants it down gets it down."""
    worker, _ = step(old(spec()), Asked("down"), at(24 * HOUR + 11))
    worker, _ = step(worker, Exited(1, Exit(code=0)), at(24 * HOUR + 12))
    assert worker.phase == Down(1, "stays down, as asked")


def test_jitter_ends_a_group_one_by_one_and_none_later() -> None:
    """Spread over the share that the policy names, always below the bound, and the same however often it is asked."""
    terms = [term(Duration(100.0), 0.2, f"web.{number}", 1) for number in range(100)]
    assert 80 <= min(terms) < 84
    assert 96 < max(terms) <= 100
    assert len(set(terms)) == 100
    assert terms[0] != term(Duration(100.0), 0.2, "web.0", 2)
    assert terms[0] == term(Duration(100.0), 0.2, "web.0", 1)
    assert spent(Duration(100.0), 90.0) == "it had run for 1m 30s; its max lifetime is 1m 40s, less jitter"


def test_a_reload_moves_the_end_of_the_attempt_that_runs() -> None:
    """At once, and without another attempt; taken back, there is no end any more."""
    worker, effects = step(running(spec()), Respecified(spec(Lifetime(max=Duration(60.0)))), at(100))
    assert isinstance(worker.phase, Running)
    assert effects == [SetTimer("lifetime", 70, worker.serial)]
    worker, effects = step(worker, Respecified(spec(Lifetime())), at(100))
    assert effects == [CancelTimer()]
    assert step(worker, Fired("lifetime", worker.serial - 1), at(100)) == (worker, [])


def test_one_that_did_nothing_for_long_enough_is_stopped_and_stays_so() -> None:
    """Until somebody starts it, over reloads as well; then it counts anew."""
    worker, effects = step(running(spec()), quiet(HOUR / 4), at(1000))
    assert isinstance(worker.phase, Running)
    assert effects == []
    worker, effects = step(worker, quiet(HOUR / 2), at(2000))
    assert isinstance(worker.phase, Stopping)
    reason = "it was idle for 30m (under 1 % of a core, and it said nothing)"
    assert worker.phase.cause == Cause("idle", reason)
    worker, _ = step(worker, Exited(1, Exit(signal=15)), at(2001))
    assert worker.phase == Down(1, "stays down until it is asked for")
    worker, _ = step(worker, Respecified(replace(spec(), exit_on="failure")), at(2002))
    assert isinstance(worker.phase, Down)
    worker = launched(step(worker, Asked("up"), at(2003))[0], 2004)
    assert isinstance(worker.phase, Running)
    assert worker.phase.quiet is None


def test_without_an_idle_time_nothing_is_too_long() -> None:
    """What was seen before a reload took it away ends nobody."""
    worker, effects = step(running(spec(Lifetime())), quiet(HOUR), at(5000))
    assert isinstance(worker.phase, Running)
    assert effects == []


def test_who_uses_a_hundredth_of_a_core_or_says_something_is_not_idle() -> None:
    """Between each two looks; a counter that went back tells nothing, and counts as work."""
    before = Quiet(0.0, 100.0, 5.0)
    assert still(before, 110.0, 5.0999, -1.0) == Quiet(0.0, 110.0, 5.0999)
    assert still(before, 110.0, 5.125, -1.0) == Quiet(110.0, 110.0, 5.125)
    assert still(before, 110.0, 1.0, -1.0) == Quiet(110.0, 110.0, 1.0)
    assert still(before, 110.0, 5.0, 104.0) == Quiet(104.0, 110.0, 5.0)
    assert still(before, 100.0, 5.0, -1.0) == before


def test_one_that_is_done_is_forgotten_after_its_time_and_again_until_it_is_gone() -> None:
    """From its end on; the order is repeated, for it is not carried out while the worker is needed."""
    worker, effects = step(running(spec()), Exited(1, Exit(code=0)), at(100))
    assert effects[-1] == SetTimer("forget", 700, worker.serial)
    assert resume(worker, at(200)) == [SetTimer("forget", 700, worker.serial)]
    worker, effects = step(worker, Fired("forget", worker.serial), at(700))
    assert effects == [Forget(), SetTimer("forget", 700 + FORGET_AGAIN, worker.serial)]


def test_one_that_is_started_in_time_is_not_forgotten() -> None:
    """Its timer goes with the end of its rest, and one that was due already means nothing."""
    worker, _ = step(running(spec()), Exited(1, Exit(code=0)), at(100))
    due = Fired("forget", worker.serial)
    worker, effects = step(worker, Asked("up"), at(699))
    assert effects == [CancelTimer(), Prepare()]
    assert step(worker, due, at(700)) == (worker, [])
    assert step(launched(worker, 700), due, at(700))[1] == []


def test_only_what_is_done_is_forgotten() -> None:
    """Neither who was stopped, nor who is to come back, nor who did nothing."""
    worker, _ = step(running(spec()), Asked("down"), at(20))
    assert step(worker, Exited(1, Exit(code=0)), at(21))[1][0] == CancelTimer()
    assert SetTimer("forget", 621, 3) not in step(worker, Exited(1, Exit(code=0)), at(21))[1]
    for event in (quiet(HOUR), Asked("down")):
        worker, _ = step(step(running(spec()), event, at(5000))[0], Exited(1, Exit(code=0)), at(5001))
        assert isinstance(worker.phase, Down)
        assert resume(worker, at(5001)) == []


def test_a_reload_says_anew_how_long_it_is_remembered() -> None:
    """Counted from its end, for one that has ended already."""
    worker, _ = step(running(spec(Lifetime())), Exited(1, Exit(code=0)), at(100))
    worker, effects = step(worker, Respecified(spec()), at(5000))
    assert isinstance(worker.phase, Down)
    assert effects == [SetTimer("forget", 700, worker.serial)]


def test_a_reboot_takes_no_time_from_one_that_is_remembered() -> None:
    """What one clock forgot, the other tells: ten minutes after its end, whenever the host came back."""
    worker, _ = step(old(spec(policy="never")), Exited(1, Exit(signal=15)), Now(25 * HOUR, 7000.0))
    worker, effects = step(worker, HostRestarted(), Now(3.0, 7400.0))
    assert effects == [SetTimer("forget", 203.0, worker.serial)]


def test_an_end_by_itself_takes_the_timer_along() -> None:
    """What comes next has a timer of its own, or none: the old one, due at that moment, opens no breaker."""
    worker = running(spec())
    due = Fired("lifetime", worker.serial)
    worker, effects = step(worker, Exited(1, Exit(code=3)), at(100))
    assert effects[:3] == [Unwatch(), Destroy(1, "process"), CancelTimer()]
    assert step(worker, due, at(100)) == (worker, [])


def test_a_greatest_age_that_a_start_may_reach_is_refused() -> None:
    """By the startup probe or the module's own time, less the jitter; the text says how long the start may take."""
    short = spec(Lifetime(max=Duration(31.0)), jitter=0.1)
    probe = ProbeSpec("tcp", period=Duration(1.0), initial_delay=Duration(5.0), failures=25)
    assert check(short) == []
    assert [str(found) for found in check(replace(short, probes={"startup": probe}))] == [
        "lifetime.max: found 31s, expected more than 30s, which its start may take (less 10 % jitter)"
    ]
    assert len(check(replace(short, module=ModuleSpec("greeter")))) == 1
    assert check(spec(Lifetime(max=Duration(31.0)))) == []
