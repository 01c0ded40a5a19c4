"""Workers as tests write them, and the look at what is left of them."""

import sys
from pathlib import Path
from typing import Any

from beeyard.domain.spec import Backoff, ProbeSpec, RestartPolicy, StopStep, WorkerSpec
from beeyard.domain.values import Duration, SignalNumber, WorkerId
from tests.contract.benches import cgroups
from tests.yard import Yard, eventually

NEVER = RestartPolicy(policy="never")
AT_ONCE = RestartPolicy(policy="always", backoff=Backoff(delay=Duration(0.0), max_retries=None), jitter=0.0)
LOOP = "while :; do sleep 0.02; done"


def shell(name: str, script: str, restart: RestartPolicy = NEVER, **more: Any) -> WorkerSpec:
    """A worker that runs a shell script."""
    return program(name, "/bin/sh", "-c", script, restart=restart, **more)


def python(name: str, script: str, restart: RestartPolicy = NEVER, **more: Any) -> WorkerSpec:
    """A worker that runs a Python script."""
    return program(name, sys.executable, "-S", "-c", script, restart=restart, **more)


def program(name: str, *argv: str, **more: Any) -> WorkerSpec:
    """A worker that runs a program."""
    run = {"executable_path": argv[0], "args": argv[1:]}
    return WorkerSpec(id=WorkerId(name), provider="process", run=run, **more)


def steps(*pairs: tuple[int, float]) -> tuple[StopStep, ...]:
    """A stop sequence."""
    return tuple(StopStep(SignalNumber(signo), Duration(wait)) for signo, wait in pairs)


def asked(*command: str, **more: Any) -> ProbeSpec:
    """An exec probe that is asked often."""
    more = {"period": Duration(0.05), "timeout": Duration(5.0), "failures": 1, **more}
    return ProbeSpec("exec", command=command, **more)


def down_and_clean(made: Yard) -> None:
    """Take it down the proper way: no process, no cgroup, nobody stuck is left."""
    assert made.down()["stuck"] == []
    eventually(lambda: made.marked() == [], f"no process left: {made.marked()}")
    eventually(lambda: cgroups(made.paths) == [], f"no cgroup left: {cgroups(made.paths)}")


def lines(file: Path) -> list[str]:
    """What is in a file; nothing while it is not there."""
    return file.read_text().splitlines() if file.exists() else []
