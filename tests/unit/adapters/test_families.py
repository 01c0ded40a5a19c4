"""Which processes are an attempt's where no cgroup says so."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from beeyard.adapters.notify import MARK
from beeyard.adapters.providers.process.families import Families
from beeyard.launcher import kernel
from beeyard.launcher.kernel import Identity


def identity(pid: int) -> Identity:
    """Of one that runs."""
    seen = kernel.stat(pid)
    assert seen is not None
    return Identity(pid, seen.start)


def found(families: Families, *leaders: Identity) -> dict[Identity, list[int]]:
    """The last part."""
    [*_, last] = [{}, *families.find(leaders)]
    return last


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Ended with the test."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def sleeper(running: list[subprocess.Popen[bytes]], *, session: bool, mark: bytes = b"") -> int:
    """A program that is there: it was started when this returns."""
    started = subprocess.Popen(["/bin/sleep", "1000"], start_new_session=session, env={MARK: mark} if mark else {})
    running.append(started)
    return started.pid


def test_a_family_is_a_session_and_who_bears_the_mark(running: list[subprocess.Popen[bytes]]) -> None:
    """A stranger is in none, and neither is who bears another mark."""
    leader = identity(sleeper(running, session=True, mark=b"yard/worker/1"))
    escaped = sleeper(running, session=True, mark=b"yard/worker/1")
    other = identity(sleeper(running, session=True, mark=b"yard/other/1"))
    sleeper(running, session=True)
    families = Families()
    for _ in range(2):
        seen = found(families, leader, other)
        assert {one: sorted(pids) for one, pids in seen.items()} == {
            leader: sorted([leader.pid, escaped]),
            other: [other.pid],
        }


def test_a_leader_without_session_or_mark_is_its_own_family(running: list[subprocess.Popen[bytes]]) -> None:
    """It was there before us."""
    leader = identity(sleeper(running, session=False))
    assert found(Families(), leader) == {leader: [leader.pid]}


def test_one_that_is_gone_has_no_family() -> None:
    """Its number may be another's by now."""
    assert found(Families(), Identity(os.getpid(), 1)) == {}
