"""The worker state machine: its table, its paths by example, and what holds on every path."""

import typing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from beeyard.domain import aging, lifecycle, messages, worker
from beeyard.domain.lifecycle import KILL_AGAIN, PHASES, TRANSITIONS, ignore, resume, step
from beeyard.domain.lifetime import Lifetime, Quiet
from beeyard.domain.limits import ENDINGS, Ending, Limit, Limits, Policy, Severity
from beeyard.domain.messages import (
    Asked,
    Blocked,
    Bury,
    CancelTimer,
    ContactLost,
    ContactRegained,
    Destroy,
    Effect,
    Event,
    Exceeded,
    Exit,
    Exited,
    Fired,
    Forget,
    Handle,
    HostRestarted,
    Kill,
    Launch,
    Launched,
    LaunchFailed,
    MasterRestarted,
    Now,
    Prepare,
    Prepared,
    Probed,
    Respecified,
    Rested,
    Restored,
    Restrict,
    Restricted,
    Said,
    SetTimer,
    Terminate,
    Unwatch,
    Watch,
)
from beeyard.domain.pressure import MOST, Strain
from beeyard.domain.refusals import REFUSALS
from beeyard.domain.restart import Outside
from beeyard.domain.scaling import Scaling
from beeyard.domain.spec import Backoff, Endpoint, ProbeRole, ProbeSpec, RestartPolicy, StopStep, WorkerSpec
from beeyard.domain.supply import Supply
from beeyard.domain.values import Duration, SignalNumber, WorkerId
from beeyard.domain.worker import (
    Cause,
    Down,
    Failed,
    Preparing,
    Running,
    Starting,
    Stopping,
    Waiting,
    Wanted,
    Worker,
    new,
    state,
)

POLICY = RestartPolicy(
    backoff=Backoff(delay=Duration(1.0), max_retries=2),
    jitter=0.0,
    window=Duration(100.0),
    cool_down=Duration(50.0),
    reset_after=Duration(30.0),
)
SPEC = WorkerSpec(id=WorkerId("web"), provider="process", run={}, restart=POLICY)
PROBED = replace(SPEC, probes={"readiness": ProbeSpec("tcp"), "liveness": ProbeSpec("tcp")})


def at(seconds: float) -> Now:
    """A moment, so many seconds after the start of the test."""
    return Now(seconds, 1000.0 + seconds)


def handle(attempt: int) -> Handle:
    """What a provider would give for this attempt."""
    return Handle("process", 1, {"pid": 100 + attempt})


def play(subject: Worker, *events: tuple[float, Event]) -> tuple[Worker, list[Effect]]:
    """Take events at their times; the effects are those of the last one."""
    effects: list[Effect] = []
    for seconds, event in events:
        subject, effects = step(subject, event, at(seconds))
    return subject, effects


def added(spec: WorkerSpec = SPEC) -> Worker:
    """A worker right after it was added: it prepares its first attempt."""
    return play(new(spec), (0, Respecified(spec)))[0]


def running(spec: WorkerSpec = SPEC) -> Worker:
    """A worker whose first attempt runs since second 1."""
    return play(added(spec), (0, Prepared()), (1, Launched(1, handle(1))))[0]


def test_the_table_is_total() -> None:
    """Every phase meets every event, and nothing else stands in the table."""
    events = typing.get_args(Event)
    assert set(PHASES) == set(typing.get_args(worker.Phase))
    assert set(TRANSITIONS) == {(phase, event) for phase in PHASES for event in events}


def test_every_transition_is_used() -> None:
    """No function of the table's kind is left out of it."""
    used = {transition.__name__ for transition in TRANSITIONS.values()}
    kind = {
        name
        for name, thing in vars(lifecycle).items()
        if callable(thing)
        and getattr(thing, "__module__", "") == lifecycle.__name__
        and getattr(thing, "__annotations__", {}).get("event") is not None
        and name not in ("step", "_stale")
    }
    assert kind == used


def test_requests_are_never_ignored() -> None:
    """A wish counts in every phase."""
    ignored = {event for (_, event), transition in TRANSITIONS.items() if transition is ignore}
    assert not ignored & {Asked, Respecified, HostRestarted}


def test_an_enabled_worker_starts_when_added() -> None:
    """Adding leads to the launch of attempt 1, once all is there."""
    subject, effects = play(new(SPEC), (0, Respecified(SPEC)))
    assert (subject.phase, effects) == (Preparing(1), [Prepare()])
    subject, effects = play(subject, (0, Blocked("waits for db")))
    assert (subject.phase, effects) == (Preparing(1, "waits for db"), [])
    subject, effects = play(subject, (2, Prepared()))
    assert (subject.phase, effects) == (Starting(1, 1, 2), [Launch(1)])


def test_a_disabled_worker_stays_down_until_asked() -> None:
    """enabled: false is known, not started."""
    spec = replace(SPEC, enabled=False)
    subject, effects = play(new(spec), (0, Respecified(spec)))
    assert (subject.phase, effects, state(subject)) == (Down(0), [], "registered")
    subject, effects = play(subject, (1, Asked("up")))
    assert (subject.phase, effects) == (Preparing(2), [Prepare()])


def test_without_probes_running_is_ready() -> None:
    """Readiness needs a probe to be anything else."""
    phase = running().phase
    assert phase == Running(1, 1, handle(1), 1, 1001, ready_since=1)


