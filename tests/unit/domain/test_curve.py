"""A worker's curve: what is kept, for how long, and what is not made up."""

import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beeyard.domain.curve import FINE, MINUTE, MOST_COARSE, MOST_ENDS, MOST_FINE, REST, Curve, Point

MB = 1024**2
BEGAN = 1000.0

READINGS = st.lists(
    st.tuples(
        st.floats(-10.0, 400.0),  # seconds since the last one; negative: a clock that went back
        st.floats(0.0, 50.0),  # CPU seconds more
        st.integers(0, 2**45),
        st.sampled_from(["same", "same", "same", "next", "ended"]),
    ),
    max_size=400,
)


def filled(readings: list[tuple[float, float, int, str]]) -> tuple[Curve, list[float], float]:
    """A curve, the moments at which it was given something, and the largest memory."""
    curve, at, cpu, attempt = Curve(BEGAN), BEGAN, 0.0, 1
    moments, most = [BEGAN], 0.0
    for wait, more, memory, what in readings:
        at, cpu = at + wait, cpu + more
        if what == "ended":
            curve.end(at)
        if what != "same":
            attempt, cpu = attempt + 1, 0.0
        curve.take(attempt, at, cpu, memory)
        moments.append(at)
        most = max(most, memory)
    return curve, moments, most


@given(READINGS)
def test_points_are_bounded_in_order_and_never_below_nothing(readings: list[tuple[float, float, int, str]]) -> None:
    """Whatever clocks and counters do, and however often it is read."""
    curve, moments, most = filled(readings)
    points = list(curve.points())
    assert len(points) <= MOST_FINE + MOST_COARSE
    assert len(curve.ends()) <= MOST_ENDS
    assert all(before.at <= after.at for before, after in pairwise(points))
    assert all(min(moments) - 0.1 <= point.at <= max(moments) + 0.1 for point in points)
    assert all(point.cpu is None or point.cpu >= 0 for point in points)
    assert all(point.memory is not None and 0 <= point.memory <= most for point in points)
    if points:
        assert points[-1].at - points[0].at <= (MOST_COARSE + FINE + 1) * MINUTE


@given(st.lists(st.tuples(st.floats(0.5, 20.0), st.integers(1, 4000)), min_size=2, max_size=300))
def test_a_peak_of_memory_survives_the_folding(steps: list[tuple[float, int]]) -> None:
    """Of the last two hours; a leak between two minutes is what the curve is looked at for."""
    curve, at = Curve(BEGAN), BEGAN
    seen: list[tuple[float, int]] = []
    for wait, size in steps:
        at += wait
        curve.take(1, at, 0.0, size * MB)
        seen.append((at, size))
    points = list(curve.points())
    assert max(point.memory or 0 for point in points) == max(size for _, size in seen) * MB
    assert points[-1].memory == seen[-1][1] * MB


@given(st.floats(0.0, 8.0), st.floats(0.5, 30.0), st.integers(2, 400))
def test_a_steady_use_is_steady_at_every_age(cores: float, period: float, count: int) -> None:
    """Folding is a mean, so that old and new points can be compared."""
    curve = Curve(BEGAN)
    for number in range(1, count):
        curve.take(1, BEGAN + number * period, cores * number * period, MB, BEGAN)
    assert all(point.cpu == pytest.approx(cores, abs=0.002) for point in curve.points())


def test_cpu_is_what_was_used_between_two_readings() -> None:
    """The first one of an attempt is measured from its beginning, where that is known."""
    curve = Curve(BEGAN)
    curve.take(1, BEGAN + 5, 1.0, MB, BEGAN)
    curve.take(1, BEGAN + 10, 6.0, 2 * MB)
    assert list(curve.points()) == [Point(BEGAN + 5, 0.2, MB), Point(BEGAN + 10, 1.0, 2 * MB)]


def test_another_attempt_counts_from_its_own_beginning() -> None:
    """Its counter has nothing to do with the one before, larger or smaller."""
    curve = Curve(BEGAN)
    curve.take(1, BEGAN + 5, 4.0, MB, BEGAN)
    curve.end(BEGAN + 6)
    curve.take(2, BEGAN + 10, 9.0, MB)
    curve.take(2, BEGAN + 15, 10.0, MB)
    assert [point.cpu for point in curve.points()] == [0.8, None, 0.2]
    assert curve.ends() == [BEGAN + 6]


def test_a_counter_that_went_back_is_not_known() -> None:
    """No reading of nothing, and none of a negative use; the next one is right again."""
    curve = Curve(BEGAN)
    for at, cpu in ((5, 4.0), (10, 2.0), (15, 3.0)):
        curve.take(1, BEGAN + at, cpu, MB)
    assert [point.cpu for point in curve.points()] == [None, None, 0.2]


