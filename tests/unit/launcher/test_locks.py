"""Lock files: one holder, known by its pid, until its process ends."""

import os
import subprocess
import sys
from pathlib import Path

from beeyard.launcher.locks import holder, lock

HOLD = "import sys; from beeyard.launcher.locks import lock; print(lock(sys.argv[1])); sys.stdin.read()"


def test_nobody_holds_what_is_not_there_or_not_locked(tmp_path: Path) -> None:
    """A file left behind means nothing, whatever it says."""
    path = str(tmp_path / "lock")
    assert holder(path) is None
    Path(path).write_text("12345")
    assert holder(path) is None


def test_a_lock_is_held_by_one_and_names_it(tmp_path: Path) -> None:
    """Looking at it takes nothing; an older, longer pid leaves no digits behind."""
    path = str(tmp_path / "lock")
    Path(path).write_text("999999999999")
    held = lock(path)
    assert held is not None
    assert [holder(path), holder(path)] == [os.getpid()] * 2
    assert lock(path) is None
    assert holder(path) == os.getpid()
    os.close(held)
    assert holder(path) is None


def test_two_processes_can_not_hold_it_and_the_end_of_one_frees_it(tmp_path: Path) -> None:
    """Killed or not, without anybody cleaning up."""
    path = str(tmp_path / "lock")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip().isdigit()
        assert holder(path) == other.pid
        assert lock(path) is None
        other.kill()
        other.wait()
        held = lock(path)
        assert held is not None
        os.close(held)


def test_a_lock_is_not_inherited(tmp_path: Path) -> None:
    """A child that outlives us would hold it."""
    held = lock(str(tmp_path / "lock"))
    assert held is not None
    assert not os.get_inheritable(held)
    os.close(held)
