"""Which processes belong to an attempt, as far as it can be told without a cgroup of our own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from beeyard.launcher import kernel
from beeyard.launcher.trees import MARK, MarkForest, Tree

OURS = f"trees-{os.getpid()}"
"""Others run the same tests at the same time, and a mark is looked for in all processes of the host."""
SAYS = "print(flush=True); import sys; sys.stdin.read()"


@contextmanager
def marked(mark: str, *, session: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A process with this mark in its environment."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", SAYS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, MARK: mark},
        start_new_session=session,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_what_carries_the_mark_belongs_to_the_attempt_and_is_killed_with_it() -> None:
    """Another attempt of the same worker is not touched."""
    forest = MarkForest(OURS)
    with marked(f"{OURS}/web/1") as mine, marked(f"{OURS}/web/2") as other:
        tree = forest.plant("web", 1)
        assert tree.members() == [mine.pid]
        assert not tree.remove()
        tree.kill()
        assert mine.wait() == -9
        assert tree.members() == []
        assert tree.remove()
        assert other.poll() is None


def test_the_leaders_session_belongs_to_the_attempt_whatever_it_did_to_its_environment() -> None:
    """A group that lives is seen without looking through all processes."""
    forest = MarkForest(OURS)
    forest.strays = lambda: False
    with marked("erased", session=True) as leader:
        tree = forest.plant("web", 1, leader.pid)
        assert tree.members() == [leader.pid]
        assert not tree.remove()
        tree.kill()
        leader.wait()
        assert tree.remove()


def test_a_process_that_is_within_execve_is_not_overlooked() -> None:
    """For some microseconds it has no environment at all."""
    for _ in range(300):
        pid = os.posix_spawn("/bin/sleep", ["sleep", "100"], {MARK: f"{OURS}/web/1"})
        try:
            assert all(kernel.environment(pid) for _ in range(20))
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_an_empty_environment_is_told_as_such() -> None:
    """Nobody waits for one that never comes."""
    with subprocess.Popen([sys.executable, "-S", "-c", SAYS], stdin=subprocess.PIPE, env={}) as process:
        assert kernel.environment(process.pid).get(MARK.encode()) is None
        process.kill()


def test_marks_need_nothing_made_and_leave_nothing() -> None:
    """An earlier launcher's attempts are found by their records alone."""
    forest = MarkForest(OURS)
    tree: Tree = forest.plant("web", 1)
    assert list(forest.standing()) == []
    assert (tree.door(), tree.folder) == (None, None)
    forest.clear()
