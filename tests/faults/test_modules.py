"""kill -9 of master, launcher and pump while modules start, run, write and stop, in the master and as processes; and a
full disk under what they write. After each: one attempt and no second one beside it, and no line lost or torn."""

import os
import re
import signal
from functools import partial
from pathlib import Path

import pytest

from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import ProbeSpec, StopStep, WorkerSpec
from beeyard.domain.values import Duration, WorkerId
from tests.disks import mounted
from tests.end_to_end.conftest import fresh_yard as fresh_yard
from tests.end_to_end.workers import AT_ONCE
from tests.yard import Yard, eventually

VICTIMS = [("pump",), ("launcher",), ("master",), ("master", "launcher"), ("launcher", "pump")]
LENGTH = 30

CODE = """
import asyncio
from pathlib import Path

from beeyard.sdk import Context, Module


class Stage(Module[dict]):
    async def initialize(self, context: Context[dict]) -> None:
        self.context = context
        self.folder = Path(context.config["folder"])

    async def start(self) -> None:
        await self.held("starts")
        self.context.run(self.count())

    async def stop(self) -> None:
        await self.held("stops")

    async def held(self, what: str) -> None:
        # Waits for as long as somebody holds it here.
        (self.folder / what).touch()
        while (self.folder / f"hold {what}").exists():
            await asyncio.sleep(0.01)

    async def count(self) -> None:
        # A line each, of some length; and a byte for each that was printed.
        number = 0
        with (self.folder / "printed").open("ab", buffering=0) as printed:
            while True:
                number += 1
                print(number, "x" * self.context.config["length"])
                printed.write(b".")
                await asyncio.sleep(0.001)
"""


@pytest.fixture(params=["module", "process"])
def where(request: pytest.FixtureRequest) -> str:
    """Where it runs."""
    return str(request.param)


def stage(folder: Path, where: str, length: int = LENGTH) -> WorkerSpec:
    """The worker `w`: a module that can be held where it starts and where it stops, and counts in between."""
    (folder / "stage.py").write_text(CODE)
    asked = ProbeSpec("module", period=Duration(0.2), timeout=Duration(10.0))
    return WorkerSpec(
        WorkerId("w"),
        where,
        {},
        module=ModuleSpec("stage:Stage", str(folder), {"folder": str(folder), "length": length}),
        probes={"readiness": ProbeSpec("notify"), "liveness": asked},
        restart=AT_ONCE,
        stop=(StopStep(wait=Duration(60.0)),),
    )


def kill(on: Yard, *roles: str) -> None:
    """All of these at once; returns when others have their places."""
    pids = {role: on.pid(role) for role in roles}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: all(on.pid(role) != pid for role, pid in pids.items()), f"others than {pids}")


def printed(folder: Path) -> int:
    """How many lines all its attempts have printed; each that was killed perhaps one more."""
    file = folder / "printed"
    return file.stat().st_size if file.exists() else 0


def lives(on: Yard) -> list[int]:
    """How many lines of each of its attempts are in the log. Fails for one that is missing or torn."""
    found: list[int] = []
    for line in on.log("w").decode().splitlines():
        number, _, rest = line.partition(" ")
        assert rest == "x" * LENGTH, f"{line} after {found}"
        if number == "1":
            found.append(0)
        found[-1] += 1
        assert int(number) == found[-1], f"{line} after {found}"
    return found


def test_a_killed_master_leaves_one_that_starts(fresh_yard: Yard, tmp_path: Path, where: str) -> None:
    """Within the master the next one starts it anew, outside its budget; a process goes on with its start."""
    (tmp_path / "hold starts").touch()
    fresh_yard.apply(stage(tmp_path, where))
    eventually((tmp_path / "starts").exists, "a start")
    before = fresh_yard.leaders("w")
    kill(fresh_yard, "master")
    (tmp_path / "hold starts").unlink()
    row = fresh_yard.running("w")["w"]
    assert row["attempt"] == (2 if where == "module" else 1)
    assert fresh_yard.leaders("w") == before
    assert fresh_yard.ask("show", worker="w")[0]["failures"] == 0
    eventually(lambda: len(lives(fresh_yard)) == 1, "one that counts")


