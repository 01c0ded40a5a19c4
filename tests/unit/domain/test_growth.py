"""What only grows is told, and what comes and goes is not."""

from collections.abc import Sequence
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from beeyard.domain.growth import ROW, TIMES, WINDOW, Grown, Growth, grown, seen

STEP = 200.0
"""Seconds from one value to the next: three of them are a window."""
EACH = int(WINDOW / STEP)

values = st.integers(0, 1000)


@st.composite
def climbs(draw: st.DrawFn) -> list[list[int]]:
    """Windows of values that mostly climb, by so little that it often counts for nothing."""
    levels = accumulate(draw(st.lists(st.sampled_from([1, 2, 2, 2, 3, 0, -9]), min_size=1, max_size=2 * ROW)))
    noise = st.lists(st.integers(0, 1), min_size=EACH, max_size=EACH)
    return [[max(0, 3 + level + one) for one in draw(noise)] for level in levels]


def watched(series: Sequence[float]) -> Growth:
    """After all of these."""
    growth = Growth()
    for number, value in enumerate(series):
        growth = seen(growth, number * STEP, value)
    return growth


@given(climbs())
def test_it_grows_if_every_window_lies_above_the_one_before_and_it_doubled(drawn: list[list[int]]) -> None:
    """As one would say it with all the values at hand; the last window is not over."""
    over = drawn[:-1]
    row = over[-1:]
    for window in reversed(over[:-1]):
        if max(window) >= min(row[0]):
            break
        row.insert(0, window)
    expected = None
    if len(row) > ROW and min(row[-1]) >= TIMES * max(row[0]):
        expected = Grown(max(row[0]), min(row[-1]), (len(over) - len(row)) * WINDOW)
    assert grown(watched([value for window in drawn for value in window])) == expected


@given(st.lists(st.integers(0, 50), min_size=ROW + 2, max_size=ROW + 6), st.integers(1, 40))
def test_a_climb_is_told_from_its_foot_on(noise: list[int], step: int) -> None:
    """Whatever it did before, and however uneven its steps, once it has doubled."""
    climb = [100 + 200 * number + noise[number] + step * at for number in range(len(noise)) for at in (0, 1)]
    growth = Growth()
    for number, value in enumerate(climb):
        growth = seen(growth, number * WINDOW / 2, value)
    told = grown(growth)
    assert told is not None
    assert (told.before, told.since) == (climb[1], 0.0)


@given(st.lists(values, min_size=1, max_size=2 * EACH), st.integers(2, 30))
def test_what_comes_back_within_a_window_or_two_is_never_told(cycle: list[int], times: int) -> None:
    """However much it swings: a pool that fills and empties, a cache up to its bound."""
    growth = Growth()
    for number, value in enumerate(cycle * times):
        growth = seen(growth, number * STEP, value)
        assert grown(growth) is None


def test_it_is_told_no_more_once_something_was_given_back() -> None:
    """When the window in which that was is over."""
    series: list[float] = [10.0 * (number // EACH + 1) for number in range((ROW + 2) * EACH)]
    assert grown(watched(series)) == Grown(10.0, 70.0, 0.0)
    series += [5.0] * EACH + [200.0]
    assert grown(watched(series)) is None


def test_as_much_again_is_the_least_that_counts() -> None:
    """In as many windows as it takes at least."""
    series = [12.0, 14.0, 16.0, 18.0, 20.0, 22.0, 24.0]
    assert len(series) == ROW + 1
    assert grown(watched([value for value in [*series, 0.0] for _ in range(EACH)])) == Grown(12.0, 24.0, 0.0)
    series[-1] = 23.0
    assert grown(watched([value for value in [*series, 0.0] for _ in range(EACH)])) is None