def test_with_probes_readiness_is_what_the_probe_says() -> None:
    """Ready after the readiness probe passed, not before, and no longer after it failed."""
    subject, effects = play(added(PROBED), (0, Prepared()), (1, Launched(1, handle(1))))
    assert effects == [Watch(1, handle(1))]
    assert isinstance(subject.phase, Running)
    assert subject.phase.ready_since is None
    subject, _ = play(subject, (3, Probed(1, "readiness", True)))
    assert (subject.phase.ready_since, subject.health.status) == (3, "healthy")  # type: ignore[union-attr]
    subject, effects = play(subject, (5, Probed(1, "readiness", False, "503")))
    assert (subject.phase.ready_since, subject.health.reason, effects) == (None, "not ready: 503", [])  # type: ignore[union-attr]


def test_a_failed_liveness_ends_the_attempt_and_is_judged() -> None:
    """Ill health goes through the restart budget like any other end."""
    subject, effects = play(running(PROBED), (4, Probed(1, "liveness", False, "no answer")))
    assert effects == [Unwatch(), Terminate(1, StopStep(), 1), SetTimer("stop", 24, 1)]
    assert isinstance(subject.phase, Stopping)
    assert subject.phase.cause == Cause("probe", "liveness probe failed: no answer")
    subject, effects = play(subject, (5, Exited(1, Exit(code=0))))
    assert subject.phase == Waiting(1, 6, "restart in 1s (1 of 2 within 1m 40s)")
    assert subject.death is not None
    assert subject.death.cause.kind == "probe"


def test_a_stop_takes_its_steps_then_kills_until_the_end_is_seen() -> None:
    """Each step has its time; a tree that does not die is killed again and stays in sight."""
    spec = replace(SPEC, stop=(StopStep(SignalNumber(2), Duration(5)), StopStep(SignalNumber(15), Duration(10))))
    subject, effects = play(running(spec), (10, Asked("down")))
    assert effects == [Unwatch(), Terminate(1, spec.stop[0], 1), SetTimer("stop", 15, 1)]
    subject, effects = play(subject, (15, Fired("stop", 1)))
    assert effects == [Terminate(1, spec.stop[1], 2), SetTimer("stop", 25, 2)]
    subject, effects = play(subject, (25, Fired("stop", 2)))
    assert effects == [Kill(1), SetTimer("stop", 25 + KILL_AGAIN, 3)]
    subject, effects = play(subject, (25 + KILL_AGAIN, Fired("stop", 3)))
    assert effects == [Kill(1), SetTimer("stop", 25 + 2 * KILL_AGAIN, 4)]
    subject, effects = play(subject, (50, Exited(1, Exit(signal=9))))
    assert (subject.phase, effects) == (
        Down(1, "stays down, as asked"),
        [CancelTimer(), Destroy(1, "process"), Bury(1)],
    )


def test_a_stop_by_force_takes_no_step() -> None:
    """Nor any further one where steps are taken already; during a start it is remembered as any other stop is."""
    forced = Asked("down", force=True)
    kill: list[Effect] = [Unwatch(), Kill(1), SetTimer("stop", 11 + KILL_AGAIN, 1)]
    subject, effects = play(running(), (11, forced))
    assert (effects, subject.wanted) == (kill, Wanted(False, 1, force=True))
    assert resume(subject, at(12)) == [Kill(1), SetTimer("stop", 11 + KILL_AGAIN, 1)]
    stopping, _ = play(running(), (10, Asked("down")))
    subject, effects = play(stopping, (11, forced))
    assert effects == [Unwatch(), Kill(1), SetTimer("stop", 11 + KILL_AGAIN, 2)]
    assert play(subject, (12, Asked("down")))[1] == []
    starting, effects = play(added(), (0, Prepared()), (1, forced))
    assert (type(starting.phase), effects) == (Starting, [])
    for meanwhile in (Respecified(replace(SPEC, enabled=True)), Asked("down")):
        assert play(starting, (2, meanwhile), (11, Launched(1, handle(1))))[1] == kill


@pytest.mark.parametrize("event", [Asked("up"), Asked("restart"), HostRestarted()])
def test_the_force_of_a_stop_is_gone_with_it(event: Event) -> None:
    """Up again, it is stopped by its steps."""
    spec = replace(SPEC, restart=replace(POLICY, policy="always"))
    down, _ = play(running(spec), (10, Asked("down", force=True)), (11, Exited(1, Exit(signal=9))))
    again, effects = play(down, (12, event), (13, Prepared()), (14, Launched(2, handle(2))), (15, Asked("down")))
    assert effects == [Unwatch(), Terminate(2, StopStep(), 1), SetTimer("stop", 35, again.serial)]


def test_a_stop_during_a_start_ends_down() -> None:
    """It is remembered and carried out as soon as there is something to stop."""
    subject, effects = play(added(), (0, Prepared()), (1, Asked("down")))
    assert (type(subject.phase), effects) == (Starting, [])
    subject, effects = play(subject, (2, Launched(1, handle(1))))
    assert effects == [Unwatch(), Terminate(1, StopStep(), 1), SetTimer("stop", 22, 1)]
    subject, _ = play(subject, (3, Exited(1, Exit(signal=15))))
    assert subject.phase == Down(1, "stays down, as asked")


def test_a_start_during_a_stop_starts_again() -> None:
    """The last wish wins, and the old attempt ends first."""
    subject, effects = play(running(), (10, Asked("down")), (11, Asked("up")))
    assert (type(subject.phase), effects) == (Stopping, [])
    subject, effects = play(subject, (12, Exited(1, Exit(signal=15))))
    assert (subject.phase, effects) == (Preparing(2), [CancelTimer(), Destroy(1, "process"), Bury(1), Prepare()])


