"""Packages of Debian's kind, unpacked into the store with nothing stood in for: killed at each step, at any moment."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.test_package_store import memory as memory

WHOLE = str(Path(__file__).with_name("debs_whole.py"))
pytestmark = pytest.mark.needs_apt


def whole(*words: str | Path) -> list[str]:
    """What it found wrong, how many steps there were, and the codes of the errors that were told."""
    told = subprocess.run([sys.executable, WHOLE, *words], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return told.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("scenario", ["install", "repair"])
def test_a_master_killed_at_any_step_leaves_nothing_half_unpacked(memory: Path, scenario: str) -> None:
    """What has a receipt is whole, the version before is untouched, another try works and leaves no download."""
    *wrong, steps, codes = whole("killed", scenario, memory)
    assert (wrong, codes) == ([], "")
    assert int(steps.removeprefix("steps ")) > 30


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_master_killed_at_any_moment_leaves_nothing_half_unpacked(memory: Path) -> None:
    """Ten times; an apt that it left behind is waited for."""
    *wrong, steps = whole("times", "install", memory)
    assert (wrong, steps) == ([], "steps 10")
