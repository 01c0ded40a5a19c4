"""What the kernel is asked to hold, by the policy of each bound."""

import pytest

from beeyard.domain.limits import (
    HEADROOM,
    HELD_BY,
    Hold,
    Limit,
    LimitName,
    Limits,
    Policy,
    amount,
    held,
    kept_as,
    raised,
)

MB = 1024.0**2


def one(name: LimitName, bound: float, policy: Policy) -> Hold:
    """What is held of a single bound."""
    return held(Limits({name: Limit(bound, policy)}))


@pytest.mark.parametrize("policy", ["none", "log", "alert"])
@pytest.mark.parametrize("name", [*HELD_BY, "cpu.max_time"])
def test_policies_that_only_tell_hold_nothing(name: LimitName, policy: Policy) -> None:
    """Who asks for a line in the log must not find a process killed."""
    assert one(name, 3, policy) == Hold()
    assert kept_as(name, Limit(3, policy)) == ""


@pytest.mark.parametrize("name", HELD_BY)
def test_throttle_holds_every_bound_that_can_be_held(name: LimitName) -> None:
    """And says by which field, for status."""
    hold = one(name, 64, "throttle")
    assert [getattr(hold, at) for at in Hold.__struct_fields__].count(None) == len(Hold.__struct_fields__) - 1
    assert getattr(hold, kept_as(name, Limit(64, "throttle"))) is not None


def test_cpu_time_as_a_whole_can_t_be_throttled() -> None:
    """It is used up; only the kernel's own limit would kill, which is not slowing down."""
    assert one("cpu.max_time", 60, "throttle") == Hold()


def test_an_end_in_order_needs_room_above_the_bound() -> None:
    """A kill needs none. Nothing but memory has a backstop."""
    assert one("memory.max_rss", 100 * MB, "immediate_kill").memory == 100 * MB
    for policy in ("graceful_shutdown", "restart", "restart_adjusted"):
        assert one("memory.max_rss", 100 * MB, policy).memory == 100 * MB * HEADROOM
        assert one("process.max_processes", 9, policy) == Hold()


def test_of_two_bounds_on_one_thing_the_lower_holds() -> None:
    """Percent are of one core; children are all processes but the first."""
    both = Limits({"cpu.max_cores": Limit(2, "throttle"), "cpu.max_percent": Limit(50, "throttle")})
    assert held(both) == Hold(cores=0.5)
    both = Limits({"process.max_processes": Limit(9, "throttle"), "process.max_child_processes": Limit(4, "throttle")})
    assert held(both) == Hold(processes=5)


def test_weights_are_always_held() -> None:
    """They bound nothing, so they have no policy."""
    assert held(Limits(cpu_shares=512, io_weight=50)) == Hold(shares=512, io_weight=50)


def test_raised_bounds_leave_the_others_alone() -> None:
    """And keep their policies."""
    limits = Limits({"memory.max_rss": Limit(100, "restart_adjusted", 80), "cpu.max_cores": Limit(1, "throttle")})
    assert raised(limits, {"memory.max_rss": 1.5}).bounds == {
        "memory.max_rss": Limit(150, "restart_adjusted", 80),
        "cpu.max_cores": Limit(1, "throttle"),
    }
    assert raised(limits, {}) is limits


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("memory.max_rss", 512 * MB, "512 MB"),
        ("cpu.max_cores", 1.0, "1 core"),
        ("cpu.max_cores", 0.25, "0.25 cores"),
        ("cpu.max_percent", 80.0, "80 %"),
        ("cpu.max_time", 90.0, "1m 30s"),
        ("io.max_write_bps", 2 * MB, "2.0 MB/s"),
        ("io.max_read_ops", 100.0, "100/s"),
        ("process.max_processes", 64.0, "64"),
    ],
)
def test_amounts_read_as_people_write_them(name: LimitName, value: float, text: str) -> None:
    """With their unit, so that no message needs one of its own."""
    assert amount(name, value) == text
