"""Workers of a worker file with `provider: docker`, through a real daemon and its command line, on a real engine."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.engines import docker, image
from tests.yard import Yard, eventually

pytestmark = pytest.mark.needs_docker

FILE = """\
workers:
  - id: web
    provider: docker
    docker:
      image: {image}
      command: [sh, -c, "echo up; trap 'echo bye; exit 0' TERM; while :; do sleep 0.02; done"]
      environment: {{COLOUR: green}}
    probes:
      readiness: {{log: up, period: 100ms}}
  - id: hungry
    provider: docker
    docker: {{image: {image}, init: false, command: [tail, /dev/zero]}}
    limits: {{memory: {{max_rss: 8MB, policy: immediate_kill}}}}
    restart_policy: never
  - id: short
    provider: docker
    docker: {{image: {image}, command: [sh, -c, "echo oh no >&2; exit 3"]}}
    restart_policy: never
"""


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    """A state folder, whose containers are gone afterwards."""
    made = Yard(tmp_path / "s")
    yield made
    made.end()
    for line in docker("ps", "-aq", "--filter", f"label=beeyard.owner={made.paths.identity}").split():
        docker("rm", "-f", line)


def beeyard(yard: Yard, *words: str) -> str:
    """What the command says."""
    environment = {**os.environ, "BEEYARD_STATE_DIR": yard.paths.state}
    argv = [sys.executable, "-m", "beeyard", *words]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_a_worker_of_a_file_lives_in_a_container(yard: Yard, tmp_path: Path) -> None:
    """Up, ps, logs, why, restart, a master that is killed and comes back, down: as with a process."""
    file = tmp_path / "beeyard.yaml"
    file.write_text(FILE.format(image=image()))
    said = beeyard(yard, "up", "--detach", str(file))
    try:
        row = yard.running("web")["web"]
    except AssertionError as error:
        raise AssertionError(f"{error}\n{said}") from None
    assert row["attempt"] == 1
    eventually(lambda: yard.ps()["hungry"]["state"] != "running" and yard.ps()["short"]["state"] != "running")
    assert "memory" in beeyard(yard, "why", "hungry")
    why = beeyard(yard, "why", "short")
    assert "3" in why
    assert "oh no" in why
    assert "up" in beeyard(yard, "logs", "web")

    def container() -> str:
        return docker("ps", "-q", "--no-trunc", "--filter", f"label=beeyard.owner={yard.paths.identity}")

    first = container()
    old = yard.pid("master")
    os.kill(old, signal.SIGKILL)
    eventually(lambda: yard.pid("master") != old and yard.answers(), "another master")
    assert yard.running("web")["web"]["attempt"] == 1
    assert container() == first
    beeyard(yard, "restart", "web")
    eventually(lambda: yard.ps().get("web", {}).get("attempt") == 2 and yard.ps()["web"]["ready"], "a second attempt")
    second = container()
    assert second != first
    assert yard.log("web").splitlines() == [b"up", b"bye", b"up"]
    docker("kill", second)
    eventually(lambda: yard.ps()["web"]["attempt"] == 3 and yard.ps()["web"]["ready"], "a third attempt")
    assert json.loads(docker("inspect", container()))[0]["Config"]["Labels"]["beeyard.attempt"] == "3"
    yard.down()
    assert docker("ps", "-aq", "--filter", f"label=beeyard.owner={yard.paths.identity}") == ""
