"""Which hierarchy keeps what of an attempt, on hosts that have one, the other, both or none."""

import errno
import os
from pathlib import Path

import pytest

from beeyard.launcher import controllers
from beeyard.launcher.holding import Holding
from beeyard.launcher.trees import MarkForest
from tests.unit.launcher.kernel_folders import cgroup, removable, texts

V1_FILES = {
    "memory": {"memory__limit_in_bytes": "", "memory__oom_control": "oom_kill 0\n"},
    "pids": {"pids__max": "max"},
    "cpu": {"cpu__cfs_quota_us": "-1", "cpu__shares": "1024"},
}


class Forest(MarkForest):
    """One whose trees can have these controllers of version 2, or are refused them."""

    def __init__(self, *offers: str, refuses: bool = False) -> None:
        super().__init__("feed")
        self.offers = frozenset(offers)
        self.granted: list[str] = []
        self._refuses = refuses

    def grant(self, controller: str) -> None:
        if self._refuses:
            raise OSError(errno.EBUSY, "other programs run in /a (pid 7)")
        self.granted.append(controller)


@pytest.fixture
def v1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A host with some controllers of version 1, and no disk."""
    folders = {name: str(cgroup(tmp_path / "v1" / name / "own")) for name in V1_FILES}
    real = os.makedirs

    def makedirs(path: str, exist_ok: bool = False) -> None:
        real(path, exist_ok=exist_ok)
        for name, files in V1_FILES.items():
            if f"/v1/{name}/" in path:
                cgroup(Path(path), cgroup__procs="", **files)

    removable(monkeypatch)
    monkeypatch.setattr(os, "makedirs", makedirs)
    monkeypatch.setattr(controllers, "BLOCK", str(tmp_path / "none"))
    return folders


def made(v1: dict[str, str]) -> list[str]:
    """What stands below ours: controller, state folder, attempt."""
    return sorted(
        f"{name}/{path.relative_to(folder)}" for name, folder in v1.items() for path in Path(folder).glob("*/*@*")
    )


def test_version_1_gets_a_folder_for_what_is_asked_and_no_other(v1: dict[str, str]) -> None:
    """With the attempt's name; the processes are moved there; removed, only the common folder is left."""
    holding = Holding("feed", Forest(), v1)
    assert not any(list(Path(folder).iterdir()) for folder in v1.values())  # What is possible was tried, and cleared.
    assert holding.moves({"memory": 1})
    said = holding.hold("web@3", None, {"memory": 4096, "processes": 5}, lambda: [11])
    assert said == {"memory": "cgroup v1 memory.limit_in_bytes", "processes": "cgroup v1 pids.max"}
    assert made(v1) == ["memory/beeyard-feed/web@3", "pids/beeyard-feed/web@3"]
    root = Path(v1["memory"], "beeyard-feed")
    assert (texts(root / "web@3")["memory.limit_in_bytes"], texts(root / "web@3")["cgroup.procs"]) == ("4096", "11")
    assert holding.remove("web@3")
    assert holding.remove("web@3")
    assert made(v1) == []
    holding.clear()
    assert not root.exists()


def test_what_version_2_offers_is_kept_there_and_nobody_is_moved(v1: dict[str, str], tmp_path: Path) -> None:
    """Controller by controller: a host may have some of them in each version."""
    forest = Forest("memory")
    holding = Holding("feed", forest, v1)
    assert (holding.moves({"memory": 1}), holding.moves({"memory": 1, "cores": 1})) == (False, True)
    tree = cgroup(tmp_path / "v2" / "spare@1", memory__max="max", memory__events="oom_kill 3\n")
    said = holding.hold("web@3", str(tree), {"memory": 4096, "cores": 0.5}, lambda: [11])
    assert said == {"memory": "cgroup v2 memory.max", "cores": "cgroup v1 cpu.cfs_quota_us"}
    assert forest.granted == ["memory"]
    assert texts(tree)["memory.max"] == "4096"
    assert made(v1) == ["cpu/beeyard-feed/web@3"]
    assert holding.oom_kills("web@3", str(tree)) == 3


def test_what_is_refused_is_said_and_leaves_nothing(v1: dict[str, str], tmp_path: Path) -> None:
    """Version 2 by whoever is in the way, version 1 by the kernel."""
    tree = cgroup(tmp_path / "v2" / "web@3")
    (tmp_path / "file").write_text("")
    holding = Holding("feed", Forest("memory", refuses=True), {"pids": str(tmp_path / "file" / "in")})
    assert holding.means["processes"] == "not held: cgroup v1 pids: Not a directory"
    assert holding.hold("web@3", str(tree), {"memory": 1, "processes": 2, "cores": 3}, list) == {
        "memory": "not held: cgroup v2 memory: other programs run in /a (pid 7)",
        "processes": "not held: cgroup v1 pids: Not a directory",
        "cores": "not held: no cpu controller in a cgroup here",
    }
    assert holding.oom_kills("web@3", str(tree)) is None


def test_of_a_living_attempt_all_are_moved_and_late_memory_is_told(v1: dict[str, str]) -> None:
    """What it starts while that is done comes along; what was counted before is no surprise at the second time."""
    holding = Holding("feed", Forest(), v1)
    looks = iter([[11], [11, 12], [11, 12], [11], [11]])
    said = holding.hold("web@3", None, {"memory": 4096}, lambda: next(looks), late=True)
    assert said == {"memory": "cgroup v1 memory.limit_in_bytes (what it had before does not count)"}
    assert texts(Path(v1["memory"], "beeyard-feed/web@3"))["cgroup.procs"] == "12"  # Written last.
    said = holding.hold("web@3", None, {"memory": 8192}, lambda: next(looks), late=True)
    assert said == {"memory": "cgroup v1 memory.limit_in_bytes"}


def test_what_is_not_asked_for_any_more_is_lifted(v1: dict[str, str]) -> None:
    """In folders that stand; none is made for it."""
    holding = Holding("feed", Forest(), v1)
    holding.hold("web@3", None, {"processes": 555}, list)
    assert holding.hold("web@3", None, {}, list, late=True) == {}
    assert texts(Path(v1["pids"], "beeyard-feed/web@3"))["pids.max"] == "max"
    assert made(v1) == ["pids/beeyard-feed/web@3"]


def test_an_earlier_launchers_folders_are_known_by_their_names(v1: dict[str, str]) -> None:
    """Those of the living are kept, the others removed."""
    Holding("feed", Forest(), v1).hold("web@3", None, {"memory": 1, "processes": 2}, list)
    Holding("feed", Forest(), v1).hold("db@1", None, {"memory": 1}, list)
    Path(v1["memory"], "beeyard-feed/web@3/memory.oom_control").write_text("under_oom 0\noom_kill 4\n")
    later = Holding("feed", Forest(), v1)
    assert later.oom_kills("web@3", None) == 4
    later.sweep(["web@3"])
    assert made(v1) == ["memory/beeyard-feed/web@3", "pids/beeyard-feed/web@3"]
