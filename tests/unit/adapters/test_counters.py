"""Reading cgroups again and again: what is read, what is known already, and which files are kept open."""

import errno
import os
from pathlib import Path

import pytest

from beeyard.adapters.providers.process import cgroups, kept
from beeyard.adapters.providers.process.counters import AWAKE, SLICE, SPENT, WHOLE, Counters
from beeyard.adapters.providers.process.kept import Kept
from beeyard.launcher.kernel import Identity
from beeyard.ports.provider import Reading
from tests.descriptors import opened

ONE, TWO = Identity(101, 1), Identity(102, 1)


class Groups:
    """Two attempts' cgroups, as files; `read` are those whose processes were looked at."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.read: list[str] = []
        self.size = 1000
        for name in ("", "101@1", "102@1"):
            self.use(name, 0)
        patch.setattr(cgroups, "folder", lambda leader: str(folder / f"{leader.pid}@1"))
        self.asked: list[str] = []
        self._read = Kept.read
        counted = self._counted
        patch.setattr(Kept, "read", lambda made, path, spare=0: counted(made, path, spare))
        patch.setattr(Counters, "_members", lambda made, group: self._members(group.folder))
        patch.setattr(Counters, "_resident", lambda made, group, pid: self.size or None)

    def use(self, name: str, micros: int) -> None:
        """So much CPU was used there until now."""
        (self.folder / name).mkdir(exist_ok=True)
        (self.folder / name / "cpu.stat").write_text(f"usage_usec {micros}\nuser_usec 0\n")

    def _counted(self, made: Kept, path: str, spare: int) -> bytes:
        self.asked.append(Path(path).parent.name)
        return self._read(made, path, spare)

    def _members(self, folder: str) -> list[int]:
        self.read.append(Path(folder).name)
        return [7, 8]


class Looker:
    """Joins the parts; from look to look it gets later."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.now = 0.0

    def __call__(self, leaders: list[Identity | None], later: float = 1.0) -> list[Reading | None]:
        self.now += later
        return [reading for part in self.counters.read(leaders, self.now) for reading in part]


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Groups:
    """Both idle."""
    return Groups(tmp_path, monkeypatch)


def test_what_did_not_run_is_not_read_again(groups: Groups) -> None:
    """And what did is, at once; one file tells whether anything did."""
    look = Looker()
    assert look([ONE, None, TWO]) == [Reading(0.0, 2000, 2), None, Reading(0.0, 2000, 2)]
    groups.read.clear()
    groups.asked.clear()
    groups.size = 5000
    assert look.counters.stirred() is False
    assert look([ONE, TWO]) == [Reading(0.0, 2000, 2)] * 2
    assert groups.read == []
    assert groups.asked == [groups.folder.name] * 2
    groups.use("", 30_000)
    groups.use("102@1", 30_000)
    assert look.counters.stirred() is True
    assert look([ONE, TWO]) == [Reading(0.0, 2000, 2), Reading(0.03, 10000, 2)]
    assert groups.read == ["102@1"]


def test_memory_is_read_after_so_much_work_or_so_long(groups: Groups) -> None:
    """Not of one that woke for a moment; its CPU is told all the same."""
    look = Looker()
    look([ONE])
    groups.size = 5000
    groups.use("", 1)
    groups.use("101@1", SPENT - 1)
    assert look([ONE]) == [Reading((SPENT - 1) / 1e6, 2000, 2)]
    groups.use("", 2)
    groups.use("101@1", SPENT)
    assert look([ONE]) == [Reading(SPENT / 1e6, 10000, 2)]
    groups.size = 7000
    groups.use("", 3)
    groups.use("101@1", SPENT + 1)
    assert look([ONE], AWAKE) == [Reading((SPENT + 1) / 1e6, 14000, 2)]


def test_now_and_then_all_is_read(groups: Groups) -> None:
    """Memory can go while nothing runs."""
    look = Looker()
    look([ONE])
    groups.size = 1
    assert look([ONE], WHOLE - 1) == [Reading(0.0, 2000, 2)]
    assert look([ONE]) == [Reading(0.0, 2, 2)]