def test_a_restart_is_a_new_generation() -> None:
    """It stops the running attempt and starts the next, outside the budget."""
    subject, _ = play(running(), (10, Asked("restart")), (11, Exited(1, Exit(signal=15))), (12, Prepared()))
    assert (subject.phase, subject.failures, subject.restarts) == (Starting(2, 2, 12), (), 0)


def test_a_restart_of_a_stopped_worker_starts_it() -> None:
    """As every init system does."""
    down, _ = play(running(), (10, Asked("down")), (11, Exited(1, Exit(signal=15))))
    assert play(down, (20, Asked("restart")))[0].phase == Preparing(2)


def test_a_renewal_is_for_those_that_are_to_be_up() -> None:
    """A new generation for these; whoever was stopped meanwhile, or goes down with the master, stays as it is."""
    renewed, _ = play(running(), (10, Asked("renew")), (11, Exited(1, Exit(signal=15))))
    assert renewed.phase == Preparing(2)
    for want in ("down", "hold"):
        down, _ = play(running(), (10, Asked(want)), (11, Exited(1, Exit(signal=15))))
        assert play(down, (12, Asked("renew"))) == (down, [])
    fixed, _ = play(running(ONE), (5, Asked("up", "ann")), (6, Asked("renew")))
    assert fixed.wanted == Wanted(True, 2, fixed=True)


def test_who_launched_an_attempt_ends_and_forgets_it() -> None:
    """Also when the spec names another provider by now: that one knows nothing of it."""
    moved, _ = play(running(), (2, Respecified(replace(SPEC, provider="module"))))
    assert (type(moved.phase), moved.spec.provider, moved.provider) == (Stopping, "module", "process")
    ended, effects = play(moved, (3, Exited(1, Exit(code=0))))
    assert effects == [CancelTimer(), Destroy(1, "process"), Bury(1), Prepare()]
    assert ended.provider == "module"


def test_an_end_nobody_asked_for_is_retried_until_the_budget_is_spent() -> None:
    """Two retries, then the breaker opens, half-opens after the cool-down, and opens again on the next failure."""
    subject, effects = play(running(), (2, Exited(1, Exit(code=3))))
    assert effects == [Unwatch(), Destroy(1, "process"), Bury(1), SetTimer("retry", 3, 1)]
    subject, _ = play(subject, (3, Fired("retry", 1)), (3, Prepared()), (3, Launched(2, handle(2))))
    subject, _ = play(subject, (4, Exited(2, Exit(code=3))))
    assert subject.phase == Waiting(1, 6, "restart in 2s (2 of 2 within 1m 40s)")
    subject, _ = play(subject, (6, Fired("retry", 2)), (6, Prepared()), (6, Launched(3, handle(3))))
    subject, effects = play(subject, (7, Exited(3, Exit(code=3))))
    assert effects == [Unwatch(), Destroy(3, "process"), Bury(3), SetTimer("retry", 57, 3)]
    reason = "2 restarts within 1m 40s (max_retries); one trial start in 50s"
    assert (subject.phase, subject.restarts) == (Failed(1, reason, 57), 2)
    subject, _ = play(subject, (57, Fired("retry", 3)), (57, Prepared()), (57, Launched(4, handle(4))))
    subject, _ = play(subject, (58, Exited(4, Exit(code=3))))
    assert subject.phase == Failed(1, "the trial start after a cool-down failed; next trial in 50s", 108)
    subject, _ = play(subject, (60, Asked("up")))
    assert (subject.phase, subject.failures, subject.trial) == (Preparing(2), (), False)


LIMITED = replace(SPEC, limits=Limits({"memory.max_rss": Limit(100, "restart_adjusted")}))


def exceeded(act: Ending | None, level: Severity | None = "critical", attempt: int = 1) -> Exceeded:
    """Too much memory."""
    return Exceeded(attempt, "memory.max_rss", level, "memory.max_rss: much", act)


def test_an_excess_that_is_only_told_ends_nothing() -> None:
    """It is shown until it is over, or until the attempt is."""
    subject, effects = play(running(LIMITED), (5, exceeded(None)))
    assert (type(subject.phase), effects) == (Running, [])
    assert subject.over == {"memory.max_rss": "memory.max_rss: much"}
    assert play(subject, (6, exceeded(None, None)))[0].over == {}
    assert play(subject, (6, Exited(1, Exit(code=1))))[0].over == {}


def test_graceful_shutdown_takes_the_stop_sequence_and_stays_down() -> None:
    """Until somebody asks for it: whoever wants it back by itself says restart."""
    subject, effects = play(running(LIMITED), (5, exceeded("graceful_shutdown")))
    assert effects == [Unwatch(), Terminate(1, SPEC.stop[0], 1), SetTimer("stop", 25.0, subject.serial)]
    subject, _ = play(subject, (6, Exited(1, Exit(code=0))))
    assert subject.phase == Failed(1, "memory.max_rss: much; down until it is asked for")
    assert subject.death is not None
    assert subject.death.cause == Cause("limit", "memory.max_rss: much", "critical", final=True)
    assert lifecycle.gave_up(subject)
    assert type(play(subject, (9, Asked("up")))[0].phase) is Preparing


def test_immediate_kill_kills_the_tree_at_once_and_again_until_it_is_gone() -> None:
    """No step of the stop sequence is taken."""
    subject, effects = play(running(LIMITED), (5, exceeded("immediate_kill")))
    assert effects == [Unwatch(), Kill(1), SetTimer("stop", 15.0, subject.serial)]
    subject, effects = play(subject, (15, Fired("stop", subject.serial)))
    assert effects == [Kill(1), SetTimer("stop", 25.0, subject.serial)]
    assert type(play(subject, (16, Exited(1, Exit(signal=9))))[0].phase) is Failed


