"""Distributions of Python, installed with nothing stood in for: killed at each step, and at any moment."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.test_package_store import memory as memory

WHOLE = str(Path(__file__).with_name("wheels_whole.py"))


def whole(*words: str | Path) -> list[str]:
    """What it found wrong, how many steps there were, and the codes of the errors that were told."""
    told = subprocess.run([sys.executable, WHOLE, *words], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return told.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["install", "repair"])
def test_a_master_killed_at_any_step_leaves_no_environment_half_there(memory: Path, scenario: str) -> None:
    """What has a receipt is whole, the version before is untouched, and another try works."""
    *wrong, steps, codes = whole("killed", scenario, memory)
    assert (wrong, codes) == ([], "")
    assert int(steps.removeprefix("steps ")) > 30


@pytest.mark.slow
def test_who_unpacks_an_environment_may_be_killed_at_any_step(memory: Path) -> None:
    """Its master says so, has nothing left over, and can try again."""
    *wrong, steps, codes = whole("bereft", "install", memory)
    assert (wrong, codes) == ([], "archive_interrupted")
    assert int(steps.removeprefix("steps ")) > 20


def test_a_master_killed_at_any_moment_leaves_no_environment_half_there(memory: Path) -> None:
    """Ten times."""
    *wrong, steps = whole("times", "install", memory)
    assert (wrong, steps) == ([], "steps 10")
