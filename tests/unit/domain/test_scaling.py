"""How many instances are wanted: by example, and what holds whatever they bear."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from beeyard.domain.scaling import Load, Metric, Past, Scaling, decide, needed, unfit
from beeyard.domain.values import Duration

GROUP = Scaling(min=2, max=8, cpu=70.0)
LOOK = 3.0


def shared(shares: float, missing: int = 0) -> Load:
    """What they bear together, in shares of one."""
    return Load(shares, missing, f"{shares:g}")


class Course:
    """A group that is looked at every few seconds; what is decided is done at once."""

    def __init__(self, scaling: Scaling, running: int) -> None:
        self.scaling, self.running, self.at = scaling, running, 1000.0
        self.past = Past(self.at)
        self.changes: list[tuple[float, int]] = []

    def bear(self, load: Load | None, seconds: float) -> list[tuple[float, int]]:
        """The changes meanwhile: after how many seconds of all, and to how many."""
        before = len(self.changes)
        for _ in range(int(seconds / LOOK)):
            self.at += LOOK
            wanted, self.past = decide(self.scaling, self.running, load, self.at, self.past)
            if wanted != self.running:
                self.running, self.past = wanted, replace(self.past, changed=self.at)
                self.changes.append((self.at - 1000.0, wanted))
        return self.changes[before:]


@pytest.mark.parametrize(
    ("running", "load", "wanted"),
    [
        (2, shared(2.6), 3),
        (2, shared(5.2), 6),
        (2, shared(50.0), 8),
        (4, shared(1.0), 2),
        (4, shared(2.9), 3),
        (4, shared(3.7), 4),
        (4, shared(4.3), 4),
        (4, shared(3.0), 3),
        (3, shared(0.0), 2),
    ],
)
def test_so_many_are_needed_that_each_bears_its_share(running: int, load: Load, wanted: int) -> None:
    """Rounded up, within bounds, and the same within a tenth of the share."""
    assert needed(GROUP, running, load) == wanted


@pytest.mark.parametrize(
    ("running", "load", "wanted"),
    [
        (4, None, 4),
        (4, shared(0.5, missing=3), 4),
        (4, shared(0.5, missing=1), 2),
        (5, shared(2.8, missing=3), 5),
        (5, shared(5.9, missing=3), 6),
    ],
)
def test_of_whom_nothing_is_known_is_neither_idle_nor_a_reason_for_more(
    running: int, load: Load | None, wanted: int
) -> None:
    """It bears its full share when some are to be stopped, and nothing when more are to be started."""
    assert needed(GROUP, running, load) == wanted


def test_instances_that_crash_again_and_again_lead_to_no_more_instances() -> None:
    """Two bear all, three never get ready: what the two bear would keep five busy, and five there are."""
    group = Course(GROUP, 5)
    assert group.bear(shared(4.6, missing=3), 3600) == []


@pytest.mark.parametrize(("load", "wanted"), [(0.0, 3), (0.9, 3), (2.0, 4), (3.7, 6), (50.0, 8)])
def test_spares_are_beyond_the_need(load: float, wanted: int) -> None:
    """However little there is to bear, one is needed; beyond the upper bound there are none."""
    scaling = replace(GROUP, spares=2)
    group = Course(scaling, scaling.least)
    group.bear(shared(load), 3600)
    assert (scaling.least, group.running) == (3, wanted)


def test_spares_bear_with_the_others_and_are_not_counted_on() -> None:
    """Four bear what four may: two of them are to be spares, so there is too much for the other two."""
    assert needed(replace(GROUP, spares=2), 4, shared(4.0)) == 6


def test_more_are_started_once_the_load_has_lasted() -> None:
    """`up` seconds, not before; a short peak starts none."""
    group = Course(GROUP, 2)
    assert group.bear(shared(4.0), 12) == []
    assert group.bear(shared(1.8), 3) == []
    assert group.bear(shared(4.0), 15) == []
    assert group.bear(shared(4.0), 30) == [(33.0, 4)]


def test_some_are_stopped_once_none_was_needed_for_long() -> None:
    """`down` seconds; the most that any look of that time asked for stay."""
    group = Course(GROUP, 6)
    assert group.bear(shared(1.0), 150) == []
    assert group.bear(shared(4.0), 3) == []
    assert group.bear(shared(1.0), 297) == [(300.0, 4)]
    assert group.bear(shared(1.0), 300) == [(456.0, 2)]


def test_nothing_changes_again_before_it_cooled_down() -> None:
    """The first answer to what was started is waited for."""
    group = Course(GROUP, 2)
    assert group.bear(shared(3.0), 60) == [(15.0, 3)]
    assert group.bear(shared(6.0), 60) == [(78.0, 6)]


def test_what_could_not_be_done_is_decided_again_at_once() -> None:
    """Only what was applied cools down: the caller says so."""
    past = Past(0.0)
    for at in (15.0, 18.0, 21.0):
        wanted, past = decide(GROUP, 2, shared(4.0), at, past)
        assert wanted == 4


def test_missing_figures_never_stop_any() -> None:
    """Not even one look without figures, within the time that all of them have to agree."""
    group = Course(GROUP, 6)
    assert group.bear(None, 3600) == []
    assert group.bear(shared(1.0), 150) == []
    assert group.bear(None, 3) == []
    assert group.bear(shared(1.0), 300) == []
    assert group.bear(shared(1.0), 3) == [(4056.0, 2)]


def test_a_master_that_just_came_back_changes_nothing_at_once() -> None:
    """It has seen nothing of the time that decides."""
    for load in (shared(0.0), shared(50.0), None):
        assert decide(GROUP, 4, load, 100.0, Past(100.0, changed=None))[0] == 4


def test_bounds_hold_at_once() -> None:
    """Whatever they bear, and even while a change cools down."""
    past = Past(0.0, changed=99.0)
    assert decide(GROUP, 1, None, 100.0, past)[0] == 2
    assert decide(GROUP, 9, shared(50.0), 100.0, past)[0] == 8


scalings = st.builds(
    lambda least, more, spares, up, down, cool: Scaling(
        min=least,
        max=least + more,
        spares=min(spares, least + more - 1),
        cpu=70.0,
        up=Duration(up),
        down=Duration(down),
        cool_down=Duration(cool),
    ),
    st.integers(1, 6),
    st.integers(1, 12),
    st.integers(0, 4),
    st.floats(0, 60),
    st.floats(0, 300),
    st.floats(0, 120),
)
loads = st.none() | st.builds(Load, st.floats(0, 40), st.integers(0, 6))


@given(scalings, st.integers(0, 30), st.lists(st.tuples(loads, st.floats(0.5, 400)), max_size=30))
def test_what_is_wanted_is_always_within_bounds(
    scaling: Scaling, running: int, course: list[tuple[Load | None, float]]
) -> None:
    """Wherever it comes from, and whatever is borne."""
    at, past = 0.0, Past(0.0)
    for load, passed in course:
        at += passed
        running, past = decide(scaling, running, load, at, past)
        assert scaling.least <= running <= scaling.max
        past = replace(past, changed=at)


@given(scalings, st.integers(0, 18), st.floats(0, 30))
def test_a_constant_load_is_answered_once(scaling: Scaling, above: int, load: float) -> None:
    """Then nothing changes any more."""
    group = Course(scaling, min(scaling.max, scaling.least + above))
    group.bear(Load(load), 1200)
    assert len(group.changes) <= 1


@given(scalings, st.integers(0, 18), st.floats(0, 30), st.floats(0, 30), st.integers(0, 6))
def test_more_load_never_asks_for_fewer(scaling: Scaling, above: int, one: float, other: float, missing: int) -> None:
    """For the same group at the same moment."""
    running = min(scaling.max, scaling.least + above)
    less, more = (needed(scaling, running, Load(load, missing)) for load in sorted((one, other)))
    assert less <= more


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({}, []),
        ({"min": 9}, ["instances.min: found 9, expected at most max, which is 8"]),
        ({"spares": 8}, ["instances.spares: found 8, expected less than max, which is 8"]),
        ({"metric": Metric("http://a/", "q", 1.0)}, ["instances.metric: found cpu and metric, expected one of them"]),
        (
            {"cpu": None},
            [
                "instances: found neither cpu nor metric, expected one of them"
                " (by what should it be decided how many are to run?)"
            ],
        ),
        ({"cpu": None, "max": 2}, []),
        ({"cpu": None, "metric": Metric("/metrics", "q", 1.0)}, []),
        (
            {"cpu": None, "metric": Metric("/metrics", "q", 1.0, "htpt")},
            [
                "instances.metric.endpoint: found htpt, expected the name of an http endpoint (did you mean http?)",
            ],
        ),
        (
            {"cpu": None, "metric": Metric("metrics", "a b", 1.0)},
            [
                "instances.metric.name: found a b, expected the name of a metric",
                "instances.metric.http: found metrics, expected a path such as /metrics, or a URL",
            ],
        ),
    ],
)
def test_what_does_not_go_together_is_said(fields: dict[str, Any], problems: list[str]) -> None:
    """By the words of the worker file."""
    found = unfit(replace(GROUP, **fields), "web.1", {"http": "http", "data": "tcp"})
    assert [str(problem) for problem in found] == problems


def test_a_path_needs_an_endpoint_and_a_group_its_instances() -> None:
    """What no worker of it could ever tell is refused."""
    scaling = replace(GROUP, cpu=None, metric=Metric("/metrics", "q", 1.0))
    assert [str(problem) for problem in unfit(scaling, "web", {"data": "tcp"})] == [
        "instances: found the worker web, expected an instance of a group, such as web.1",
        "instances.metric.http: found /metrics, and no http endpoint, expected one, or a URL",
    ]