def test_a_restart_for_a_limit_is_judged_with_its_level() -> None:
    """By the policy for resources, and although it ended with code 0, as it was asked to."""
    policy = replace(POLICY, overrides={"resource": Backoff(delay=Duration(7.0))}, severity={"emergency": 2.0})
    spec = replace(LIMITED, restart=policy)
    subject, _ = play(running(spec), (5, exceeded("restart", "emergency")), (6, Exited(1, Exit(code=0))))
    assert isinstance(subject.phase, Waiting)
    assert subject.phase.until == 6 + 14


def test_an_adjusted_restart_raises_the_bound_a_few_times() -> None:
    """Other policies, and other limits, leave it as it is; a changed limit begins anew."""
    subject = running(replace(LIMITED, restart=replace(POLICY, backoff=Backoff(delay=Duration(0), max_retries=None))))
    bounds = []
    for attempt in range(1, 6):
        subject, _ = play(
            subject,
            (5, exceeded("restart_adjusted", attempt=attempt)),
            (5, Exited(attempt, Exit(code=0))),
            (5, Prepared()),
            (5, Launched(attempt + 1, handle(attempt + 1))),
        )
        bounds.append(subject.limits.bounds["memory.max_rss"].bound)
    assert bounds == [150, 225, 337.5, 400, 400]
    assert subject.spec.limits == LIMITED.limits
    other = replace(subject.spec, limits=Limits({"memory.max_rss": Limit(90, "restart_adjusted")}))
    changed, effects = play(subject, (6, Respecified(other)))
    assert changed.limits.bounds["memory.max_rss"].bound == 90
    assert effects == [Restrict(6)]


@pytest.mark.parametrize(
    ("policy", "phase", "bound"),
    [
        ("log", Waiting, 100),
        ("restart", Waiting, 100),
        ("restart_adjusted", Waiting, 150),
        ("immediate_kill", Failed, 100),
        ("graceful_shutdown", Failed, 100),
    ],
)
def test_the_kernels_kill_for_memory_is_an_excess_too(policy: Policy, phase: type, bound: float) -> None:
    """It was quicker than we are; what the policy says holds all the same."""
    spec = replace(SPEC, limits=Limits({"memory.max_rss": Limit(100, policy)}))
    subject, _ = play(running(spec), (5, Exited(1, Exit(signal=9, oom=True))))
    assert type(subject.phase) is phase
    assert subject.limits.bounds["memory.max_rss"].bound == bound
    assert subject.death is not None
    assert subject.death.cause.kind == "oom"


def test_changed_limits_are_kept_to_without_another_attempt() -> None:
    """But for those that the kernel takes only at a start."""
    subject, effects = play(running(), (5, Respecified(LIMITED)))
    assert (type(subject.phase), effects) == (Running, [Restrict(1)])
    new_handle = replace(handle(1), state={"pid": 101, "held": {}})
    subject, effects = play(subject, (6, Restricted(1, new_handle)))
    assert isinstance(subject.phase, Running)
    assert (subject.phase.handle, effects) == (new_handle, [])
    assert [type(effect) for effect in resume(play(running(), (5, Respecified(LIMITED)))[0], at(6))] == [
        Restrict,
        Watch,
    ]
    assert [type(effect) for effect in resume(subject, at(6))] == [Watch]
    files = replace(SPEC, limits=Limits({"process.max_file_descriptors": Limit(9, "throttle")}))
    assert type(play(subject, (7, Respecified(files)))[0].phase) is Stopping


def half_open() -> Worker:
    """A worker whose budget was spent at 3, and whose one trial start after the cool-down runs since 53."""
    subject, _ = play(running(), (1, Exited(1, Exit(code=3))), (2, Fired("retry", 1)), (2, Prepared()))
    subject, _ = play(subject, (2, Launched(2, handle(2))), (2, Exited(2, Exit(code=3))), (3, Fired("retry", 2)))
    subject, _ = play(subject, (3, Prepared()), (3, LaunchFailed(3, "no such file")))
    assert subject.phase == Failed(1, "2 restarts within 1m 40s (max_retries); one trial start in 50s", 53)
    subject, _ = play(subject, (53, Fired("retry", 3)), (53, Prepared()), (53, Launched(4, handle(4))))
    assert subject.trial
    return subject


def test_what_wrote_its_data_last_is_remembered_until_that_is_restored() -> None:
    """By package, however often it starts from others; while one lives that may write, nothing is forgotten."""
    newer = Supply(1, "caddy", "2.0", "2" * 64, "/store/caddy", "tuf", {}, epoch=2)
    subject, _ = play(added(), (0, Prepared({}, newer)), (1, Launched(1, handle(1))), (2, Restored("ann")))
    assert subject.epochs == {"caddy": 2}
    other = replace(newer, generation=2, name="other", epoch=0)
    subject, _ = play(subject, (3, Asked("restart")), (4, Exited(1, Exit(signal=15))), (5, Prepared({}, other)))
    assert subject.epochs == {"caddy": 2}
    subject, _ = play(subject, (6, LaunchFailed(2, "refused")), (7, Restored("ann")))
    assert subject.epochs == {}


def test_who_waits_for_restored_data_looks_again() -> None:
    """At once, and only if there is something to forget."""
    waiting = replace(added(), epochs={"caddy": 2})
    assert play(waiting, (1, Restored("ann"))) == (replace(waiting, epochs={}), [Prepare()])
    assert play(added(), (1, Restored("ann"))) == (added(), [])


