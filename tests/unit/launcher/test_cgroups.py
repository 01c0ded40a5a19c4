"""Trees in the v2 hierarchy: their folders, and how controllers come to them."""

import errno
import os
import re
from pathlib import Path

import pytest

from beeyard.launcher import cgroup_folder, cgroups
from beeyard.launcher.cgroups import CgroupForest
from beeyard.launcher.trees import MarkForest
from tests.unit.launcher.kernel_folders import cgroup, proc, removable, texts

MOUNT = "31 22 0:27 / {} rw,nosuid shared:10 master:3 - cgroup2 cgroup2 rw\n"


def test_what_an_earlier_launcher_planted_is_read_from_its_folders(tmp_path: Path) -> None:
    """Worker names may hold a dot; what has nothing in it is removed, and what is not ours is left alone."""
    for name, members in {"web.1@3": "11\n12\n", "db@12": "13\n", "other": "15\n"}.items():
        cgroup(tmp_path / name, cgroup__procs=members)
    (tmp_path / "gone@1").mkdir()
    forest = CgroupForest(str(tmp_path))
    assert sorted(tree.members() for tree in forest.standing()) == [[11, 12], [13]]
    assert sorted(os.listdir(tmp_path)) == ["db@12", "other", "web.1@3"]
    assert forest.plant("web.1", 3).members() == [11, 12]


def test_a_cgroup_is_gone_when_its_folder_is(tmp_path: Path) -> None:
    """It can be made, looked at and removed, twice each."""
    tree = CgroupForest(str(tmp_path)).plant("web", 1)
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
    """Never below a worker's own cgroup. This is a plain folder, so it can't be had: nothing is left then."""
    above = tmp_path / own.lstrip("/").partition("beeyard-")[0]
    cgroup(above, cgroup__procs="")
    proc(monkeypatch, MOUNT.format(tmp_path), f"4:cpu:/elsewhere\n0::{own}\n")
    removed = removable(monkeypatch)
    assert CgroupForest.found("feed") is None
    assert removed == [str(above / "beeyard-feed" / "trial"), str(above / "beeyard-feed")]
    assert (above / "cgroup.procs").read_text() == "0"


class Kernel:
    """The rules for controllers: only a cgroup without processes passes them down, and what it has itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, above: Path, living: set[int]) -> None:
        cgroup(above, cgroup__procs="", cgroup__subtree_control="", cgroup__controllers="cpu io memory pids hugetlb")
        self.home = ""
        self.firm: set[int] = set()
        self.closed: set[str] = set()
        self.living = {str(above): living | {os.getpid()}}
        monkeypatch.setattr(cgroups, "put", self.put)
        monkeypatch.setattr(CgroupForest, "go_home", lambda forest: self.put(f"{self.home}/cgroup.procs", "0"))
        monkeypatch.setattr(cgroup_folder, "members", lambda folder: sorted(self.living.get(folder, ())))

    def put(self, path: str, text: str) -> None:
        """A write to a file of a cgroup."""
        folder, name = os.path.split(path)
        cgroup(Path(folder), cgroup__procs="", cgroup__kill="")
        if name == "cgroup.procs":
            pid = int(text) or os.getpid()
            if pid in self.firm:
                raise PermissionError(errno.EACCES, "Permission denied")
            if folder in self.closed:
                raise OSError(errno.EBUSY, "Device or resource busy")
            if text == "0" and not folder.endswith("/trial"):
                self.home = folder
            for pids in self.living.values():
                pids.discard(pid)
            self.living.setdefault(folder, set()).add(pid)
        elif self.living.get(folder):
            raise OSError(errno.EBUSY, "Device or resource busy")
        else:
            file = Path(path)
            held = set(file.read_text().split()) if file.exists() else set()
            file.write_text(" ".join(held | {text[1:]} if text[0] == "+" else held - {text[1:]}))


def test_the_launcher_steps_aside_with_all_who_live_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the controllers can be passed down, once; in the end all is as it was."""
    kernel = Kernel(monkeypatch, tmp_path, {71, 72})
    proc(monkeypatch, MOUNT.format(tmp_path), "0::/\n")
    removable(monkeypatch)
    forest = CgroupForest.found("feed")
    assert forest is not None
    assert forest.offers == {"cpu", "io", "memory", "pids"}
    for controller in ("memory", "memory", "cpu"):
        forest.grant(controller)
    assert kernel.living[str(tmp_path / "beeyard-feed-launcher")] == {os.getpid(), 71, 72}
    for folder in (tmp_path, tmp_path / "beeyard-feed"):
        assert sorted(texts(folder)["cgroup.subtree_control"].split()) == ["cpu", "memory"]
    forest.clear()
    assert kernel.living[str(tmp_path)] == {os.getpid(), 71, 72}
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
    assert texts(tmp_path)["cgroup.subtree_control"] == ""


def test_who_cannot_be_moved_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's program, for one who is not root; workers start all the same, and their limits are watched."""
    kernel = Kernel(monkeypatch, tmp_path, {71, 72})
    kernel.firm = {71}
    proc(monkeypatch, MOUNT.format(tmp_path), "0::/\n")
    removable(monkeypatch)
    forest = CgroupForest.found("feed")
    assert forest is not None
    with pytest.raises(OSError, match=re.escape(f"{tmp_path} has processes that can't be moved (pid 71)")):
        forest.grant("memory")
    forest.clear()
    assert kernel.living[str(tmp_path)] == {os.getpid(), 71, 72}
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_the_next_launcher_lives_where_the_last_one_stepped_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is started by master or pump, which live there, or from elsewhere."""
    kernel = Kernel(monkeypatch, tmp_path, set())
    kernel.living[str(tmp_path)] = set()
    (tmp_path / "cgroup.subtree_control").write_text("memory")
    kernel.closed = {str(tmp_path)}
    proc(monkeypatch, MOUNT.format(tmp_path), "0::/beeyard-0123456789abcdef-launcher\n")
    removable(monkeypatch)
    assert CgroupForest.found("0123456789abcdef") is not None
    assert kernel.living[str(tmp_path / "beeyard-0123456789abcdef-launcher")] == {os.getpid()}


def test_without_a_v2_hierarchy_there_is_no_forest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks have to do, and no controller can be had by them."""
    proc(monkeypatch, "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n", "0::/\n")
    assert CgroupForest.found("feed") is None
    forest = cgroups.forest("feed")
    assert isinstance(forest, MarkForest)
    assert forest.offers == frozenset()
    with pytest.raises(OSError, match="no cgroup can be had here"):
        forest.grant("memory")
