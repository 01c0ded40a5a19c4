"""A package store under kill -9, power cuts, full disks and crowds.

A power cut is not carried out: what it may take is what was not synced, so the system calls are watched instead.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from beeyard.adapters.package_store import FolderStore
from beeyard.domain.errors import Rejected
from beeyard.domain.packages import Description
from tests.disks import mounted
from tests.faults.traced import SYNCS, unsafe, watched
from tests.packing import a_package, unpack

CUT_OFF = str(Path(__file__).with_name("cut_off.py"))
SCENARIOS = ["first", "install", "orphan", "repair", "hold", "remove", "collect", "recover"]


@pytest.fixture
def memory() -> Iterator[Path]:
    """Where nothing waits for a disk: kill -9 takes nothing from the kernel, wherever that keeps it."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


def cut_off(*words: str | Path) -> list[str]:
    """What it found wrong; the last line may tell how much it did."""
    told = subprocess.run([sys.executable, CUT_OFF, *words], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return told.stdout.splitlines()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_any_step_nothing_is_half_there(memory: Path, scenario: str) -> None:
    """What has a receipt is whole, the old version is untouched, and recovery and another try leave nothing over."""
    *wrong, steps = cut_off("steps", scenario, memory)
    assert wrong == []
    assert int(steps.removeprefix("steps ")) > 20


@pytest.mark.parametrize("scenario", ["install", "repair", "remove", "collect", "recover", "many"])
def test_killed_at_any_moment_nothing_is_half_there(memory: Path, scenario: str) -> None:
    """Ten times, also between two steps and within one."""
    assert cut_off("times", scenario, memory) == ["steps 10"]


def test_four_processes_at_once_install_one_package(tmp_path: Path) -> None:
    """All of them succeed, it is there once, and nothing is left over; fifteen times."""
    assert cut_off("race", tmp_path) == ["steps 15"]


@pytest.mark.needs_strace
@pytest.mark.parametrize("scenario", [*SCENARIOS, "many"])
def test_nothing_is_renamed_or_vouched_for_before_it_is_on_the_disk(tmp_path: Path, scenario: str) -> None:
    """And no receipt stands for what is being taken away; in the end everything is on the disk."""
    assert unsafe(tmp_path, watched(CUT_OFF, tmp_path, scenario)) == []


@pytest.mark.needs_strace
@pytest.mark.parametrize("scenario", ["first", "repair", "remove", "many"])
def test_no_sync_can_be_left_out(tmp_path: Path, scenario: str) -> None:
    """Whichever it is, something could be lost: so none is too many, and the watching sees each."""
    made = watched(CUT_OFF, tmp_path, scenario)
    opening = {str(tmp_path), str(tmp_path / "packages")}  # by everyone who opens the store, whether or not it is new
    syncs = [n for n, call in enumerate(made) if call.name in SYNCS and call.paths[0] not in opening]
    assert [made[n] for n in syncs if not unsafe(tmp_path, made[:n] + made[n + 1 :])] == []


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes, and 200 files."""
    with mounted(tmp_path / "disk", "size=2m,nr_inodes=200") as folder:
        yield folder


def fill(disk: Path, but: int) -> None:
    """Leave so many bytes."""
    state = os.statvfs(disk)
    with (disk / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, state.f_bavail * state.f_frsize - but)


def left_over(root: Path) -> list[Path]:
    """What no install leaves."""
    return [path for folder in ("staging", "trash", "quarantine") for path in (root / folder).iterdir()]


async def test_what_cannot_be_swept_keeps_nobody_from_working(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is told, everything else is swept, and it goes as soon as it can."""
    root = tmp_path / "packages"
    store = FolderStore(root, unpack)
    description, payload = a_package(tmp_path)
    folders = [root / folder for folder in ("staging", "store", "trash")]
    with ExitStack() as stack:
        for folder in folders:
            busy = stack.enter_context(mounted(folder / "busy", "size=64k"))
            (busy / "inside").mkdir()
            (folder / "other").mkdir()
        store.recover()
        told = [record.getMessage() for record in caplog.records]
        assert [any(f"{folder}/busy" in line for line in told) for folder in folders] == [True, True, True]
        assert [os.listdir(folder) for folder in folders] == [["busy"], ["busy"], ["busy"]]
        async with store.locked("caddy"):
            receipt = await store.install(description, payload, "main", "tuf")
    store.recover()
    assert await store.verify(receipt, "digests") == []
    assert left_over(root) == []
    assert os.listdir(root / "store") == ["caddy"]


async def test_a_disk_that_fills_up_at_any_step_leaves_the_old_version(small: Path, tmp_path: Path) -> None:
    """From no page to spare up to just enough: told as such, nothing left over, and with room it works."""
    room = 0

    async def filling(payload: str, description: Description, into: str) -> None:
        fill(small, room)
        await unpack(payload, description, into)

    store = FolderStore(small / "packages", filling)
    page, refused, told = os.statvfs(small).f_frsize, 0, set()
    (old, first), (new, second) = a_package(tmp_path, "1.0"), a_package(tmp_path, "2.0")
    async with store.locked("caddy"):
        room = 1024 * page // 4
        kept = await store.install(old, first, "main", "tuf")
        (small / "filler").unlink()
        for pages in range(64):
            room = pages * page
            try:
                receipt = await store.install(new, second, "main", "tuf")
            except Rejected as error:
                told.add((error.code, str(error)))
                refused += 1
                assert store.receipts() == [kept]
                assert await store.verify(kept, "digests") == []
            else:
                assert await store.verify(receipt, "digests") == []
                break
            finally:
                (small / "filler").unlink()
                assert not list((small / "packages/staging").iterdir())
        else:
            pytest.fail("it never had enough")
        assert refused > 5
        assert told == {("package_disk_full", f"no room was left in {small / 'packages'}: No space left on device")}
    assert left_over(small / "packages") == []
    store.recover()
    assert store.receipts() == [kept, receipt]
    assert {path.name for path in (small / "packages/receipts").iterdir()} == {
        f"{old.digest}.json",
        f"{new.digest}.json",
    }


async def test_a_full_disk_is_told_before_anything_is_written(small: Path, tmp_path: Path) -> None:
    """Bytes or files, whichever are lacking; and what is in the way can still be removed."""
    store = FolderStore(small / "packages", unpack)
    description, payload = a_package(tmp_path, "1.0")
    many, payload_of_many = a_package(tmp_path, "2.0", {f"folder{n}/file": b"" for n in range(100)})
    async with store.locked("caddy"):
        receipt = await store.install(description, payload, "main", "tuf")
        with pytest.raises(Rejected, match=r"^caddy 2\.0 holds 202 files and folders, and .* has room for \d+$"):
            await store.install(many, payload_of_many, "main", "tuf")
        fill(small, 5 * os.statvfs(small).f_frsize)
        other, its_payload = a_package(tmp_path, "3.0")
        with pytest.raises(Rejected, match=r"^caddy 3\.0 needs .* is free, .* too little; `.* gc` frees 0 B at most$"):
            await store.install(other, its_payload, "main", "tuf")
        assert left_over(small / "packages") == []
        assert store.receipts() == [receipt]
        fill(small, 0)
        await store.remove(receipt)
    assert store.receipts() == []
    assert left_over(small / "packages") == []