def test_a_trial_start_that_fails_opens_the_breaker_for_another_cool_down() -> None:
    """Whether it fell over or was ended for ill health, 29 of 30 seconds into its proof."""
    fallen, effects = play(half_open(), (82, Exited(4, Exit(code=3))))
    assert fallen.phase == Failed(1, "the trial start after a cool-down failed; next trial in 50s", 132)
    assert SetTimer("retry", 132, 4) in effects
    sick, _ = play(half_open(), (60, Probed(4, "liveness", False, "silent")), (61, Exited(4, Exit(signal=15))))
    assert sick.phase == Failed(1, "the trial start after a cool-down failed; next trial in 50s", 111)


def test_a_trial_start_that_lasts_closes_the_breaker() -> None:
    """Ready for `reset_after`: its next end is the first of a whole budget, and no trial any more."""
    subject, _ = play(half_open(), (83, Exited(4, Exit(code=3))))
    assert subject.phase == Waiting(1, 84, "restart in 1s (1 of 2 within 1m 40s)")
    subject, _ = play(subject, (84, Fired("retry", 4)))
    assert (subject.failures, subject.trial) == ((83,), False)


STARVING = Outside(0.5, Strain(4.0, "host under pressure: memory 60 %"))


def test_on_a_starving_host_a_dead_worker_waits_longer_and_says_why() -> None:
    """A second becomes four."""
    subject, effects = step(running(), Exited(1, Exit(code=3)), at(1), STARVING)
    reason = "restart in 4s (1 of 2 within 1m 40s; host under pressure: memory 60 %)"
    assert subject.phase == Waiting(1, 5, reason)
    assert subject.death is not None
    assert subject.death.decision == reason
    assert SetTimer("retry", 5, subject.serial) in effects


@pytest.mark.parametrize("want", ["up", "restart"])
def test_what_a_person_asks_for_is_never_delayed_or_refused(want: typing.Any) -> None:
    """On a starving host, while it waits, and while the breaker is open."""
    waiting, _ = step(running(), Exited(1, Exit(code=3)), at(1), STARVING)
    failed, _ = play(half_open(), (60, Exited(4, Exit(code=3))))
    for subject in (waiting, failed):
        asked, effects = step(subject, Asked(want), at(61), STARVING)
        assert (type(asked.phase), effects) == (Preparing, [CancelTimer(), Prepare()])
        assert (asked.failures, asked.trial) == ((), False)
    stopping, _ = step(running(), Asked("restart"), at(2), STARVING)
    again, _ = step(stopping, Exited(1, Exit(signal=15)), at(3), STARVING)
    assert type(again.phase) is Preparing


def test_a_refused_launch_says_of_what_kind_it_was() -> None:
    """The policy decides as ever, for what is missing now may be there in a second."""
    refusal = REFUSALS["executable_not_found"]
    subject, _ = play(added(), (0, Prepared()), (1, LaunchFailed(1, "web: No such file or directory", refusal)))
    assert subject.phase == Waiting(1, 2, "restart in 1s (1 of 2 within 1m 40s)")
    assert subject.death is not None
    assert subject.death.cause == Cause("launch", "web: No such file or directory", refusal=refusal)


def test_limits_that_change_during_a_start_are_kept_to_once_it_runs() -> None:
    """The launch that is under way knows the old ones."""
    subject, effects = play(added(), (0, Prepared()), (1, Respecified(LIMITED)))
    assert (type(subject.phase), effects) == (Starting, [])
    subject, effects = play(subject, (2, Launched(1, handle(1))))
    assert effects == [Restrict(1), Watch(1, handle(1))]


def test_a_long_ready_life_clears_the_budget() -> None:
    """reset_after seconds of readiness, and the next end is the first again."""
    subject, _ = play(running(), (2, Exited(1, Exit(code=3))), (3, Fired("retry", 1)), (3, Prepared()))
    subject, _ = play(subject, (3, Launched(2, handle(2))), (40, Exited(2, Exit(code=3))))
    assert subject.failures == (40,)


def test_a_task_that_ends_well_is_left_alone() -> None:
    """on-failure: exit 0 is done, and stays done until asked."""
    subject, effects = play(running(), (2, Exited(1, Exit(code=0))))
    assert subject.phase == Down(1, "it ended well and the restart policy is on-failure", 2)
    assert effects == [Unwatch(), Destroy(1, "process"), Bury(1)]
    assert play(subject, (3, Prepared()))[1] == []


def test_an_unknown_end_is_no_success() -> None:
    """What nobody saw is treated as a failure, and called unknown."""
    subject, _ = play(running(), (2, Exited(1, Exit(note="nobody was there"))))
    assert isinstance(subject.phase, Waiting)
    assert subject.death is not None
    assert subject.death.cause == Cause("unknown", "end unknown: nobody was there")


def test_a_launch_that_fails_is_judged() -> None:
    """The reason is kept, and the budget holds for it as well."""
    subject, _ = play(added(), (0, Prepared()), (1, LaunchFailed(1, "no such file")))
    assert isinstance(subject.phase, Waiting)
    assert subject.death is not None
    assert subject.death.cause == Cause("launch", "no such file")


def test_stale_facts_are_dropped() -> None:
    """A fact about another attempt, or a timer set before the last, changes nothing."""
    subject = running()
    for event in (Exited(7, Exit(code=1)), Probed(0, "liveness", False), Launched(2, handle(2)), Fired("stop", 9)):
        assert step(subject, event, at(5)) == (subject, [])


