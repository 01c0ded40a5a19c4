"""Which processes belong to an attempt, as far as it can be told without a cgroup of our own."""

import builtins
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from beeyard.launcher import kernel, trees
from beeyard.launcher.trees import MARK, CgroupForest, MarkForest, Tree

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:26 / {v1} rw,nosuid shared:9 - cgroup cgroup rw,cpu
31 22 0:27 / {v2} rw,nosuid shared:10 master:3 - cgroup2 cgroup2 rw
"""
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
    forest = MarkForest("0123")
    with marked("0123/web/1") as mine, marked("0123/web/2") as other:
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
    forest = MarkForest("0123")
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
        pid = os.posix_spawn("/bin/sleep", ["sleep", "100"], {MARK: "0123/web/1"})
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
    forest = MarkForest("0123")
    tree: Tree = forest.plant("web", 1)
    assert list(forest.standing()) == []
    assert tree.door() is None
    forest.clear()


def test_what_an_earlier_launcher_planted_is_read_from_its_folders(tmp_path: Path) -> None:
    """Worker names may hold a dot; what has nothing in it is removed, and what is not ours is left alone."""
    for name, members in {"web.1@3": "11\n12\n", "db@12": "13\n", "other": "15\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").write_text(members)
    (tmp_path / "gone@1").mkdir()
    forest = CgroupForest(str(tmp_path), -1)
    assert sorted(tree.members() for tree in forest.standing()) == [[11, 12], [13]]
    assert sorted(os.listdir(tmp_path)) == ["db@12", "other", "web.1@3"]
    assert forest.plant("web.1", 3).members() == [11, 12]


def test_a_cgroup_is_gone_when_its_folder_is(tmp_path: Path) -> None:
    """It can be made, looked at and removed, twice each."""
    tree = CgroupForest(str(tmp_path), -1).plant("web", 1)
    assert tree.members() == []
    assert tree.remove()
    for _ in range(2):
        os.close(tree.door())
    assert os.listdir(tmp_path) == ["web@1"]
    assert tree.remove()
    assert tree.remove()
    tree.kill()


@pytest.mark.parametrize("own", ["/", "/user.slice/x", "/user.slice/x/beeyard-0123456789abcdef/web@1"])
def test_the_forest_stands_beside_the_launcher_in_the_v2_hierarchy(
    own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it is mounted, never below a worker's own cgroup; and nobody is moved for good."""
    v2 = tmp_path / "v2"
    above = v2 / own.lstrip("/").partition("beeyard-")[0]
    above.mkdir(parents=True)
    (above / "cgroup.procs").write_text("")
    proc = {
        "/proc/self/mountinfo": MOUNTS.format(v1=tmp_path / "v1", v2=v2),
        "/proc/self/cgroup": f"4:cpu:/elsewhere\n0::{own}\n",
    }
    real_open, real_rmdir = builtins.open, os.rmdir
    removed: list[str] = []

    def opens(path: str, mode: str = "r") -> Any:
        return io.StringIO(proc[path]) if path in proc else real_open(path, mode)

    def rmdir(path: str) -> None:
        removed.append(path)
        (Path(path) / "cgroup.procs").unlink()
        real_rmdir(path)

    monkeypatch.setattr(trees, "open", opens, raising=False)
    monkeypatch.setattr(os, "rmdir", rmdir)
    assert CgroupForest.found("feed") is None  # There is no cgroup.kill: this is a plain folder.
    assert removed == [str(above / "beeyard-feed" / "trial")]
    assert (above / "cgroup.procs").read_text() == "00"


def test_without_a_v2_hierarchy_there_is_no_forest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks have to do."""
    monkeypatch.setattr(
        trees, "open", lambda path, *mode: io.StringIO("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"), raising=False
    )
    assert CgroupForest.found("feed") is None
    assert isinstance(trees.forest("feed"), MarkForest)