def test_a_reading_from_the_past_is_left_out() -> None:
    """Two readings of one moment have no time between them."""
    curve = Curve(BEGAN)
    for at in (5.0, 5.0, 4.0, 10.0):
        curve.take(1, BEGAN + at, at / 10, MB)
    assert [point.at - BEGAN for point in curve.points()] == [5.0, 10.0]


def test_a_worker_that_was_down_left_a_gap() -> None:
    """Between two of its points, and no point of zero."""
    curve = Curve(BEGAN)
    for at in (5.0, 10.0, 300.0, 305.0):
        curve.take(1 if at < 100 else 2, BEGAN + at, at, 7 * MB)
    assert [(point.at - BEGAN, point.memory) for point in curve.points()] == [
        (10.0, 7 * MB),
        (300.0, 7 * MB),
        (305.0, 7 * MB),
    ]


@pytest.mark.parametrize(("period", "most"), [(5.0, 2560), (1.0, 4400)])
def test_it_takes_no_more_memory_than_it_says(period: float, most: int) -> None:
    """Full, after three hours with an end each minute."""
    curve = Curve(BEGAN)
    for number in range(1, int(3 * 3600 / period)):
        curve.take(number // 12 + 1, BEGAN + number * period, number, 900 * MB)
        if number % 12 == 0:
            curve.end(BEGAN + number * period)
    parts = [getattr(curve, name) for name in ("_fine", "_coarse", "_ends")]
    assert sys.getsizeof(curve) + sum(map(sys.getsizeof, parts)) <= most
    points = list(curve.points())
    assert points[-1].at - points[0].at >= (MOST_COARSE - 1) * MINUTE


def test_a_minute_that_is_over_becomes_one_point() -> None:
    """Its last moment, the mean of its CPU, and the most memory; the last minutes stay whole."""
    curve = Curve(0.0)
    cpu = 0.0
    for number, (cores, size) in enumerate([(1.0, 5), (2.0, 90), (3.0, 7), (0.5, 8), (0.5, 9)]):
        cpu += cores * 20
        curve.take(1, 20.0 * number + 10.0, cpu, size * MB)
    assert len(list(curve.points())) == 5
    curve.take(1, 185.0, cpu, MB)
    assert list(curve.points()) == [
        Point(50.0, 2.5, 90 * MB),
        Point(70.0, 0.5, 8 * MB),
        Point(90.0, 0.5, 9 * MB),
        Point(185.0, 0.0, MB),
    ]


def test_read_too_often_it_is_folded_sooner() -> None:
    """A bound that holds only while nobody changes the period would be none."""
    curve = Curve(0.0)
    for number in range(1, 4 * MOST_FINE):
        curve.take(1, number / 20, 0.0, number * MB)
        assert len(list(curve.points())) <= MOST_FINE + number // MOST_FINE


def test_a_minute_of_sleep_and_a_second_of_work_are_weighed_by_how_long_they_took() -> None:
    """Points come seldom while a worker sleeps; each speaks for the time since the one before."""
    curve = Curve(0.0)
    for at, cpu in ((15.0, 0.0), (30.0, 0.0), (45.0, 0.0), (49.0, 0.0), (50.0, 1.0), (200.0, 1.0)):
        curve.take(1, at, cpu, 0, 0.0)
    assert next(curve.points()) == Point(50.0, 0.02, 0)


def test_readings_that_tell_nothing_new_are_left_out_and_what_follows_is_measured_from_them() -> None:
    """A point now and then tells that it lives; its work after a sleep is not spread over the sleep."""
    curve = Curve(0.0)
    for second in range(1, 20):
        curve.take(1, float(second), 1.0, 1024, 0.0)
    curve.take(1, 20.0, 1.5, 1024)
    assert list(curve.points()) == [
        Point(1.0, 1.0, 1024),
        Point(1.0 + REST, 0.0, 1024),
        Point(19.0, 0.0, 1024),
        Point(20.0, 0.5, 1024),
    ]


def test_memory_that_nobody_can_tell_stays_unknown() -> None:
    """Also when minutes are folded; what was known of others then is not lost with it."""
    curve = Curve(BEGAN)
    curve.take(1, BEGAN + 1, 0.5, 7 * MB)
    for number in range(2, 200):
        curve.take(2, BEGAN + number * MINUTE / 4, float(number), None)
    points = list(curve.points())
    assert (points[0].memory, {point.memory for point in points[1:]}) == (7 * MB, {None})