def test_lost_contact_is_not_death() -> None:
    """It stays running, and says since when nobody could look."""
    subject, _ = play(running(), (5, ContactLost(1, "launcher died")))
    assert subject.phase.contact_lost_since == 5  # type: ignore[union-attr]
    assert play(subject, (6, ContactRegained(1)))[0].phase == running().phase


def test_a_changed_command_restarts_a_changed_policy_does_not() -> None:
    """Only what the process would notice costs it its life."""
    subject, effects = play(running(), (5, Respecified(replace(SPEC, restart=RestartPolicy()))))
    assert (type(subject.phase), effects) == (Running, [])
    subject, effects = play(running(), (5, Respecified(replace(SPEC, run={"args": ["x"]}))))
    assert effects == [Unwatch(), Terminate(1, StopStep(), 1), SetTimer("stop", 25, 1)]


def test_changed_endpoints_restart() -> None:
    """A port is part of how a worker runs."""
    changed = replace(SPEC, endpoints={"http": Endpoint("http", 8080)})
    assert type(play(running(), (5, Respecified(changed)))[0].phase) is Stopping


def test_changed_probes_are_asked_at_once() -> None:
    """The running attempt is watched by the new ones."""
    subject, effects = play(running(), (5, Respecified(PROBED)))
    assert effects == [Unwatch(), Watch(1, handle(1))]
    assert subject.phase.ready_since is None  # type: ignore[union-attr]


def test_going_down_changes_no_wish() -> None:
    """`beeyard down` holds every worker; `up` releases those that were wanted, and only those."""
    held, _ = play(running(), (5, Asked("hold")), (6, Exited(1, Exit(signal=15))))
    assert (held.wanted, type(held.phase)) == (Wanted(True, 1, held=True), Down)
    assert type(play(held, (9, Asked("release")))[0].phase) is Preparing
    stopped, _ = play(running(), (5, Asked("down")), (6, Exited(1, Exit(signal=15))), (7, Asked("hold")))
    assert type(play(stopped, (9, Asked("release")))[0].phase) is Down


@pytest.mark.parametrize(
    ("policy", "phase"),
    [("unless-stopped", Down), ("on-failure", Down), ("never", Down), ("always", Preparing)],
)
def test_after_a_reboot_a_stopped_worker(policy: typing.Any, phase: type) -> None:
    """Only `always` forgets that an operator stopped it."""
    spec = replace(SPEC, restart=replace(POLICY, policy=policy))
    stopped, _ = play(running(spec), (5, Asked("down")), (6, Exited(1, Exit(signal=15))))
    assert type(play(stopped, (7, HostRestarted()))[0].phase) is phase


def test_after_a_reboot_what_was_up_starts_outside_the_budget() -> None:
    """The end is recorded as the host's, and failures before it are forgotten."""
    subject, effects = play(running(), (5, HostRestarted()))
    assert (subject.phase, effects, subject.failures) == (Preparing(2), [Bury(1), Prepare()], ())
    assert subject.death is not None
    assert subject.death.cause.kind == "host"


def test_what_ended_with_its_master_starts_at_once_outside_the_budget() -> None:
    """Whatever its policy says: nobody's fault is no failure, and those it had before are remembered."""
    spec = replace(SPEC, restart=replace(POLICY, policy="never"))
    before = replace(running(spec), failures=(3.0,))
    subject, effects = play(before, (5, MasterRestarted(1)))
    assert (subject.phase, subject.failures) == (Preparing(2), (3.0,))
    assert effects == [Unwatch(), CancelTimer(), Destroy(1, "process"), Bury(1), Prepare()]
    assert subject.death is not None
    assert (subject.death.cause.detail, subject.death.decision) == ("the master restarted", "starts anew")
    assert subject.death.was_ready
    assert play(running(), (5, MasterRestarted(7)))[0].phase == running().phase


def test_what_was_being_stopped_when_its_master_ended_is_down() -> None:
    """As it was asked to be; a restart goes on with the next attempt."""
    assert type(play(running(), (5, Asked("down")), (6, MasterRestarted(1)))[0].phase) is Down
    assert play(running(), (5, Asked("restart")), (6, MasterRestarted(1)))[0].phase == Preparing(2)


def test_what_is_said_of_one_that_does_not_end_is_kept() -> None:
    """For those who look; the time that it has stays the same."""
    stopping = play(running(), (5, Asked("down")))[0]
    subject, effects = play(stopping, (6, Said(1, "stuck")))
    assert isinstance(subject.phase, Stopping)
    assert (subject.phase.status, effects, subject.serial) == ("stuck", [], stopping.serial)


def test_what_it_said_before_its_stop_still_holds() -> None:
    """It is not said twice: a module whose end hangs has told so when it was still taken to run."""
    for before, event in ((running(), Asked("down")), (running(LIMITED), exceeded("immediate_kill"))):
        subject = play(before, (5, Said(1, "stuck")), (6, event))[0]
        assert isinstance(subject.phase, Stopping)
        assert subject.phase.status == "stuck"


# --- on every path --------------------------------------------------------------------------------------------------

AGING = Lifetime(max=Duration(30.0), idle=Duration(10.0), after=Duration(20.0))
_specs = st.sampled_from(
    [
        SPEC,
        PROBED,
        LIMITED,
        replace(SPEC, restart=replace(POLICY, policy="always")),
        replace(SPEC, lifetime=AGING),
        replace(PROBED, lifetime=AGING, restart=replace(POLICY, policy="never")),
    ]
)
_lifetimes = st.sampled_from([Lifetime(), AGING, Lifetime(max=Duration(5.0)), Lifetime(after=Duration(5.0))])
_ROLES: list[ProbeRole] = ["readiness", "liveness"]
_outsides = st.builds(
    Outside,
    st.floats(0, 0.99),
    st.builds(Strain, st.floats(1, MOST), st.just("host under pressure")),
)
_exits = st.sampled_from([Exit(code=0), Exit(code=3), Exit(signal=9), Exit(signal=9, oom=True), Exit(note="unknown")])


