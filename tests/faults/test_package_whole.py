"""Installs with nothing stood in for but the network: killed, orphaned, out of room, in a crowd, being collected."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.disks import mounted
from tests.faults.test_package_store import memory as memory
from tests.faults.traced import SYNCS, unsafe, watched

WHOLE = str(Path(__file__).with_name("whole.py"))


def whole(*words: str | Path) -> list[str]:
    """What it found wrong, how many steps there were, and the codes of the errors that were told."""
    told = subprocess.run([sys.executable, WHOLE, *words], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return told.stdout.splitlines()


@pytest.mark.parametrize("scenario", ["first", "install", "repair"])
def test_a_master_killed_at_any_step_leaves_nothing_half_there(memory: Path, scenario: str) -> None:
    """From the first file of its trust to the last of the download: what has a receipt is whole, another try works.

    Where a version is there before, by a delta from that.
    """
    *wrong, steps = whole("killed", scenario, memory)
    assert wrong == []
    assert int(steps.removeprefix("steps ")) > 30


def test_who_unpacks_ends_with_its_master(memory: Path) -> None:
    """At each of its steps: nobody goes on writing into staging, which the next master sweeps."""
    *wrong, steps = whole("orphaned", "install", memory)
    assert wrong == []
    assert int(steps.removeprefix("steps ")) > 20


@pytest.mark.parametrize("scenario", ["install", "repair"])
def test_who_unpacks_may_be_killed_at_any_step(memory: Path, scenario: str) -> None:
    """Its master says so, has nothing left over, and can try again."""
    *wrong, steps, codes = whole("bereft", scenario, memory)
    assert wrong == []
    assert int(steps.removeprefix("steps ")) > 20
    assert codes == "archive_interrupted"


def test_a_master_killed_at_any_moment_leaves_nothing_half_there(memory: Path) -> None:
    """Ten times, whether it downloads, or waits for who unpacks, or syncs."""
    assert whole("times", "first", memory) == ["steps 10"]


def test_one_of_four_is_killed_and_the_others_have_it(memory: Path) -> None:
    """Whatever it held just then: trust, the download, the locks, an unpacker."""
    assert whole("crowd", memory) == ["steps 12"]


@pytest.mark.parametrize("scenario", ["install", "repair"])
def test_a_disk_that_fills_up_at_any_step_leaves_what_was_there(tmp_path: Path, scenario: str) -> None:
    """Also when the receipt is written, also where the unpacker writes; recovery needs no room, the next try some."""
    with mounted(tmp_path / "disk", "size=16m") as disk:
        *wrong, _, _, codes = whole("full", scenario, disk)
    assert wrong == []
    expected = "archive_no_room download_no_room package_disk_full package_no_room repository_cache"
    assert set(codes.split()) <= set(expected.split())
    # A delta that finds no room is followed by the whole, which finds none to be downloaded to.
    told = {"download_no_room", "package_no_room"} | ({"archive_no_room"} if scenario == "repair" else set())
    assert told <= set(codes.split())


def test_a_worker_that_starts_has_its_package_or_is_told_that_it_is_gone(memory: Path) -> None:
    """While the collection that wants it is at any step; and a collection at any step of the start."""
    wrong = whole("beside", memory)
    assert [line for line in wrong if not line.startswith("steps ")] == []
    assert [int(line.removeprefix("steps ")) > 10 for line in wrong] == [True, True]


@pytest.mark.needs_strace
@pytest.mark.parametrize("scenario", ["first", "repair"])
def test_what_the_unpacker_writes_is_on_the_disk_before_it_is_renamed(tmp_path: Path, scenario: str) -> None:
    """It syncs nothing itself: its calls are watched too, and no sync of its master's in the store is too many."""
    made = watched(WHOLE, tmp_path, scenario)
    packages = str(tmp_path / "packages")
    created = {call.paths[-1] for call in made if call.name == "openat" and "O_CREAT" in call.told}
    unpacked = sorted(os.path.basename(path) for path in created if path.startswith(f"{packages}/staging/"))
    assert unpacked == ["README", "data", "empty", "noise", "package.yaml", "serve"]
    assert unsafe(tmp_path, made) == []
    opening = {os.path.dirname(packages), packages, f"{packages}/dl"}
    syncs = [
        n
        for n, call in enumerate(made)
        if call.name in SYNCS and call.paths[0] not in opening and "/dl/" not in call.paths[0]
    ]
    assert [made[n] for n in syncs if not unsafe(tmp_path, made[:n] + made[n + 1 :])] == []
