"""Counting who fails: exactly so many in any window, and never more memory than for so many."""

from hypothesis import given
from hypothesis import strategies as st

from beeyard.domain.failures import Failures

STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 30)), max_size=80)


@given(STEPS)
def test_no_window_has_more_than_so_many_failures_of_one(steps: list[tuple[str, float]]) -> None:
    """Wherever the window begins."""
    failures = Failures(at_once=3, window=60.0)
    taken: dict[str, list[float]] = {}
    now = 0.0
    for key, pause in steps:
        now += pause
        if failures.take(key, now) == 0:
            taken.setdefault(key, []).append(now)
    for times in taken.values():
        assert all(later - first >= 60.0 for first, later in zip(times, times[3:], strict=False))


@given(STEPS)
def test_after_the_wait_one_more_is_taken(steps: list[tuple[str, float]]) -> None:
    """And not a moment before: what Retry-After says is true."""
    failures = Failures(at_once=3, window=60.0)
    now = 0.0
    for key, pause in steps:
        now += pause
        wait = failures.wait(key, now)
        assert 0 <= wait <= 60
        if wait > 1e-3:
            assert failures.take(key, now + wait - 1e-3) > 0
            assert failures.take(key, now + wait) < 1e-3
            now += wait
        else:
            failures.take(key, now)


@given(STEPS)
def test_one_is_not_held_up_by_another(steps: list[tuple[str, float]]) -> None:
    """Each key is as if it were alone."""
    together, alone = Failures(at_once=3), Failures(at_once=3)
    now = 0.0
    for key, pause in steps:
        now += pause
        seen = together.take(key, now)
        if key == "a":
            assert seen == alone.take(key, now)


def test_what_is_not_taken_does_not_count() -> None:
    """Whoever goes on failing waits no longer for it."""
    failures = Failures(at_once=2, window=60.0)
    assert [failures.take("a", 0.0), failures.take("a", 30.0)] == [0.0, 0.0]
    assert [failures.take("a", at) for at in (31.0, 45.0, 59.0)] == [29.0, 15.0, 1.0]
    assert [failures.take("a", 60.0), failures.take("a", 61.0), failures.take("a", 90.0)] == [0.0, 29.0, 0.0]


def test_whoever_failed_longest_ago_is_forgotten_first() -> None:
    """A network of strangers can fill no memory."""
    failures = Failures(at_once=2, keys=3)
    for key in "aabbcca":
        failures.take(key, 0.0)
    failures.take("a", 60.0)
    failures.take("d", 60.0)
    assert [failures.wait(key, 59.0) for key in "abc"] == [1.0, 0.0, 1.0]
