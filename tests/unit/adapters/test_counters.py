"""Reading cgroups again and again: what is read, and what is known already."""

from collections.abc import Callable
from pathlib import Path

import pytest

from beeyard.adapters.providers.process import counters
from beeyard.adapters.providers.process.counters import SLICE, WHOLE, Counters
from beeyard.launcher.kernel import Identity
from beeyard.ports.provider import Reading

ONE, TWO = Identity(101, 1), Identity(102, 1)


class Groups:
    """Two attempts' cgroups, as files; `read` are those whose processes were looked at."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.read: list[str] = []
        self.size = 1000
        for name in ("", "101@1", "102@1"):
            self.use(name, 0)
        patch.setattr(counters, "_folder", lambda leader: str(folder / f"{leader.pid}@1"))
        self.asked = 0
        self._used = counters._used
        patch.setattr(counters, "_used", self._counted)
        patch.setattr(counters, "_members", self._members)
        patch.setattr(counters, "_resident", lambda pid: self.size or None)

    def use(self, name: str, micros: int) -> None:
        """So much CPU was used there until now."""
        (self.folder / name).mkdir(exist_ok=True)
        (self.folder / name / "cpu.stat").write_text(f"usage_usec {micros}\nuser_usec 0\n")

    def _counted(self, folder: str) -> int | None:
        self.asked += 1
        return self._used(folder)

    def _members(self, folder: str) -> list[bytes]:
        self.read.append(Path(folder).name)
        return [b"7", b"8"]


def looker() -> Callable[[list[Identity | None]], list[Reading | None]]:
    """One that joins the parts."""
    made = Counters()
    return lambda leaders: [reading for part in made.read(leaders) for reading in part]


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Groups:
    """Both idle."""
    return Groups(tmp_path, monkeypatch)


def test_what_did_not_run_is_not_read_again(groups: Groups) -> None:
    """And what did is, at once."""
    look = looker()
    assert look([ONE, None, TWO]) == [Reading(0.0, 2000, 2), None, Reading(0.0, 2000, 2)]
    groups.read.clear()
    groups.size, groups.asked = 5000, 0
    assert look([ONE, TWO]) == [Reading(0.0, 2000, 2)] * 2
    assert (groups.read, groups.asked) == ([], 1)
    groups.use("", 30)
    groups.use("102@1", 30)
    assert look([ONE, TWO]) == [Reading(0.0, 2000, 2), Reading(0.00003, 10000, 2)]
    assert groups.read == ["102@1"]


def test_now_and_then_all_is_read(groups: Groups) -> None:
    """Memory can go while nothing runs."""
    look = looker()
    for _ in range(WHOLE - 1):
        look([ONE])
    groups.size = 1
    assert look([ONE]) == [Reading(0.0, 2, 2)]


def test_a_cgroup_that_is_gone_tells_nothing(groups: Groups) -> None:
    """Not even what was known of it."""
    look = looker()
    look([ONE])
    groups.use("", 1)
    (groups.folder / "101@1" / "cpu.stat").unlink()
    assert look([ONE]) == [None]


def test_many_are_read_in_parts(groups: Groups) -> None:
    """Each small enough for the loop, and all together complete, in order."""
    leaders = [ONE, TWO, None] * SLICE
    made = Counters()
    list(made.read(leaders))
    groups.use("", 1)
    parts = list(made.read(leaders))
    assert max(part.count(Reading(0.0, 2000, 2)) for part in parts) == SLICE
    assert [reading is None for part in parts for reading in part] == [False, False, True] * SLICE


def test_a_process_that_is_ending_uses_nothing_that_could_be_told(groups: Groups) -> None:
    """It gave its memory back before it is gone: 0 bytes would be the last point of every curve."""
    groups.size = 0
    assert looker()([ONE]) == [None]