def test_a_cgroup_that_is_gone_tells_nothing(groups: Groups) -> None:
    """Not even what was known of it."""
    look = Looker()
    look([ONE])
    groups.use("", 1)
    groups.use("101@1", 0)
    look.counters._kept.only(())
    (groups.folder / "101@1" / "cpu.stat").unlink()
    assert look([ONE]) == [None]


def test_many_are_read_in_parts(groups: Groups) -> None:
    """Each small enough for the loop, and all together complete, in order."""
    leaders = [ONE, TWO, None] * SLICE
    made = Counters()
    list(made.read(leaders, 0.0))
    groups.use("", 1)
    parts = list(made.read(leaders, 1.0))
    assert max(part.count(Reading(0.0, 2000, 2)) for part in parts) == SLICE
    assert [reading is None for part in parts for reading in part] == [False, False, True] * SLICE


def test_a_process_that_is_ending_uses_nothing_that_could_be_told(groups: Groups) -> None:
    """It gave its memory back before it is gone: 0 bytes would be the last point of every curve."""
    groups.size = 0
    assert Looker()([ONE]) == [None]


def test_where_one_has_no_cgroup_only_a_look_tells(groups: Groups, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody counts for all sessions together."""
    monkeypatch.setattr(cgroups, "folder", lambda leader: None)
    look = Looker()
    assert look.counters.stirred() is True
    look([Identity(os.getpid(), 1)])
    assert look.counters.stirred() is None


def test_a_thousand_attempts_later_no_file_is_left_open(groups: Groups) -> None:
    """A file is given back with its attempt, and all with the last one."""
    look = Looker()
    before = opened()
    for number in range(1000):
        groups.use(f"{number}@1", 0)
        look([Identity(number, 1)])
        assert (opened() - before).total() <= 2
    look.counters.forget()
    assert not opened() - before


@pytest.mark.parametrize("count", [1, 15, 16, 17, 2000])
def test_every_process_of_a_list_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """However long it is; the leader's size comes from a file that is kept, as the list is."""
    (tmp_path / "one").mkdir()
    (tmp_path / "cpu.stat").write_text("usage_usec 1\n")
    (tmp_path / "one/cpu.stat").write_text("usage_usec 1\n")
    (tmp_path / "one/cgroup.procs").write_text(f"{os.getpid():7}\n" * count)
    monkeypatch.setattr(cgroups, "folder", lambda leader: str(tmp_path / "one"))
    made = Counters()
    [reading] = [reading for part in made.read([Identity(os.getpid(), 1)], 0.0) for reading in part]
    assert reading is not None
    assert reading.processes == count
    assert reading.rss is not None
    assert reading.rss > count << 20
    assert len(made._kept) == 4


def files(folder: Path, count: int) -> list[str]:
    """So many, each with its number in it."""
    for number in range(count):
        (folder / str(number)).write_text(f"{number}")
    return [str(folder / str(number)) for number in range(count)]


def test_no_more_files_are_kept_than_there_may_be(tmp_path: Path) -> None:
    """The others are read all the same."""
    made, paths = Kept(most=3), files(tmp_path, 9)
    for _ in range(2):
        assert [made.read(path) for path in paths] == [b"%d" % number for number in range(9)]
        assert len(made) == 3


def test_what_matters_less_leaves_room(tmp_path: Path) -> None:
    """It is read all the same."""
    made, (first, second) = Kept(most=3), files(tmp_path, 2)
    assert made.read(first, 2) == b"0"
    assert made.read(second, 2) == b"1"
    assert list(made._open) == [first]


def test_without_descriptors_half_of_the_kept_ones_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading goes on, and the others can open files again."""
    made, paths = Kept(most=100), files(tmp_path, 9)
    for path in paths[:8]:
        made.read(path)
    real = kept._open

    def full(path: str) -> int:
        if len(made) == 8:
            raise OSError(errno.EMFILE, "none left")
        return real(path)

    monkeypatch.setattr(kept, "_open", full)
    assert made.read(paths[8]) == b"8"
    assert [made.read(path) for path in paths] == [b"%d" % number for number in range(9)]
    assert len(made) == 4


def test_files_go_with_who_kept_them(tmp_path: Path) -> None:
    """A master that was one of several in its process leaves none."""
    before = opened()
    made = Kept(most=100)
    for path in files(tmp_path, 5):
        made.read(path)
    assert (opened() - before).total() == 5
    del made
    assert not opened() - before