class World:
    """A provider and an operator gone wild: it does what effects order, in its own time, and never lies about facts."""

    def __init__(self, spec: WorkerSpec, draw: st.DataObject) -> None:
        self.draw = draw
        self.now = 0.0
        self.worker = new(spec)
        self.launches: list[int] = []
        self.alive: set[int] = set()
        self.unanswered: list[Event] = []
        self.timer: SetTimer | None = None
        self.take(Respecified(spec))

    def take(self, event: Event) -> None:
        """One event through the real step, its effects into this world, and the invariants after it."""
        before = self.worker
        self.worker, effects = step(before, event, at(self.now), self.draw.draw(_outsides))
        for effect in effects:
            self.run(effect)
        self.check(before)

    def run(self, effect: Effect) -> None:
        """What a provider would do."""
        match effect:
            case Launch(attempt=attempt):
                assert not self.alive, "two attempts at once"
                assert attempt not in self.launches, "an attempt launched twice"
                self.launches.append(attempt)
                if self.draw.draw(st.booleans()):
                    self.alive.add(attempt)
                    self.unanswered.append(Launched(attempt, handle(attempt)))
                else:
                    self.unanswered.append(LaunchFailed(attempt, "refused"))
            case Terminate(attempt=attempt) | Kill(attempt=attempt):
                assert attempt in self.alive | {self.worker.attempt}
            case Destroy(attempt=attempt):
                assert attempt not in self.alive, "destroyed while alive"
            case SetTimer():
                self.timer = effect
            case CancelTimer():
                self.timer = None
            case Prepare():
                self.unanswered.append(Prepared())
            case Forget():
                assert not self.alive, "forgotten while alive"

    def check(self, before: Worker) -> None:
        """What holds after every single event."""
        phase = self.worker.phase
        assert self.worker.attempt >= before.attempt
        assert len(self.worker.failures) <= 16
        if self.alive:
            assert isinstance(phase, Starting | Running | Stopping), f"a living attempt is forgotten in {phase}"
        if isinstance(phase, Running | Stopping):
            assert phase.attempt in self.alive
        if isinstance(phase, Waiting | Stopping):
            assert self.timer is not None
            assert self.timer.serial == self.worker.serial
        if due := aging.due(self.worker):
            assert self.timer is not None, "its time comes, and nobody is told"
            assert (self.timer.timer, self.timer.serial) == (due[0], self.worker.serial)
        elif self.timer is not None and self.timer.serial == self.worker.serial:
            assert self.timer.timer not in ("lifetime", "forget"), "a timer of an age that it has not"
        if isinstance(phase, Running):
            assert self.worker.wanted.up
            assert phase.generation == self.worker.wanted.generation
        if self.worker.wanted.force:
            assert not self.worker.wanted.on
            assert not isinstance(phase, Stopping) or phase.step > len(self.worker.spec.stop), "asked still to end"
        if isinstance(phase, Down) and self.worker.wanted.up:
            assert phase.generation == self.worker.wanted.generation, "wanted up, and nothing comes of it"

    def act(self) -> None:
        """One thing happens."""
        choices = ["ask", "wait", "reload"]
        if self.unanswered:
            choices += ["answer"] * 3
        if self.alive and not any(isinstance(event, Launched) for event in self.unanswered):
            choices += ["die", "probe", "exceed", "rest"]
        if self.timer is not None:
            choices += ["fire"] * 2
        match self.draw.draw(st.sampled_from(choices)):
            case "ask":
                asked = [Asked("up"), Asked("down"), Asked("restart"), Asked("renew"), Asked("hold"), Asked("release")]
                wish = self.draw.draw(st.sampled_from([*asked, Asked("down", force=True)]))
                up = self.worker.wanted.up
                self.take(wish)
                assert wish.want != "renew" or self.worker.wanted.up == up, "a renewal decides who is to be up"
            case "wait":
                self.now += self.draw.draw(st.floats(0, 40))
            case "answer":
                self.take(self.unanswered.pop(0))
            case "die":
                attempt = self.alive.pop()
                self.take(Exited(attempt, self.draw.draw(_exits)))
            case "probe":
                role: ProbeRole = self.draw.draw(st.sampled_from(_ROLES))
                self.take(Probed(max(self.alive), role, self.draw.draw(st.booleans())))
            case "exceed":
                act: Ending | None = self.draw.draw(st.sampled_from([None, *sorted(ENDINGS)]))
                self.take(exceeded(act, "critical", max(self.alive)))
            case "rest":
                quiet = st.builds(Quiet, st.floats(self.now - 20, self.now), st.just(self.now), st.just(0.0))
                self.take(Rested(max(self.alive), self.draw.draw(st.none() | quiet)))
            case "reload":
                self.take(Respecified(replace(self.worker.spec, lifetime=self.draw.draw(_lifetimes))))
            case "fire":
                assert self.timer is not None
                timer, self.timer = self.timer, None
                self.now = max(self.now, timer.at)
                self.take(Fired(timer.timer, timer.serial))

    def calm(self) -> None:
        """No more wishes: everything ordered happens, and what is asked to end ends."""
        for _ in range(200):
            if self.unanswered:
                self.take(self.unanswered.pop(0))
            elif isinstance(self.worker.phase, Stopping):
                self.take(Exited(self.alive.pop(), Exit(signal=9)))
            else:
                return


