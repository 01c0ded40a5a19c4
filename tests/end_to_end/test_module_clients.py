"""Modules that find and call each other, as processes and within the master, and programs that call them."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest

import beeyard
from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import ProbeRole, ProbeSpec, WorkerSpec
from beeyard.domain.values import Duration, WorkerId
from tests.end_to_end.workers import AT_ONCE
from tests.yard import PATIENCE, Yard, eventually

BEEYARD = str(Path(sys.executable).with_name("beeyard"))

CODE = """
import asyncio, os
from pathlib import Path
from typing import Protocol

from aiohttp import web

from beeyard.sdk import Context, Module, ServiceError
from beeyard.sdk.http import routes


class Echo(Protocol):
    async def say(self, text: str) -> list[str]: ...


class Service(Module[dict]):
    async def initialize(self, context: Context[dict]) -> None:
        self.context = context

    async def start(self) -> None:
        app = web.Application()
        app.add_routes(routes(Echo, self))
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.address = f"http://127.0.0.1:{self.runner.addresses[0][1]}"
        self.context.register("http", self.address, metadata={"contract": "Echo"})
        self.context.offer(Echo, self)

    async def stop(self) -> None:
        await self.runner.cleanup()

    async def say(self, text: str) -> list[str]:
        return [text, self.context.worker, str(os.getpid()), self.address]


class Asking(Module[dict]):
    async def initialize(self, context: Context[dict]) -> None:
        self.context, self.folder = context, Path(context.config["folder"])

    async def start(self) -> None:
        self.context.run(self.ask())

    async def ask(self) -> None:
        echo = None
        while True:
            try:
                echo = echo or await self.context.connect(Echo, "echo", via=self.context.config["via"])
                answer = await echo.say("ho")
            except ServiceError as error:
                answer = [type(error).__name__, str(error)]
            (self.folder / "new").write_text("\\n".join([str(os.getpid()), *answer]))
            (self.folder / "new").rename(self.folder / "answer")
            await asyncio.sleep(0.02)
"""


class Echo(Protocol):
    """The same contract, in a program that knows nothing of the module's code."""

    async def say(self, text: str) -> list[str]: ...


def module(id: str, provider: str, folder: Path, name: str, **config: str) -> WorkerSpec:
    """A worker that runs one of them, wherever its provider does."""
    (folder / "services.py").write_text(CODE)
    probes: dict[ProbeRole, ProbeSpec] = {
        "readiness": ProbeSpec("notify"),
        "liveness": ProbeSpec("module", period=Duration(0.5)),
    }
    runs = ModuleSpec(f"services:{name}", str(folder), {"folder": str(folder), **config})
    return WorkerSpec(WorkerId(id), provider, {}, module=runs, probes=probes, restart=AT_ONCE)


def answer(folder: Path) -> list[str]:
    """What the asking worker heard last; first its own process."""
    file = folder / "answer"
    return file.read_text().split("\n") if file.exists() else []


def heard(folder: Path, other: str = "") -> list[str]:
    """The same once it is the service's, of an attempt at another address than this."""
    seen = answer(folder)
    return seen if seen[1:3] == ["ho", "echo"] and seen[4] != other else []


@pytest.mark.parametrize("asking", ["process", "module"])
@pytest.mark.parametrize("serving", ["process", "module"])
def test_two_workers_talk_wherever_they_run(fresh_yard: Yard, tmp_path: Path, serving: str, asking: str) -> None:
    """One word in each worker's spec says where; in one process they call each other directly. A restart of the one
    that serves, at another port, is no more than an error at most."""
    fresh_yard.apply(
        module("echo", serving, tmp_path, "Service"), module("asks", asking, tmp_path, "Asking", via="auto")
    )
    fresh_yard.running("echo", "asks")
    first = eventually(lambda: heard(tmp_path), "an answer")
    assert (first[0] == first[3]) == (serving == asking == "module")
    before = {row["name"]: row for row in fresh_yard.ask("endpoint_list", workers=["echo"])}
    assert {name: (row["protocol"], row["source"]) for name, row in before.items()} == {
        "Echo": ("direct", "module"),
        "http": ("http", "module"),
    }
    fresh_yard.ask("restart", workers=["echo"])
    second = eventually(lambda: heard(tmp_path, first[4]), "an answer of the next attempt")
    after = {row["name"]: row for row in fresh_yard.ask("endpoint_list", workers=["echo"])}
    assert [before["http"]["address"], after["http"]["address"]] == [first[4], second[4]]
    fresh_yard.ask("stop", workers=["echo"])
    eventually(lambda: answer(tmp_path)[1:2] == ["Unreachable"], "nobody there")
    assert fresh_yard.ask("endpoint_list") == []


def test_a_program_calls_a_worker_and_the_command_line_tells_where(fresh_yard: Yard, tmp_path: Path) -> None:
    """By its contract; the address stands alone, for shells."""
    fresh_yard.apply(module("echo", "process", tmp_path, "Service"))
    fresh_yard.running("echo")

    async def asked() -> list[str]:
        async with (
            beeyard.AsyncClient(state_dir=fresh_yard.paths.state) as client,
            beeyard.connect(Echo, "echo", by=client) as echo,  # type: ignore[type-abstract]
        ):
            return await echo.say("hi")

    assert asyncio.run(asked())[:2] == ["hi", "echo"]

    def cli(*words: str) -> Any:
        return subprocess.run(
            [BEEYARD, "--state-dir", fresh_yard.paths.state, "endpoint", *words],
            capture_output=True,
            text=True,
            check=False,
        )

    (row,) = (row for row in fresh_yard.ask("endpoint_list") if row["name"] == "http")
    assert cli("get", "echo", "http").stdout == f"{row['address']}\n"
    table = cli("list", "echo").stdout.splitlines()
    assert [line.split()[:4] for line in table[1:]] == [
        ["echo", "Echo", "direct", "Echo"],
        ["echo", "http", "http", row["address"]],
    ]
    wrong = cli("get", "echo", "htp")
    assert (wrong.returncode, "did you mean http?" in wrong.stderr) == (3, True)


async def test_a_program_with_its_own_master_calls_straight_into_it(tmp_path: Path) -> None:
    """What runs within it is called directly, and finds what runs beside it, though there is no API to ask."""
    async with beeyard.Master.open(str(tmp_path / "s"), shutdown_timeout=PATIENCE) as master:
        await master.add_workers(
            [
                module("echo", "process", tmp_path, "Service"),
                module("asks", "module", tmp_path, "Asking", via="http"),
                module("here", "module", tmp_path, "Service"),
            ]
        )
        ready = lambda: all(view.ready for view in master.get_all_worker_states_with_diagnostics())  # noqa: E731
        assert await master.until(ready, PATIENCE)
        async with beeyard.connect(Echo, "here", via="direct", by=master) as here:  # type: ignore[type-abstract]
            assert (await here.say("hi"))[:3] == ["hi", "here", str(os.getpid())]
        first = await asyncio.to_thread(eventually, lambda: heard(tmp_path), "an answer")
        assert first[0] == str(os.getpid()) != first[3]
        assert first[4] == master.get_worker_endpoint("echo", "http").address
