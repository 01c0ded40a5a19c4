"""Mirrors and bundles whose making was cut off: the old one or the new one, whole, and the next run finishes it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.disks import mounted
from tests.faults.test_package_store import memory as memory

COPIES = str(Path(__file__).with_name("copies.py"))


def copies(*words: str | Path) -> list[str]:
    """What it found wrong, how many steps there were, and the codes of the errors that were told."""
    told = subprocess.run([sys.executable, COPIES, *words], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return told.stdout.splitlines()


@pytest.mark.parametrize("kind", ["mirror", "bundle"])
def test_a_copy_that_was_killed_at_any_step_is_whole(memory: Path, kind: str) -> None:
    """What readers find is one state or the other; another run has the new one, and leaves nothing over."""
    *wrong, steps, codes = copies("killed", kind, memory)
    assert (wrong, codes) == ([], "")
    assert int(steps.removeprefix("steps ")) > 30


@pytest.mark.parametrize("kind", ["mirror", "bundle"])
def test_a_disk_that_fills_up_at_any_step_leaves_the_copy_whole(tmp_path: Path, kind: str) -> None:
    """It is told in words; with room again, another run finishes."""
    with mounted(tmp_path / "disk", "size=8m") as disk:
        *wrong, steps, codes = copies("full", kind, disk)
    assert wrong == []
    assert int(steps.removeprefix("steps ")) > 30
    assert set(codes.split()) <= {"download_no_room", "repository_cache", "repository_unwritable"}
    assert "repository_unwritable" in codes
