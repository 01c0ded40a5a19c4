"""A real master that is told of pressure by files as the kernel's."""

import os
import signal
from pathlib import Path

import pytest

from beeyard.domain.spec import Backoff, RestartPolicy
from beeyard.domain.values import Duration
from tests.end_to_end.workers import LOOP, shell
from tests.yard import eventually, yard


def test_under_pressure_a_restart_comes_later_and_says_why_and_a_person_does_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour becomes two, and `restart` is done at once."""
    (tmp_path / "cpu").write_text("some avg10=80.00 avg60=9.00 avg300=9.00 total=2431977067\n")
    monkeypatch.setenv("BEEYARD_PRESSURE", str(tmp_path))
    hour = Backoff(delay=Duration(3600.0), max_delay=Duration(3600.0))
    with yard(tmp_path / "s") as busy:
        busy.apply(shell("web", LOOP, RestartPolicy(policy="always", backoff=hour, jitter=0.0)))
        os.kill(busy.running("web")["web"]["pid"], signal.SIGKILL)
        eventually(lambda: busy.ps()["web"]["state"] == "backoff", "its end")
        assert busy.ps()["web"]["note"] == "restart in 2h (1 of 5 within 5m; host under pressure: cpu 80 %)"
        assert busy.ask("info")["pressure"] == "host under pressure: cpu 80 %; waits are 2.0 times as long"
        busy.ask("restart", workers=["web"])
        assert busy.ps()["web"]["state"] == "running"
