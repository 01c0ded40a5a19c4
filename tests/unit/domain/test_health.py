"""From single results to verdicts."""

from hypothesis import given
from hypothesis import strategies as st

from beeyard.domain.health import Streak, first, observe
from beeyard.domain.spec import ProbeRole, ProbeSpec

PROBES = st.builds(ProbeSpec, means=st.just("process"), failures=st.integers(1, 5), successes=st.integers(1, 5))
RESULTS = st.lists(st.booleans(), max_size=60)
ROLES = st.sampled_from(ProbeRole.__args__)  # type: ignore[attr-defined]


def verdicts(probe: ProbeSpec, role: ProbeRole, results: list[bool]) -> list[tuple[int, bool | None]]:
    """Each change of the verdict: after how many results, and to what."""
    streak = first(role)
    changes = []
    for number, ok in enumerate(results, 1):
        streak, changed = observe(probe, streak, ok)
        if changed:
            changes.append((number, streak.passed))
    return changes


def test_liveness_begins_as_passed_and_the_others_undecided() -> None:
    """A worker is taken as alive, but not as started or ready, until it has been asked."""
    assert first("liveness") == Streak(True)
    assert first("readiness") == first("startup") == Streak(None)


def test_three_failures_in_a_row_make_a_failed_verdict() -> None:
    """A success in between starts the count anew."""
    probe = ProbeSpec(means="tcp", failures=3)
    results = [False, False, True, False, False, False, False]
    assert verdicts(probe, "liveness", results) == [(6, False)]
    assert verdicts(probe, "readiness", results) == [(3, True), (6, False)]


def test_a_first_failed_verdict_of_readiness_is_a_change() -> None:
    """So that its reason is told, though the worker was not ready before either."""
    assert verdicts(ProbeSpec(means="tcp", failures=1), "readiness", [False, False]) == [(1, False)]


@given(PROBES, ROLES, RESULTS)
def test_a_verdict_changes_only_after_enough_equal_results(
    probe: ProbeSpec, role: ProbeRole, results: list[bool]
) -> None:
    """Each change is preceded by `failures` or `successes` results that all say the same as the new verdict."""
    for number, passed in verdicts(probe, role, results):
        needed = probe.successes if passed else probe.failures
        assert number >= needed
        assert results[number - needed : number] == [passed] * needed


@given(PROBES, ROLES, RESULTS)
def test_the_verdict_is_that_of_the_last_long_enough_run(
    probe: ProbeSpec, role: ProbeRole, results: list[bool]
) -> None:
    """No change is missed: whoever reads the results as a whole comes to the same verdict."""
    streak = first(role)
    for ok in results:
        streak, _ = observe(probe, streak, ok)
    expected = first(role).passed
    for end in range(1, len(results) + 1):
        ok = results[end - 1]
        needed = probe.successes if ok else probe.failures
        if end >= needed and all(result == ok for result in results[end - needed : end]):
            expected = ok
    assert streak.passed == expected
