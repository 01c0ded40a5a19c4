"""`exit_on: failure` and restarts by dependency, on real programs and from the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from beeyard.entrypoints.place import running
from tests.end_to_end.workers import lines
from tests.yard import Yard, eventually

BEEYARD = os.path.join(os.path.dirname(sys.executable), "beeyard")

FILE = """
workers:
  - id: db
    execution: {{executable_path: /bin/sh, args: [-c, "trap 'echo db ends >> {told}; exit' TERM; while :; do sleep 0.02; done"]}}
  - id: web
    depends_on: [db]
    execution: {{executable_path: /bin/sh, args: [-c, "trap 'echo web ends >> {told}; exit' TERM; while :; do sleep 0.02; done"]}}
  - id: job
    depends_on: [web]
    restart_policy: never
    exit_on: failure
    execution: {{executable_path: /bin/sh, args: [-c, "while [ ! -e {go} ]; do sleep 0.02; done; exit 3"]}}
"""  # noqa: E501


@pytest.fixture
def fallow(tmp_path: Path) -> Iterator[Yard]:
    """A state folder that nobody serves yet."""
    made = Yard(tmp_path / "s")
    try:
        yield made
    finally:
        made.end()


@pytest.mark.parametrize("way", [(), ("--detach",)], ids=["foreground", "detached"])
def test_up_ends_with_the_worker_that_failed_and_all_stays_down(
    fallow: Yard, tmp_path: Path, way: tuple[str, ...]
) -> None:
    """Dependents end first, the exit code says that something answered no, and nobody brings anything back."""
    told, go, file = tmp_path / "told", tmp_path / "go", tmp_path / "beeyard.yaml"
    file.write_text(FILE.format(told=told, go=go))
    words = [BEEYARD, "--state-dir", fallow.paths.state]
    up = [*words, "up", *way, str(file)]
    if way:
        assert subprocess.run(up, capture_output=True, check=False).returncode == 0
        go.touch()
        eventually(lambda: not running(fallow.paths), "everything down")
    else:
        with subprocess.Popen(up, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            fallow.running("db", "web", "job")
            go.touch()
            _, err = process.communicate(timeout=60)
        assert process.returncode == 6, err
        assert "job failed, and everything goes down with it (exit_on: failure): exit code 3" in err
    assert lines(told) == ["web ends", "db ends"]
    assert fallow.marked() == []
    assert running(fallow.paths) == {}, "a launcher would bring the master back"
    assert "job failed, and everything goes down with it" in fallow.said()
    again = subprocess.run([*words, "up", "--detach", str(file)], capture_output=True, text=True, check=False)
    assert again.returncode in {0, 6}, again.stderr
    eventually(lambda: not running(fallow.paths), "everything down once more")
    go.unlink()
    subprocess.run([*words, "up", "--detach", str(file)], check=True, capture_output=True)
    entries = fallow.ask("audit_log", limit=100)
    noted = [entry["record"] for entry in entries if entry["record"]["what"] == "exit_on"]
    assert [(one["who"], one["asked"]) for one in noted] == [("beeyard", {"worker": "job"})] * 2, json.dumps(entries)
