"""Whether, and when, a worker that ended comes back."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from beeyard.domain.limits import Severity
from beeyard.domain.pressure import MOST, Strain
from beeyard.domain.restart import ORDINARY, Ending, GiveUp, Outside, Rest, Retry, Verdict, counted, judge, recovered
from beeyard.domain.spec import Backoff, RestartPolicy, Trigger
from beeyard.domain.values import Duration

PRESSED = Strain(3.0, "host under pressure: cpu 80 %")
FAILED, ENDED_WELL, SICK = Ending(False), Ending(True), Ending(False, "health")
EPSILON = 1e-6

seconds = st.floats(0.0, 1000.0).map(Duration)
rolls = st.floats(0.0, 1.0, exclude_max=True)
strains = st.builds(Strain, st.floats(1.0, MOST), st.just("host under pressure"))
outsides = st.builds(Outside, rolls, strains)
triggers = st.sampled_from(Trigger.__args__)  # type: ignore[attr-defined]
severities = st.sampled_from(Severity.__args__)  # type: ignore[attr-defined]
endings = st.builds(Ending, success=st.booleans(), trigger=triggers, severity=severities)


def backoffs(retries: st.SearchStrategy[int | None]) -> st.SearchStrategy[Backoff]:
    """Any backoff, its retries as given; the factor goes far beyond sense."""
    factors = st.floats(1.0, 4.0) | st.floats(1.0, 1e9)
    return st.builds(Backoff, delay=seconds, factor=factors, max_delay=seconds, max_retries=retries)


def policies(
    retries: st.SearchStrategy[int | None] = st.none() | st.integers(0, 8),  # noqa: B008
    **fixed: st.SearchStrategy[Any],
) -> st.SearchStrategy[RestartPolicy]:
    """Any policy, with overrides and multipliers."""
    given_: dict[str, st.SearchStrategy[Any]] = {
        "policy": st.sampled_from(["on-failure", "always", "unless-stopped"]),
        "backoff": backoffs(retries),
        "jitter": st.floats(0.0, 1.0),
        "window": st.floats(1.0, 1000.0).map(Duration),
        "reset_after": st.floats(1.0, 100.0).map(Duration),
        "overrides": st.dictionaries(triggers, backoffs(retries)),
        "severity": st.dictionaries(severities, st.floats(0.1, 5.0)),
        "profile": st.floats(0.1, 5.0),
    }
    return st.builds(RestartPolicy, **(given_ | fixed))


def live(
    policy: RestartPolicy, story: list[tuple[float, Ending, Outside]], ready_for: float = 0.0
) -> list[tuple[float, Verdict]]:
    """Judge one exit after another, each so many seconds after the last; gives the moments and the verdicts."""
    now = 0.0
    failures: tuple[float, ...] = ()
    verdicts = list[tuple[float, Verdict]]()
    for gap, ending, outside in story:
        now += gap
        failures = counted(policy, failures, now, ready_for)
        verdicts.append((now, judge(policy, ending, failures, now, outside)))
    return verdicts


stories = st.lists(st.tuples(st.floats(0.0, 60.0), endings, outsides), max_size=40)

# --- examples -------------------------------------------------------------------------------------------------------


def test_delays_double_up_to_the_cap_and_then_the_breaker_opens() -> None:
    """The whole life of a worker that keeps failing, with the default budget of five."""
    policy = RestartPolicy(backoff=Backoff(max_delay=Duration(5.0)), jitter=0.0)
    assert live(policy, [(10.0, FAILED, ORDINARY)] * 6) == [
        (10.0, Retry(11.0, "restart in 1s (1 of 5 within 5m)")),
        (20.0, Retry(22.0, "restart in 2s (2 of 5 within 5m)")),
        (30.0, Retry(34.0, "restart in 4s (3 of 5 within 5m)")),
        (40.0, Retry(45.0, "restart in 5s (4 of 5 within 5m)")),
        (50.0, Retry(55.0, "restart in 5s (5 of 5 within 5m)")),
        (60.0, GiveUp("5 restarts within 5m (max_retries); one trial start in 5m", 360.0)),
    ]


def test_on_failure_lets_a_worker_end_well_but_not_out_of_ill_health() -> None:
    """Exit code 0 after a kill by a failed probe is no success."""
    policy = RestartPolicy()
    assert judge(policy, ENDED_WELL, (0.0,), 0.0, ORDINARY) == Rest(
        "it ended well and the restart policy is on-failure"
    )
    sick = judge(policy, Ending(True, "health"), (0.0,), 0.0, ORDINARY)
    assert sick == Retry(1.0, "restart in 1s (1 of 5 within 5m)")


def test_always_starts_again_what_ended_well() -> None:
    """The exit code plays no part."""
    policy = RestartPolicy(policy="always", backoff=Backoff(delay=Duration(0.0), max_retries=None))
    assert judge(policy, ENDED_WELL, (7.0,), 7.0, Outside(0.9)) == Retry(
        7.0, "restarted at once (1 of unlimited within 5m)"
    )


def test_an_override_replaces_the_backoff_for_its_trigger_alone() -> None:
    """A sick worker may have another budget than one that crashed."""
    policy = RestartPolicy(overrides={"health": Backoff(delay=Duration(30.0), max_retries=1)}, jitter=0.0)
    assert judge(policy, SICK, (0.0,), 0.0, ORDINARY) == Retry(30.0, "restart in 30s (1 of 1 within 5m)")
    assert judge(policy, FAILED, (0.0,), 0.0, ORDINARY) == Retry(1.0, "restart in 1s (1 of 5 within 5m)")


def test_multipliers_stretch_delay_and_retries() -> None:
    """Severity and profile multiply each other; a budget never shrinks to nothing."""
    policy = RestartPolicy(severity={"warning": 2.0, "emergency": 0.01}, profile=1.5, jitter=0.0)
    warned = judge(policy, Ending(False, severity="warning"), (0.0,), 0.0, ORDINARY)
    assert warned == Retry(3.0, "restart in 3s (1 of 15 within 5m)")
    emergency = judge(policy, Ending(False, severity="emergency"), (0.0, 1.0), 1.0, ORDINARY)
    assert emergency == GiveUp("1 restart within 5m (max_retries); one trial start in 5m", 301.0)


def test_a_stretched_budget_is_spent_as_well() -> None:
    """Enough exits are remembered for it, though the budget as written is smaller."""
    policy = RestartPolicy(backoff=Backoff(max_retries=2), profile=3.0, severity={"critical": 2.0})
    kinds = [type(verdict) for _, verdict in live(policy, [(1.0, FAILED, ORDINARY)] * 14)]
    assert kinds == [Retry] * 12 + [GiveUp] * 2


def test_a_trial_that_fails_opens_the_breaker_again_at_once() -> None:
    """However much of the budget has come back meanwhile."""
    verdict = judge(RestartPolicy(), FAILED, (400.0,), 400.0, ORDINARY, trial=True)
    assert verdict == GiveUp("the trial start after a cool-down failed; next trial in 5m", 700.0)


def test_a_long_healthy_life_gives_the_whole_budget_back() -> None:
    """Only this exit counts then; after a short one, all inside the window do."""
    policy = RestartPolicy()
    assert counted(policy, (1.0, 2.0, 3.0), 100.0, ready_for=60.0) == (100.0,)
    assert counted(policy, (1.0, 2.0, 3.0), 301.5, ready_for=59.0) == (2.0, 3.0, 301.5)


def test_health_that_resets_nothing_closes_the_breaker_once_the_window_is_over() -> None:
    """With `reset_after: 0` only time forgets; a trial start has to live that long."""
    policy = RestartPolicy(reset_after=Duration(0.0), window=Duration(300.0))
    assert (recovered(policy, 299.0), recovered(policy, 300.0)) == (False, True)
    assert (recovered(RestartPolicy(), 59.0), recovered(RestartPolicy(), 60.0)) == (False, True)
    assert counted(policy, (1.0,), 100.0, ready_for=99.0) == (1.0, 100.0)


def test_on_a_host_under_pressure_restarts_are_spaced() -> None:
    """The delay is multiplied, beyond its cap too, and the reason says why."""
    policy = RestartPolicy(backoff=Backoff(max_delay=Duration(2.0)), jitter=0.0)
    assert live(policy, [(10.0, FAILED, Outside(0.5, PRESSED))] * 3) == [
        (10.0, Retry(13.0, "restart in 3s (1 of 5 within 5m; host under pressure: cpu 80 %)")),
        (20.0, Retry(26.0, "restart in 6s (2 of 5 within 5m; host under pressure: cpu 80 %)")),
        (30.0, Retry(36.0, "restart in 6s (3 of 5 within 5m; host under pressure: cpu 80 %)")),
    ]


def test_what_would_come_at_once_waits_a_little_and_not_all_for_as_long() -> None:
    """A thousand workers that end together on a starving host do not start together."""
    policy = RestartPolicy(policy="always", backoff=Backoff(delay=Duration(0.0), max_retries=None), jitter=0.0)
    verdicts = [judge(policy, FAILED, (7.0,), 7.0, Outside(roll, PRESSED)) for roll in (0.0, 0.5)]
    assert verdicts == [
        Retry(8.0, "restart in 1s (1 of unlimited within 5m; host under pressure: cpu 80 %)"),
        Retry(9.0, "restart in 2s (1 of unlimited within 5m; host under pressure: cpu 80 %)"),
    ]


# --- properties -----------------------------------------------------------------------------------------------------


@given(policies(), endings, st.integers(1, 100), rolls)
def test_a_delay_keeps_to_cap_and_jitter(policy: RestartPolicy, ending: Ending, exits: int, roll: float) -> None:
    """Never before now, never above the cap (stretched by the multipliers) and its jitter."""
    match judge(policy, ending, (0.0,) * exits, 0.0, Outside(roll)):
        case Retry(at=delay):
            base = policy.overrides.get(ending.trigger, policy.backoff)
            times = policy.severity.get(ending.severity, 1.0) * policy.profile
            cap = base.max_delay if times == 1.0 else max(base.max_delay, base.delay * times)
            assert 0.0 <= delay <= cap * (1 + policy.jitter) + EPSILON
            assert delay >= min(base.delay * times, cap) * (1 - policy.jitter) - EPSILON


@given(policies(profile=st.just(1.0), severity=st.just({}), overrides=st.just({})), rolls)
def test_delays_do_not_shrink_while_a_worker_keeps_failing(policy: RestartPolicy, roll: float) -> None:
    """With the same roll, each restart waits at least as long as the one before."""
    patient = replace(policy, backoff=replace(policy.backoff, max_retries=None))
    delays = [
        verdict.at
        for n in range(1, 30)
        if isinstance(verdict := judge(patient, FAILED, (0.0,) * n, 0.0, Outside(roll)), Retry)
    ]
    assert len(delays) == 29
    assert delays == sorted(delays)


@given(policies(st.integers(1, 6), overrides=st.just({}), severity=st.just({}), profile=st.just(1.0)), stories)
def test_no_window_sees_more_retries_than_the_budget(
    policy: RestartPolicy, story: list[tuple[float, Ending, Outside]]
) -> None:
    """Whatever the sequence of exits, as long as the worker never stays ready long enough to reset the count."""
    retries = [at for at, verdict in live(policy, story) if isinstance(verdict, Retry)]
    budget = policy.backoff.max_retries
    assert budget is not None
    for end in retries:
        assert sum(0.0 <= end - at < policy.window for at in retries) <= budget


@given(policies(), stories)
def test_not_even_overrides_and_multipliers_exceed_the_largest_budget(
    policy: RestartPolicy, story: list[tuple[float, Ending, Outside]]
) -> None:
    """Forgetting old exits never lets one more retry through than the budget that judged it allows."""
    verdicts = live(policy, story)
    for number, (at, verdict) in enumerate(verdicts):
        ending = story[number][1]
        base = policy.overrides.get(ending.trigger, policy.backoff)
        times = policy.severity.get(ending.severity, 1.0) * policy.profile
        if isinstance(verdict, Retry) and base.max_retries is not None:
            before = sum(at - earlier < policy.window for earlier, _ in verdicts[:number])
            assert before < max(1, base.max_retries * times)


@given(policies(st.just(0)), endings, st.integers(1, 20), outsides, st.booleans())
def test_max_retries_of_zero_means_none(
    policy: RestartPolicy, ending: Ending, exits: int, outside: Outside, trial: bool
) -> None:
    """No retry, and no trial after a cool-down either."""
    verdict = judge(policy, ending, (0.0,) * exits, 0.0, outside, trial=trial)
    assert isinstance(verdict, Rest) or verdict == GiveUp("max_retries is 0", None)


@given(policies(policy=st.just("never")), endings, st.integers(1, 20), outsides, st.booleans())
def test_never_means_never(policy: RestartPolicy, ending: Ending, exits: int, outside: Outside, trial: bool) -> None:
    """Nothing about the exit changes it."""
    assert judge(policy, ending, (0.0,) * exits, 0.0, outside, trial=trial) == Rest("restart policy is never")


@given(policies(st.integers(1, 8)), endings, st.integers(1, 20), outsides)
def test_a_failed_trial_gives_up_at_once(policy: RestartPolicy, ending: Ending, exits: int, outside: Outside) -> None:
    """Whatever is left of the budget; only an end that asks for no restart is none."""
    verdict = judge(policy, ending, (0.0,) * exits, 50.0, outside, trial=True)
    assert isinstance(verdict, Rest) or (isinstance(verdict, GiveUp) and verdict.retry_at == 50.0 + policy.cool_down)


@given(policies(), st.lists(st.floats(0.0, 60.0), max_size=30), st.floats(0.0, 1000.0))
def test_long_health_resets_the_count(policy: RestartPolicy, gaps: list[float], more: float) -> None:
    """Ready for `reset_after` or longer: this exit is the first one again."""
    failures: tuple[float, ...] = ()
    now = 0.0
    for gap in gaps:
        now += gap
        failures = counted(policy, failures, now, 0.0)
    assert counted(policy, failures, now, policy.reset_after + more) == (now,)


@given(policies(profile=st.just(1.0), severity=st.just({})), st.lists(st.floats(0.0, 1.0), min_size=20, max_size=40))
def test_what_is_counted_stays_bounded(policy: RestartPolicy, gaps: list[float]) -> None:
    """No more exits are kept than the largest budget can tell apart, all inside the window, oldest first."""
    failures: tuple[float, ...] = ()
    now = 0.0
    for gap in gaps:
        now += gap
        failures = counted(policy, failures, now, 0.0)
        assert len(failures) <= 16 + 1
        assert list(failures) == sorted(failures)
        assert failures[-1] == now
        assert all(now - at < policy.window for at in failures)


@given(policies(), endings, st.integers(1, 40), rolls, strains, st.booleans())
def test_pressure_only_ever_spaces(
    policy: RestartPolicy, ending: Ending, exits: int, roll: float, strain: Strain, trial: bool
) -> None:
    """It changes no verdict but the moment of a restart: never sooner, at most MOST times as late and 1.5s for each 1
    above, and later the harder the host is pressed."""
    failures = (0.0,) * exits
    calm = judge(policy, ending, failures, 0.0, Outside(roll), trial=trial)
    pressed = judge(policy, ending, failures, 0.0, Outside(roll, strain), trial=trial)
    harder = judge(policy, ending, failures, 0.0, Outside(roll, Strain(MOST, "host under pressure")), trial=trial)
    if isinstance(calm, Retry):
        assert isinstance(pressed, Retry)
        assert isinstance(harder, Retry)
        assert calm.at <= pressed.at <= harder.at <= max(calm.at * MOST, 1.5 * (MOST - 1)) + EPSILON
        assert strain.factor == 1.0 or pressed.at > 0.0
    else:
        assert pressed == harder == calm