@settings(max_examples=300, deadline=None)
@given(_specs, st.data(), st.integers(1, 40))
def test_on_every_path_nothing_is_lost_or_doubled(spec: WorkerSpec, data: st.DataObject, length: int) -> None:
    """At most one attempt lives, each is launched once, and a living one is always in sight (see World.check)."""
    world = World(spec, data)
    for _ in range(length):
        world.act()


@settings(max_examples=200, deadline=None)
@given(_specs, st.data(), st.integers(1, 30))
def test_the_last_wish_comes_true(spec: WorkerSpec, data: st.DataObject, length: int) -> None:
    """Asked down at the end of any path, it is down once all that was under way is over."""
    world = World(spec, data)
    for _ in range(length):
        world.act()
    world.take(Asked("down"))
    world.calm()
    assert type(world.worker.phase) is Down
    assert not world.alive


@settings(max_examples=200, deadline=None)
@given(_specs, st.data(), st.integers(0, 30))
def test_a_master_that_wakes_up_owes_what_the_dead_one_owed(spec: WorkerSpec, data: st.DataObject, length: int) -> None:
    """After any path a worker at rest in its phase has its next event coming from `resume`, or from the world."""
    world = World(spec, data)
    for _ in range(length):
        world.act()
    owed = [type(effect) for effect in resume(world.worker, at(world.now))]
    old: list[type] = [SetTimer] if aging.due(world.worker) else []
    by_phase: dict[type, list[type]] = {
        Down: old,
        Preparing: [Prepare],
        Starting: [Launch],
        Running: ([Watch] if spec.probes or spec.limits.bounds else []) + old,
        Stopping: [Terminate, SetTimer],
        Waiting: [SetTimer],
        Failed: [SetTimer],
    }
    expected = by_phase[type(world.worker.phase)]
    if isinstance(world.worker.phase, Stopping) and world.worker.phase.step > len(spec.stop):
        expected = [Kill, SetTimer]
    if isinstance(world.worker.phase, Failed) and world.worker.phase.retry_at is None:
        expected = []
    assert owed == expected


def test_messages_are_all_in_their_unions() -> None:
    """A new event or effect has to be given a place."""
    structs = {
        thing for thing in vars(messages).values() if isinstance(thing, type) and thing.__module__ == messages.__name__
    }
    unions = set(typing.get_args(Event)) | set(typing.get_args(Effect))
    assert structs - unions == {Now, Handle, messages.Usage, Exit}


# --- groups that scale ----------------------------------------------------------------------------------------------

GROUP = Scaling(1, 3, cpu=70.0)
ONE, OTHER = (replace(SPEC, id=WorkerId(f"web.{number}"), scaling=GROUP) for number in (1, 2))


def test_an_instance_that_is_not_needed_rests_and_is_woken() -> None:
    """Stopped as by its stop sequence, on standby once its end is seen, and a new generation when it is woken."""
    subject, effects = play(running(ONE), (5, Asked("rest", "scaling")))
    assert isinstance(subject.phase, Stopping)
    assert (subject.phase.cause, effects[1]) == (Cause("scaling"), Terminate(1, SPEC.stop[0], 1))
    subject, _ = play(subject, (6, Exited(1, Exit(signal=15))))
    assert (subject.phase, state(subject)) == (Down(1, "on standby"), "standby")
    subject, _ = play(subject, (7, Asked("wake", "scaling")))
    assert (subject.phase, subject.wanted) == (Preparing(2), Wanted(True, 2))


def test_a_group_asks_nothing_of_whom_people_asked_for_or_stopped() -> None:
    """Whatever came in between: the wish is looked at when it is taken."""
    fixed, _ = play(running(ONE), (5, Asked("up", "ann")), (6, Asked("rest", "scaling")))
    assert (type(fixed.phase), fixed.wanted) == (Running, Wanted(True, 1, fixed=True))
    down, _ = play(
        running(ONE), (5, Asked("down", "ann")), (6, Asked("wake", "scaling")), (7, Asked("rest", "scaling"))
    )
    assert (type(down.phase), down.wanted) == (Stopping, Wanted(False, 1))
    held, _ = play(added(OTHER), (5, Asked("hold")), (6, Asked("wake", "scaling")))
    assert (held.phase, held.wanted) == (Down(0), Wanted(True, 1, held=True, standby=True))


def test_the_whole_group_and_one_of_it_are_asked_for_apart() -> None:
    """Those on standby stay so when the whole is asked for; one that is asked for by itself is kept up."""
    for want in ("up", "restart"):
        whole, effects = play(added(OTHER), (5, Asked(want, "ann", whole=True)))
        assert (whole.phase, whole.wanted, effects) == (Down(0), Wanted(True, 1, standby=True), [])
        alone, _ = play(added(OTHER), (5, Asked(want, "ann")))
        assert (alone.phase, alone.wanted) == (Preparing(2), Wanted(True, 2, fixed=True))
        assert play(alone, (6, Asked("up", "ann", whole=True)))[0].wanted == Wanted(True, 2)
    assert play(running(ONE), (5, Asked("restart", "ann")))[0].wanted == Wanted(True, 2)


def test_a_reboot_wakes_none_that_rests() -> None:
    """Nor does a policy that says always: it is not an operator who keeps it down."""
    policy = RestartPolicy(policy="always")
    subject, _ = play(added(replace(OTHER, restart=policy)), (5, Asked("down", "ann")), (6, HostRestarted()))
    assert (subject.phase, state(subject)) == (Down(1), "standby")