@pytest.mark.parametrize("operation", ["stop", "restart"])
def test_a_killed_master_leaves_none_that_stops(fresh_yard: Yard, tmp_path: Path, where: str, operation: str) -> None:
    """What was asked of it comes about: it stays stopped, or one more attempt begins, after the old one's end."""
    fresh_yard.apply(stage(tmp_path, where))
    fresh_yard.running("w")
    (tmp_path / "hold stops").touch()
    fresh_yard.ask(operation, workers=["w"], wait=False)
    eventually((tmp_path / "stops").exists, "a stop")
    kill(fresh_yard, "master")
    if where == "process":
        eventually(lambda: fresh_yard.ps().get("w", {}).get("state") == "stopping", "an answer")
    (tmp_path / "hold stops").unlink()
    if operation == "restart":
        eventually(lambda: fresh_yard.ps().get("w", {}).get("attempt") == 2, "a second attempt")
        fresh_yard.running("w")
    else:
        eventually(lambda: fresh_yard.ps().get("w", {}).get("state") == "stopped", "an end")
        assert fresh_yard.ps()["w"]["attempt"] == 1
        assert fresh_yard.leaders("w") == []
    assert fresh_yard.ask("show", worker="w")[0]["failures"] == 0


def test_whoever_is_killed_no_line_is_lost_or_torn(fresh_yard: Yard, tmp_path: Path, where: str) -> None:
    """What it printed is in the log in its order, of every attempt from its first line to its last."""
    fresh_yard.apply(stage(tmp_path, where))
    fresh_yard.running("w")
    attempts = 1
    for victims in VICTIMS:
        more(tmp_path)
        kill(fresh_yard, *victims)
        attempts += where == "module" and "master" in victims
        eventually(partial(is_at, fresh_yard, attempts), f"attempt {attempts}")
        fresh_yard.running("w")
    more(tmp_path)
    fresh_yard.ask("stop", workers=["w"])
    eventually(lambda: fresh_yard.ps()["w"]["state"] == "stopped", "an end")
    eventually(lambda: sum(lives(fresh_yard)) >= printed(tmp_path), "its last line")
    assert len(lives(fresh_yard)) == attempts
    assert sum(lives(fresh_yard)) < printed(tmp_path) + attempts


def more(folder: Path, lines: int = 20) -> None:
    """Wait for so many."""
    wanted = printed(folder) + lines
    eventually(lambda: printed(folder) >= wanted, "more lines")


def is_at(on: Yard, attempt: int) -> bool:
    """Whether this is its attempt."""
    return bool(on.ps().get("w", {}).get("attempt") == attempt)


def test_a_full_disk_under_its_log_holds_up_nobody(fresh_yard: Yard, tmp_path: Path, where: str) -> None:
    """What finds no room is dropped and counted; the module goes on, is healthy, and is heard again when there is."""
    logs = Path(fresh_yard.paths.worker_logs("w"))
    with mounted(logs, "size=1m"):
        ballast = logs / "ballast"
        ballast.write_bytes(b"b" * 900_000)
        fresh_yard.apply(stage(tmp_path, where, length=10_000))
        eventually(lambda: "can't be written" in fresh_yard.said(), "a disk that is full")
        more(tmp_path, 100)  # Many times what a pipe takes.
        (shown,) = fresh_yard.ask("show", worker="w")
        assert (shown["worker"]["attempt"], shown["health"]["status"]) == (1, "healthy")
        ballast.unlink()
        eventually(lambda: b" bytes of output dropped: No space left on device]\n" in fresh_yard.log("w"), "its mark")
        fresh_yard.ask("stop", workers=["w"])
        eventually(lambda: fresh_yard.ps()["w"]["state"] == "stopped", "an end")
        lines = fresh_yard.log("w").splitlines()
        marks = {at for at, line in enumerate(lines) if line.startswith(b"[beeyard: ")}
        torn = {at for at, line in enumerate(lines) if not re.fullmatch(rb"\d+ x{10000}", line)} - marks
        assert all({at - 1, at + 1} & marks for at in torn), "only beside what was dropped"
        fresh_yard.down()
