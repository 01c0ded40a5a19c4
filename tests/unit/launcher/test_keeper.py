"""Companions come back: at once the first time, later and later while they keep ending early, and never doubled."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from beeyard.launcher import keeper
from beeyard.launcher.keeper import Companion
from beeyard.launcher.locks import lock
from beeyard.launcher.loop import Loop, Timer


class FakeLoop:
    """Remembers what was asked of it; `fire` makes the next call, and time has passed until then."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []
        self.watched: dict[int, Callable[[int], None]] = {}

    def monotonic(self) -> float:
        return self.now

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self.now + seconds, call))
        return self.timers[-1]

    def watch(self, fd: int, handler: Callable[[int], None], *, write: bool = False) -> None:
        self.watched[fd] = handler

    def forget(self, fd: int) -> None:
        del self.watched[fd]

    def fire(self) -> float:
        """Returns how long it took until the only timer was due."""
        [timer] = self.timers
        self.timers.clear()
        waited, self.now = timer.when - self.now, timer.when
        assert timer.call is not None
        timer.call()
        return waited


class Nursery:
    """One companion over a fake loop, whose programs are numbers."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loop = FakeLoop()
        self.spawned: list[int] = []
        self.refuse = False
        self.started = 0
        self.lock = str(folder / "lock")
        monkeypatch.setattr(keeper, "time", self.loop)
        monkeypatch.setattr(keeper, "say", lambda text: None)
        monkeypatch.setattr(os, "posix_spawn", self._spawn)
        self.companion = Companion("master", ["/bin/master"], self.lock, cast(Loop, self.loop), self._started)

    def _spawn(self, *given: object, **more: object) -> int:
        if self.refuse:
            raise FileNotFoundError(2, "no such file")
        self.spawned.append(1_000_000 + len(self.spawned))
        return self.spawned[-1]

    def _started(self) -> None:
        self.started += 1

    def end(self, *, after: float) -> None:
        """The companion ends, so long after its start."""
        assert self.companion.pid is not None
        self.loop.now += after
        assert self.companion.reaped(self.companion.pid, 256)


@pytest.fixture
def nursery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nursery:
    """A companion that was never started."""
    return Nursery(tmp_path, monkeypatch)


def test_one_that_ends_early_comes_back_later_and_later(nursery: Nursery) -> None:
    """At once, then doubling, up to half a minute."""
    nursery.companion.ensure()
    waits = []
    for _ in range(12):
        nursery.end(after=1.0)
        waits.append(round(nursery.loop.fire(), 3))
    assert waits == [0.0, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0, 30.0]


def test_a_long_life_forgives_what_was_before(nursery: Nursery) -> None:
    """The next end is the first again."""
    nursery.companion.ensure()
    for _ in range(5):
        nursery.end(after=1.0)
        nursery.loop.fire()
    nursery.end(after=keeper.STEADY + 1.0)
    assert nursery.loop.fire() == 0.0


def test_one_that_can_not_be_started_is_tried_for_ever(nursery: Nursery) -> None:
    """However many thousand times: 2 to the power of 1024 is no float."""
    nursery.refuse = True
    nursery.companion.ensure()
    for _ in range(2000):
        waited = nursery.loop.fire()
    assert waited == keeper.SLOWEST
    nursery.refuse = False
    nursery.loop.fire()
    assert (nursery.companion.pid, nursery.started) == (1_000_000, 1)


def test_one_that_was_released_is_not_started_again(nursery: Nursery) -> None:
    """Neither after its end nor by a timer that was set before."""
    nursery.companion.ensure()
    nursery.end(after=1.0)
    [timer] = nursery.loop.timers
    nursery.companion.release()
    assert timer.call is None
    nursery.companion.ensure()
    assert nursery.spawned == [1_000_000]


def test_a_strange_child_is_no_companion(nursery: Nursery) -> None:
    """Its status is somebody else's."""
    nursery.companion.ensure()
    assert not nursery.companion.reaped(77, 0)
    assert nursery.companion.pid == 1_000_000
    assert nursery.companion.status is None


def test_one_that_runs_is_not_started_twice(nursery: Nursery) -> None:
    """However often it is asked for."""
    nursery.companion.ensure()
    nursery.companion.ensure()
    assert nursery.spawned == [1_000_000]


@pytest.fixture
def stranger(nursery: Nursery) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the companion's lock and is nobody's child here."""
    code = "import sys; from beeyard.launcher.locks import lock; lock(sys.argv[1]); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, nursery.lock],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Else Python 3.13 would use the posix_spawn that is watched here.
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_one_that_a_predecessor_started_is_taken_over_and_watched(
    nursery: Nursery, stranger: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is seen through a pidfd, for it is not our child."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    nursery.companion.ensure()
    assert (nursery.companion.pid, nursery.spawned, nursery.started) == (stranger.pid, [], 1)
    [(fd, ended)] = nursery.loop.watched.items()
    stranger.kill()
    stranger.wait()
    ended(0)
    assert nursery.loop.watched == {}
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    nursery.loop.fire()
    assert nursery.spawned == [1_000_000]


def test_a_holder_that_is_gone_before_it_can_be_watched_is_not_believed(
    nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would ever tell its end."""
    monkeypatch.setattr(keeper, "holder", lambda path: 2**22 + 1)
    nursery.companion.ensure()
    assert nursery.companion.pid is None
    monkeypatch.undo()
    assert len(nursery.loop.timers) == 1


def test_our_own_child_that_holds_the_lock_is_the_companion(nursery: Nursery) -> None:
    """After a launcher replaced itself: the child is reaped as ever, and needs no pidfd."""
    fd = lock(nursery.lock)
    assert fd is not None
    os.close(fd)
    code = "import sys; from beeyard.launcher.locks import lock; lock(sys.argv[1]); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, nursery.lock],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Else Python 3.13 would use the posix_spawn that is watched here.
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        nursery.companion.ensure()
        assert (nursery.companion.pid, nursery.loop.watched) == (child.pid, {})
        child.kill()
