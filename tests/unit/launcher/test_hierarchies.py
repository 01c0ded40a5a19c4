"""Where we stand in the control groups of a host, in each way that hosts have them."""

import pytest

from beeyard.launcher import hierarchies
from beeyard.launcher.hierarchies import Hierarchies
from tests.unit.launcher.kernel_folders import proc

PLAIN = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
V2 = "31 22 0:27 / /sys/fs/cgroup rw,nosuid shared:10 master:3 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = """\
32 22 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
33 22 0:29 / /sys/fs/cgroup/memory rw,relatime shared:12 - cgroup cgroup rw,memory
34 22 0:30 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
"""
UNIFIED = "41 22 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
OWN_V1 = "4:memory:/a/b\n2:cpu,cpuacct:/\n1:name=systemd:/x\n"


@pytest.mark.parametrize(
    ("mounts", "own", "found"),
    [
        (PLAIN, "0::/\n", Hierarchies(None, {})),
        (PLAIN + V2, "0::/\n", Hierarchies("/sys/fs/cgroup", {})),
        (PLAIN + V2, "0::/system.slice/b.service\n", Hierarchies("/sys/fs/cgroup/system.slice/b.service", {})),
        (PLAIN + V2, OWN_V1, Hierarchies(None, {})),
    ],
)
def test_version_2_is_one_hierarchy(mounts: str, own: str, found: Hierarchies, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or none, where nothing is mounted or we are in none."""
    proc(monkeypatch, mounts, own)
    assert hierarchies.find() == found


def test_version_1_has_a_place_for_each_controller_and_version_2_may_stand_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two controllers may share a hierarchy, and we need not be at its root."""
    proc(monkeypatch, PLAIN + V1 + UNIFIED, OWN_V1 + "0::/\n")
    found = hierarchies.find()
    assert found.v2 == "/sys/fs/cgroup/unified"
    assert {name: found.v1[name] for name in ("cpu", "cpuacct", "memory")} == {
        "cpu": "/sys/fs/cgroup/cpu,cpuacct",
        "cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
        "memory": "/sys/fs/cgroup/memory/a/b",
    }


def test_a_container_sees_a_part_of_the_hierarchy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is mounted is not its root; a cgroup outside of that part has no folder."""
    mounts = "33 22 0:29 /docker/1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
    proc(monkeypatch, mounts, "4:memory:/docker/1/in\n")
    assert hierarchies.find().v1 == {"memory": "/sys/fs/cgroup/memory/in"}
    proc(monkeypatch, mounts, "4:memory:/docker/12\n")
    assert hierarchies.find().v1 == {}


@pytest.mark.parametrize(
    "inside", ["beeyard-0123456789abcdef/web@1", "beeyard-0123456789abcdef", "beeyard-0123456789abcdef-launcher"]
)
def test_what_a_launcher_made_is_not_built_upon(inside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started from inside a worker or by a launcher's companion, it stands beside it."""
    proc(monkeypatch, PLAIN + V1 + V2, f"4:memory:/a/{inside}\n0::/user.slice/{inside}\n")
    assert hierarchies.find() == Hierarchies("/sys/fs/cgroup/user.slice", {"memory": "/sys/fs/cgroup/memory/a"})


def test_a_kernel_without_cgroups_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its /proc does not even have the file."""

    def missing(path: str) -> None:
        raise FileNotFoundError(path)

    monkeypatch.setattr(hierarchies, "open", missing, raising=False)
    assert hierarchies.find() == Hierarchies(None, {})
