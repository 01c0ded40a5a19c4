"""The real clock: what every process of one boot agrees on, and calls that are never early."""

import asyncio
import time

from beeyard.adapters.clock import SystemClock


def test_both_clocks_are_those_of_the_system() -> None:
    """A moment that one master saved means the same to the next."""
    before = (time.monotonic(), time.time())
    now = SystemClock().now()
    after = (time.monotonic(), time.time())
    assert before[0] <= now.mono <= after[0]
    assert before[1] <= now.wall <= after[1]


async def test_a_call_is_never_early() -> None:
    """By its own clock; and those of later moments come later."""
    clock, called = SystemClock(), list[tuple[str, float]]()
    done = asyncio.Event()
    due = clock.now().mono + 0.01

    def last() -> None:
        called.append(("last", clock.now().mono))
        done.set()

    clock.call_at(due + 0.01, last)
    clock.call_at(due, lambda: called.append(("first", clock.now().mono)))
    await done.wait()
    assert [name for name, _ in called] == ["first", "last"]
    assert called[0][1] >= due
    assert called[1][1] >= due + 0.01


async def test_what_is_past_is_called_soon_and_not_at_once() -> None:
    """Whoever asks goes on first."""
    clock, called = SystemClock(), list[str]()
    clock.call_at(clock.now().mono - 5.0, lambda: called.append("past"))
    assert called == []
    await asyncio.sleep(0)
    assert called == ["past"]


async def test_a_call_taken_back_is_not_made() -> None:
    """Nor does it harm to take it back afterwards."""
    clock, called = SystemClock(), list[str]()
    past = clock.call_at(0.0, lambda: called.append("past"))
    clock.call_at(clock.now().mono + 60.0, lambda: called.append("future")).cancel()
    past.cancel()
    await asyncio.sleep(0)
    assert called == []
    past.cancel()
