"""What is written into which file of a controller, and how it is told."""

import os
from pathlib import Path

import pytest

from beeyard.launcher import controllers
from beeyard.launcher.controllers import V1, V2, means, oom_kills, write
from tests.unit.launcher.kernel_folders import cgroup, texts

ALL: dict[str, float] = {
    "memory": 104857600,
    "memory_high": 94371840,
    "swap": 10485760,
    "cores": 1.5,
    "shares": 512,
    "processes": 32,
    "io_weight": 200,
    "read_bps": 1048576,
    "write_bps": 2097152,
    "read_ops": 100,
    "write_ops": 200,
}


@pytest.fixture(autouse=True)
def disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two disks, and what is none."""
    block = tmp_path / "block"
    for name, (number, size) in {
        "sda": ("8:0", "1000"),
        "nvme0n1": ("259:0", "5"),
        "sr0": ("11:0", "0"),
        "loop3": ("7:3", "9"),
        "zram0": ("253:0", "9"),
    }.items():
        cgroup(block / name, dev=f"{number}\n", size=f"{size}\n")
    monkeypatch.setattr(controllers, "BLOCK", str(block))


def folder_of(tmp_path: Path, *files: str) -> Path:
    """A cgroup with these files, empty."""
    folder = tmp_path / "cgroup"
    folder.mkdir()
    for name in files:
        (folder / name).write_text("")
    return folder


def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Each write in its order: file, text."""
    done: list[tuple[str, str]] = []
    monkeypatch.setattr(controllers, "put", lambda path, text: done.append((os.path.basename(path), text)))
    return done


def test_version_2_says_each_bound_in_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file each, but for the four of a disk, which share one."""
    folder = folder_of(tmp_path, *{knob.file for knobs in V2.values() for knob in knobs})
    done = written(monkeypatch)
    said = write("cgroup v2", str(folder), list(ALL), ALL)
    assert done == [
        ("memory.max", "104857600"),
        ("memory.high", "94371840"),
        ("memory.swap.max", "10485760"),
        ("cpu.max", "150000 100000"),
        ("cpu.weight", "20"),
        ("pids.max", "32"),
        ("io.weight", "200"),
        ("io.max", "259:0 rbps=1048576"),
        ("io.max", "8:0 rbps=1048576"),
        ("io.max", "259:0 wbps=2097152"),
        ("io.max", "8:0 wbps=2097152"),
        ("io.max", "259:0 riops=100"),
        ("io.max", "8:0 riops=100"),
        ("io.max", "259:0 wiops=200"),
        ("io.max", "8:0 wiops=200"),
    ]
    assert said["memory"] == "cgroup v2 memory.max"
    assert said["write_ops"] == "cgroup v2 io.max on nvme0n1, sda"
    assert not [words for words in said.values() if words.startswith("not held")]


def test_version_1_has_other_files_and_bounds_swap_with_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their common bound is out of the way while that of memory changes, and nothing can be had from a high mark."""
    folder = folder_of(tmp_path, *{knob.file for knobs in V1.values() for knob in knobs} - {"blkio.weight"})
    done = written(monkeypatch)
    said = write("cgroup v1", str(folder), list(ALL), ALL)
    assert done[:8] == [
        ("memory.memsw.limit_in_bytes", "-1"),
        ("memory.limit_in_bytes", "104857600"),
        ("memory.memsw.limit_in_bytes", "115343360"),
        ("cpu.cfs_quota_us", "150000"),
        ("cpu.shares", "512"),
        ("pids.max", "32"),
        ("blkio.bfq.weight", "200"),
        ("blkio.throttle.read_bps_device", "259:0 1048576"),
    ]
    assert said["memory_high"] == "not held: no memory.high in cgroup v1 here"
    assert said["swap"] == "cgroup v1 memory.memsw.limit_in_bytes"
    assert said["write_bps"] == "cgroup v1 blkio.throttle.write_bps_device on nvme0n1, sda, unbuffered writes only"


@pytest.mark.parametrize("version", ["cgroup v2", "cgroup v1"])
def test_what_is_not_asked_for_any_more_is_lifted(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file then says what it says in a new cgroup."""
    knobs = [knob for knobs in controllers.VERSIONS[version].values() for knob in knobs[:1]]
    folder = folder_of(tmp_path, *{knob.file for knob in knobs})
    done = written(monkeypatch)
    assert write(version, str(folder), list(ALL), {}) == {}
    expected = {(knob.file, f"{disk} {knob.free}") for knob in knobs if knob.each for disk in ("8:0", "259:0")}
    assert set(done) == expected | {(knob.file, knob.free) for knob in knobs if not knob.each}


def test_swap_alone_is_nothing_that_version_1_can_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its one bound is of both."""
    folder = folder_of(tmp_path, "memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
    done = written(monkeypatch)
    said = write("cgroup v1", str(folder), ["memory", "memory_high", "swap"], {"swap": 4096})
    assert ("memory.memsw.limit_in_bytes", "4096") not in done
    assert said == {"swap": "not held: cgroup v1 bounds swap only together with memory, which has no bound of its own"}


def test_what_the_kernel_refuses_is_told_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the other bounds are held."""

    def put(path: str, text: str) -> None:
        if path.endswith("memory.max"):
            raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(controllers, "put", put)
    folder = folder_of(tmp_path, "memory.max", "memory.high")
    said = write("cgroup v2", str(folder), ["memory", "memory_high"], {"memory": 1, "memory_high": 2})
    assert said == {
        "memory": "not held: cgroup v2 memory.max: Device or resource busy",
        "memory_high": "cgroup v2 memory.high",
    }


@pytest.mark.parametrize(("shares", "weight"), [(2, "1"), (1024, "40"), (262_144, "10000")])
def test_shares_and_weights_have_the_same_ends(shares: float, weight: str) -> None:
    """As systemd and runc translate them."""
    assert V2["shares"][0].text(shares) == weight


@pytest.mark.parametrize(("cores", "quota"), [(0.001, "1000"), (0.3, "30000"), (4.0, "400000")])
def test_a_quota_is_never_less_than_the_kernel_takes(cores: float, quota: str) -> None:
    """A hundredth of a core."""
    assert V1["cores"][0].text(cores) == quota
    assert V2["cores"][0].text(cores) == f"{quota} 100000"


def test_a_field_without_its_file_says_which(tmp_path: Path) -> None:
    """A kernel may be built without it."""
    assert means("cgroup v2", "swap", ["memory.max"]) == "not held: no memory.swap.max in cgroup v2 here"


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        ({"memory__events": "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n"}, 2),
        ({"memory__oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"}, 1),
        ({"memory__oom_control": "oom_kill_disable 0\nunder_oom 0\n"}, 0),
        ({}, None),
    ],
)
def test_kills_are_counted_not_attempts(files: dict[str, str], kills: int | None, tmp_path: Path) -> None:
    """`oom` counts what was tried; without a memory controller nobody knows; Linux before 4.13 told none."""
    assert oom_kills(str(cgroup(tmp_path / "cgroup", **files))) == kills


def test_one_file_is_one_write(tmp_path: Path) -> None:
    """The file has to be there, and nothing of it is cut."""
    folder = cgroup(tmp_path / "cgroup", pids__max="max\n")
    assert write("cgroup v2", str(folder), ["processes"], {"processes": 128}) == {"processes": "cgroup v2 pids.max"}
    assert texts(folder) == {"pids.max": "128\n"}
