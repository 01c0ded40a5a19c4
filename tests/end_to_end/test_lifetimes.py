"""Real workers that grow too old, do nothing, or are done."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from beeyard.domain.lifetime import Lifetime
from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import Backoff, RestartPolicy, StopStep, WorkerSpec
from beeyard.domain.values import Duration, WorkerId
from tests.contract.engines import docker, image
from tests.end_to_end.workers import NEVER, program, shell
from tests.yard import Row, Yard, eventually

PATIENT = RestartPolicy(backoff=Backoff(delay=Duration(3600.0), max_delay=Duration(3600.0)), jitter=0.0)
"""Who is judged by this is not seen again."""
CODE = """
from beeyard.sdk import Module


class Sleeper(Module[dict]):
    pass
"""


def sleeper(provider: str, folder: Path, lifetime: Lifetime) -> WorkerSpec:
    """The worker `sleepy`, which does nothing, as this provider runs it."""
    if provider == "process":
        return program("sleepy", "/bin/sleep", "infinity", restart=PATIENT, lifetime=lifetime)
    (folder / "sleeper.py").write_text(CODE)
    module = ModuleSpec("sleeper:Sleeper", str(folder), start_timeout=Duration(1.0))
    return WorkerSpec(WorkerId("sleepy"), "module", {}, module=module, restart=PATIENT, lifetime=lifetime)


@pytest.fixture
def engine_yard(fresh_yard: Yard) -> Iterator[Yard]:
    """One whose containers are gone afterwards."""
    yield fresh_yard
    fresh_yard.end()
    for line in docker("ps", "-aq", "--filter", f"label=beeyard.owner={fresh_yard.paths.identity}").split():
        docker("rm", "-f", line)


def contained(name: str, script: str, **more: Any) -> WorkerSpec:
    """A worker that runs a shell script in a container."""
    return WorkerSpec(WorkerId(name), "docker", {"image": image(), "command": ["sh", "-c", script]}, **more)


def died(on: Yard, worker: str) -> Row:
    """Its last death record."""
    (seen,) = on.ask("why", worker=worker)
    record: Row = seen["deaths"][0]
    return record


def age(on: Yard, worker: str) -> Row:
    """What its lifetime brings next."""
    (seen,) = on.ask("show", worker=worker)
    coming: Row = seen["ages"][0]
    return coming


@pytest.mark.parametrize("provider", ["process", "module"])
def test_one_that_is_too_old_starts_anew_again_and_again(fresh_yard: Yard, tmp_path: Path, provider: str) -> None:
    """At once, whatever the delay of its restarts; the record says why."""
    fresh_yard.apply(sleeper(provider, tmp_path, Lifetime(max=Duration(1.5))))
    eventually(lambda: fresh_yard.ps()["sleepy"]["attempt"] == 3, "a third attempt")
    record = died(fresh_yard, "sleepy")
    assert record["cause"]["kind"] == "lifetime"
    assert record["cause"]["detail"].endswith("; its max lifetime is 1.5s")
    assert record["decision"] == "started anew at once, outside the budget"
    assert fresh_yard.ask("show", worker="sleepy")[0]["failures"] == 0


def test_the_next_master_ends_it_when_the_last_one_would_have(fresh_yard: Yard, tmp_path: Path) -> None:
    """It takes the attempt over with its age."""
    fresh_yard.apply(sleeper("process", tmp_path, Lifetime(max=Duration(6.0))))
    pid = fresh_yard.running("sleepy")["sleepy"]["pid"]
    coming, master = age(fresh_yard, "sleepy"), fresh_yard.pid("master")
    eventually(lambda: time.time() > coming["at"] - 4.0, "it is some seconds old")  # Else a new age would look alike.
    os.kill(master, signal.SIGKILL)
    eventually(lambda: fresh_yard.pid("master") != master and fresh_yard.answers(), "another master")
    after = age(fresh_yard, "sleepy")
    assert (after["what"], after["at"]) == ("max lifetime", pytest.approx(coming["at"], abs=1.0))
    assert fresh_yard.running("sleepy")["sleepy"]["pid"] == pid
    eventually(lambda: fresh_yard.ps()["sleepy"]["attempt"] == 2, "a second attempt")
    assert died(fresh_yard, "sleepy")["pid"] == pid


@pytest.mark.parametrize("provider", ["process", "module"])
def test_one_that_does_nothing_is_stopped_and_one_that_works_is_not(
    fresh_yard: Yard, tmp_path: Path, provider: str
) -> None:
    """It stays down, over a new master as well, until somebody starts it."""
    lifetime = Lifetime(idle=Duration(2.0))
    busy = shell("busy", "while :; do :; done", restart=PATIENT, lifetime=lifetime)
    fresh_yard.apply(sleeper(provider, tmp_path, lifetime), busy)
    eventually(lambda: fresh_yard.ps()["sleepy"]["state"] == "stopped", "an end", 60)
    row = fresh_yard.ps()["sleepy"]
    assert (row["wanted"], row["note"]) == ("down", "stays down until it is asked for")
    assert died(fresh_yard, "sleepy")["cause"]["kind"] == "idle"
    master = fresh_yard.pid("master")
    os.kill(master, signal.SIGKILL)
    eventually(lambda: fresh_yard.pid("master") != master and fresh_yard.answers(), "another master")
    rows = fresh_yard.ps()
    assert (rows["busy"]["attempt"], rows["sleepy"]["state"]) == (1, "stopped")
    fresh_yard.ask("start", workers=["sleepy"])
    assert fresh_yard.running("sleepy")["sleepy"]["attempt"] == 2


def test_one_that_is_done_is_removed_but_for_its_log(fresh_yard: Yard) -> None:
    """And one of its name starts anew, as another worker."""
    job = shell("job", "echo done", lifetime=Lifetime(after=Duration(1.0)))
    other = program("other", "/bin/sleep", "infinity")
    fresh_yard.apply(replace(job, lifetime=Lifetime(after=Duration(600.0))), other)
    eventually(lambda: fresh_yard.ps()["job"]["state"] == "stopped", "its end")
    assert age(fresh_yard, "job")["what"] == "removed"
    fresh_yard.apply(job, other)
    eventually(lambda: fresh_yard.ps().keys() == {"other"}, "its removal")
    assert fresh_yard.log("job") == b"done\n"
    fresh_yard.apply(job, other)
    eventually(lambda: fresh_yard.log("job") == b"done\ndone\n", "another run")


@pytest.mark.needs_docker
def test_containers_age_as_processes_do(engine_yard: Yard) -> None:
    """Made anew when they are too old, stopped when they do nothing, and removed from the engine when they are done."""
    short = StopStep(wait=Duration(1.0))
    asleep, busy = "sleep infinity", "while :; do :; done"
    engine_yard.apply(
        contained("old", asleep, restart=PATIENT, lifetime=Lifetime(max=Duration(3.0)), stop=(short,)),
        contained("sleepy", asleep, restart=PATIENT, lifetime=Lifetime(idle=Duration(2.0)), stop=(short,)),
        contained("busy", busy, restart=PATIENT, lifetime=Lifetime(idle=Duration(2.0)), stop=(short,)),
        contained("job", "echo done", restart=NEVER, lifetime=Lifetime(after=Duration(1.0))),
    )
    eventually(lambda: "job" not in engine_yard.ps() and len(engine_yard.ps()) == 3, "its removal", 60)
    eventually(lambda: engine_yard.ps()["sleepy"]["state"] == "stopped", "an end", 60)
    eventually(lambda: engine_yard.ps()["old"]["attempt"] > 1, "a second attempt", 60)
    assert (died(engine_yard, "sleepy")["cause"]["kind"], engine_yard.ps()["busy"]["attempt"]) == ("idle", 1)
    assert died(engine_yard, "old")["cause"]["kind"] == "lifetime"
    workers = ("ps", "-a", "--filter", f"label=beeyard.owner={engine_yard.paths.identity}", "--format", "{{.Names}}")
    eventually(lambda: len(docker(*workers).split()) == 2, "no more than the containers of those that run")
