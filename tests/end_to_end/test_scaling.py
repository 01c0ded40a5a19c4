"""Groups that scale, for real: workers that burn as much CPU as a file says, and an operator beside them."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from beeyard.domain.scaling import Metric, Scaling
from beeyard.domain.spec import Endpoint, ProbeSpec, WorkerSpec
from beeyard.domain.values import Duration
from tests.end_to_end.workers import down_and_clean, python, shell
from tests.yard import Yard, eventually

PATIENCE = 120.0
"""Seconds: CPU is read every few of them, and the machine may be busy with other things."""

pytestmark = pytest.mark.timeout(3 * PATIENCE)

BURNER = """
import sys, time
while True:
    try:
        share = float(open(sys.argv[1]).read())
    except (OSError, ValueError):
        share = 0.0
    end = time.monotonic() + 0.1 * share
    while time.monotonic() < end:
        pass
    time.sleep(0.1 * (1 - share) + 0.001)
"""


def burners(load: Path, scaling: Scaling) -> list[WorkerSpec]:
    """All instances of a group of which each uses so much of a core."""
    made = [python(f"web.{number}", BURNER, scaling=scaling) for number in range(1, scaling.max + 1)]
    for spec in made:
        spec.run["args"] = [*spec.run["args"], str(load)]
    return made


def up(yard: Yard) -> list[str]:
    """Who runs and is ready."""
    return [name for name, row in yard.ps().items() if row["state"] == "running" and row["ready"]]


def test_a_group_grows_under_load_and_shrinks_after_it(fresh_yard: Yard, tmp_path: Path) -> None:
    """Two burn more than they are to, so the third is started; once they rest one is left. A master that is killed in
    between changes nothing of that."""
    load = tmp_path / "load"
    load.write_text("0.0")
    short = Scaling(1, 3, cpu=20.0, up=Duration(1), down=Duration(6), cool_down=Duration(1))
    fresh_yard.apply(*burners(load, short))
    fresh_yard.running("web.1")
    assert {row["state"] for name, row in fresh_yard.ps().items() if name != "web.1"} == {"standby"}
    load.write_text("0.5")
    eventually(lambda: up(fresh_yard) == ["web.1", "web.2", "web.3"], "three run", PATIENCE)
    pids = {name: row["pid"] for name, row in fresh_yard.ps().items()}
    os.kill(fresh_yard.pid("master"), signal.SIGKILL)
    eventually(fresh_yard.ps, "another master")
    assert {name: row["pid"] for name, row in fresh_yard.ps().items()} == pids
    load.write_text("0.0")
    resting = "on standby: 1 of 3 wanted"
    eventually(
        lambda: [row["note"] for row in fresh_yard.ps().values()] == ["", resting, resting], "one is left", PATIENCE
    )
    (why,) = fresh_yard.ask("why", worker="web.3")
    assert why["deaths"][0]["cause"]["kind"] == "scaling"
    assert {entry["by"] for entry in why["story"] if "instance" in entry["what"]} == {"scaling"}
    down_and_clean(fresh_yard)


def test_a_metric_decides_how_many_run(fresh_yard: Yard, tmp_path: Path) -> None:
    """Each instance tells how many jobs wait at it; and while an operator has stopped the group, nothing is started."""
    page = tmp_path / "pages" / "metrics"
    page.parent.mkdir()
    page.write_text("# TYPE queue_depth gauge\nqueue_depth 0\n")
    serve = f"exec {sys.executable} -m http.server --bind 127.0.0.1 --directory {page.parent} $BEEYARD_PORT_HTTP"
    metric = Metric("/metrics", "queue_depth", 10.0)
    ready = {"readiness": ProbeSpec("http", target="/metrics", period=Duration(0.1))}
    endpoints = {"http": Endpoint("http")}
    short = Scaling(1, 3, metric=metric, up=Duration(0), down=Duration(3), cool_down=Duration(0))
    group = [shell(f"web.{n}", serve, scaling=short, endpoints=endpoints, probes=ready) for n in (1, 2, 3)]
    fresh_yard.apply(*group)
    fresh_yard.running("web.1")
    fresh_yard.ask("stop", workers=["web"])
    page.write_text('queue_depth{queue="mail"} 15\nqueue_depth{queue="print"} 5\n')
    assert up(fresh_yard) == []
    fresh_yard.ask("start", workers=["web"])
    assert up(fresh_yard) == ["web.1"]
    eventually(lambda: up(fresh_yard) == ["web.1", "web.2", "web.3"], "three run", PATIENCE)

    def told() -> dict[str, Any] | None:
        scaling: dict[str, Any] = fresh_yard.ask("show", worker="web")[0]["scaling"]
        return scaling if scaling["load"] == "queue_depth 60, 10 for each" else None

    scaling = eventually(told, "the figures of all three") or {}
    assert (scaling["wanted"], scaling["ready"], scaling["min"], scaling["max"]) == (3, 3, 1, 3)
    page.write_text("queue_depth 3\n")
    eventually(lambda: up(fresh_yard) == ["web.1"], "one is left", PATIENCE)
    down_and_clean(fresh_yard)
