"""The launcher's loop: what is due is called, in order, once, and nothing else wakes it."""

import os

import pytest

from beeyard.launcher import loop as loop_module
from beeyard.launcher.loop import Loop


class FakeTime:
    """The `time` and the `select.epoll` of a loop: waiting is what makes time pass."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def epoll(self) -> "FakeTime":
        return self

    def poll(self, patience: float) -> list[tuple[int, int]]:
        self.waits.append(patience)
        self.now += max(0.0, patience)
        return []


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """The loop module's clock and poll."""
    made = FakeTime()
    monkeypatch.setattr(loop_module, "time", made)
    monkeypatch.setattr(loop_module, "select", made)
    return made


def test_timers_are_called_in_order_of_their_moments(fake: FakeTime) -> None:
    """Those of one moment in the order they were asked for; the loop waits exactly as long as it has to."""
    loop, calls = Loop(), list[str]()
    loop.later(2.0, loop.stop)
    loop.later(2.0, lambda: calls.append("last"))
    loop.later(1.0, lambda: calls.append("b"))
    loop.later(0.5, lambda: calls.append("a"))
    loop.later(1.0, lambda: calls.append("c"))
    loop.run()
    assert calls == ["a", "b", "c", "last"]
    assert fake.waits == [0.5, 0.5, 1.0]


def test_a_cancelled_timer_is_neither_called_nor_waited_for(fake: FakeTime) -> None:
    """At any time, harmlessly."""
    loop, calls = Loop(), list[str]()
    early = loop.later(1.0, lambda: calls.append("early"))
    late = loop.later(3.0, lambda: calls.append("late"))
    loop.later(2.0, late.cancel)
    loop.later(4.0, loop.stop)
    early.cancel()
    early.cancel()
    loop.run()
    assert calls == []
    assert fake.waits == [2.0, 2.0]


def test_a_timer_may_ask_for_the_next(fake: FakeTime) -> None:
    """Even for at once."""
    loop, calls = Loop(), list[str]()

    def first() -> None:
        calls.append("first")
        loop.later(0.0, second)

    def second() -> None:
        calls.append("second")
        loop.stop()

    loop.later(1.0, first)
    loop.run()
    assert calls == ["first", "second"]


def test_a_busy_loop_does_not_wait_and_an_idle_one_waits_for_ever(fake: FakeTime) -> None:
    """-1 is epoll's word for that. After each turn its callbacks are called."""
    loop = Loop()
    turns = iter([True, True, False])
    loop.busy = lambda: next(turns)
    loop.after_turn.append(lambda: loop.stop() if len(fake.waits) == 3 else None)
    loop.run()
    assert fake.waits == [0.0, 0.0, -1.0]


def test_descriptors_are_watched_until_they_are_forgotten() -> None:
    """Readable ones; and writable ones where that was asked for."""
    loop, seen = Loop(), list[bytes]()
    reading, writing = os.pipe()

    def readable(events: int) -> None:
        seen.append(os.read(reading, 10))
        loop.forget(reading)
        loop.forget(reading)
        os.write(writing, b"unseen")
        loop.watch(writing, writable)
        loop.watch(writing, writable, write=True)

    def writable(events: int) -> None:
        seen.append(b"writable")
        loop.stop()

    loop.watch(reading, readable)
    os.write(writing, b"hello")
    loop.run()
    assert seen == [b"hello", b"writable"]
    os.close(reading)
    os.close(writing)
