"""When an excess is told, and when its policy is carried out."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from beeyard.domain.limits import ENDINGS, Limit, Limits, Policy
from beeyard.domain.values import Duration
from beeyard.domain.watching import Measure, Watch, watch

ALWAYS = float("-inf")
"""The end of a grace that is over."""


def memory(rss: float) -> Measure:
    """A measure of which only the memory matters."""
    return Measure(cpu=0.0, rss=int(rss), processes=1)


def limits(policy: Policy = "restart", warning: float = 80, **times: float) -> Limits:
    """100 bytes of memory."""
    return Limits({"memory.max_rss": Limit(100, policy, warning)}, **{k: Duration(v) for k, v in times.items()})  # type: ignore[arg-type]


def told(limits: Limits, *values: float, grace_until: float = ALWAYS) -> list[list[tuple[Any, Any]]]:
    """(level, act) of what each value gives, measured once a second."""
    seen, result = Watch(), []
    for at, value in enumerate(values):
        seen, found = watch(limits, seen, memory(value), float(at), grace_until)
        result.append([(excess.level, excess.act) for excess in found])
    return result


def test_each_level_is_told_once_and_so_is_its_end() -> None:
    """By how far the value is above the bound."""
    assert told(limits("log"), 50, 80, 85, 100, 120, 150, 150, 90, 50, 50) == [
        [],
        [("warning", None)],
        [],
        [("critical", None)],
        [],
        [("emergency", None)],
        [],
        [("warning", None)],
        [(None, None)],
        [],
    ]


def test_a_value_that_dances_around_its_bound_fills_no_log() -> None:
    """Only a good margin below it is below."""
    assert told(limits("log", warning=0), 100, 99, 101, 96, 100, 94, 100) == [
        [("critical", None)],
        [],
        [],
        [],
        [],
        [(None, None)],
        [("critical", None)],
    ]


@pytest.mark.parametrize("policy", sorted(ENDINGS))
def test_an_end_is_carried_out_at_once_where_nothing_says_to_wait(policy: Any) -> None:
    """And once."""
    assert told(limits(policy), 100, 120, 130) == [[("critical", policy)], [], []]


def test_a_sustained_excess_is_told_first_and_acted_upon_later() -> None:
    """Time at a warning does not count; a dip below the bound begins it anew."""
    assert told(limits(sustained=3), 90, 90, 90, 100, 110, 80, 100, 100, 100, 100) == [
        [("warning", None)],
        [],
        [],
        [("critical", None)],
        [],
        [("warning", None)],
        [("critical", None)],
        [],
        [],
        [("critical", "restart")],
    ]


def test_a_spike_is_nothing() -> None:
    """Shorter than the tolerance, neither told nor acted upon."""
    assert told(limits(spike=2), 200, 200, 10, 200, 10) == [[], [], [], [], []]
    assert told(limits(spike=2), 200, 200, 200) == [[], [], [("emergency", "restart")]]


def test_within_the_grace_of_a_start_nothing_is_ended() -> None:
    """It is told all the same."""
    assert told(limits(), 120, 120, 120, grace_until=2.0) == [[("critical", None)], [], [("critical", "restart")]]


def test_of_two_excesses_one_ends_the_attempt() -> None:
    """The other one is told."""
    both = Limits({"memory.max_rss": Limit(100, "restart"), "process.max_processes": Limit(1, "immediate_kill")})
    _, found = watch(both, Watch(), memory(200), 0.0, ALWAYS)
    assert [(excess.limit, excess.act) for excess in found] == [
        ("memory.max_rss", "restart"),
        ("process.max_processes", None),
    ]


def test_the_text_says_what_was_measured_what_was_allowed_and_what_comes() -> None:
    """A person reads it at night."""
    wide = Limits(
        {"memory.max_rss": Limit(512 * 1024**2, "restart"), "cpu.max_percent": Limit(50, "throttle")},
        sustained=Duration(60.0),
    )
    seen, found = watch(wide, Watch(), Measure(1.0, 600 * 1024**2, 3), 10.0, ALWAYS)
    assert [excess.text for excess in found] == ["memory.max_rss: 600 MB of 512 MB (critical), restart if it lasts 1m"]
    seen, found = watch(wide, seen, Measure(3.0, 600 * 1024**2, 3), 12.0, ALWAYS)
    assert [excess.text for excess in found] == ["cpu.max_percent: 100 % of 50 % (emergency)"]
    seen, found = watch(wide, seen, Measure(3.0, 600 * 1024**2, 3), 80.0, ALWAYS)
    assert [excess.text for excess in found] == [
        "memory.max_rss: 600 MB of 512 MB (critical) for 1m 10s, restart",
        "cpu.max_percent: down to 0 %",
    ]


def test_what_can_t_be_told_changes_nothing() -> None:
    """One reading missed is neither an excess nor the end of one."""
    files = Limits({"process.max_file_descriptors": Limit(10, "restart")}, sustained=Duration(2.0))
    seen, first = watch(files, Watch(), Measure(0, 0, 1, descriptors=10), 0.0, ALWAYS)
    seen, second = watch(files, seen, Measure(0, 0, 1), 1.0, ALWAYS)
    _, third = watch(files, seen, Measure(0, 0, 1, descriptors=10), 2.0, ALWAYS)
    assert ([excess.act for excess in first], second, [excess.act for excess in third]) == ([None], [], ["restart"])


def test_policies_that_say_none_are_not_watched() -> None:
    """Whatever the value."""
    assert told(limits("none"), 1000, 1000) == [[], []]


VALUES = st.lists(st.integers(0, 200), min_size=1, max_size=40)


@example([100, 78, 100], "restart", 0, 0, 0)
@given(
    values=VALUES,
    policy=st.sampled_from(["log", "restart", "immediate_kill"]),
    sustained=st.integers(0, 4),
    spike=st.integers(0, 4),
    grace=st.integers(0, 10),
)
def test_nothing_is_ended_that_was_not_over_for_as_long_as_it_has_to_be(
    values: list[int], policy: Policy, sustained: int, spike: int, grace: int
) -> None:
    """Nor is anything spared that was; and what was told last is what is."""
    limit = limits(policy, sustained=float(sustained), spike=float(spike))
    seen, level, acted = Watch(), None, False
    over, began = 0, None
    for at, value in enumerate(values):
        seen, found = watch(limit, seen, memory(value), float(at), float(grace))
        over = over + 1 if value >= 100 else 0
        within = value < 95 or (began is None and value < 100)  # A dip of less than the margin is none.
        began = None if within else at if began is None else began
        ends = [excess for excess in found if excess.act]
        assert len(ends) <= 1
        assert all(excess.act == policy for excess in ends)
        if ends:
            assert not acted
            assert at >= grace
            assert began is not None
            assert at - began >= max(sustained, spike)
        if policy in ENDINGS and over > max(sustained, spike) and at >= grace:
            assert ends or acted
        if value < 76:
            acted = False
        acted = acted or bool(ends)
        level = found[-1].level if found else level
        if value < 76:
            assert level is None
        if spike == 0:
            assert level is not None or value < 80
