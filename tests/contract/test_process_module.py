"""The process provider with a module: what it starts, with which means, and what it refuses."""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from beeyard.domain.errors import Problem
from beeyard.domain.master import SecretSource
from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.values import WorkerId
from beeyard.sdk.terms import TERMS
from tests.contract.benches import BENCHES, ProcessBench, bench

CODE = """
import os, resource
from beeyard.sdk import Module
class Tells(Module):
    async def initialize(self, context):
        self.context = context
    async def start(self):
        told = os.nice(0), resource.getrlimit(resource.RLIMIT_NOFILE)[0], os.environ["COLOUR"], os.getcwd()
        print(*told, self.context.config, "BEEYARD_MODULE" in os.environ, sep="|", flush=True)
        print("up", flush=True)
    async def stop(self):
        print("down", flush=True)
"""


@pytest.fixture(params=BENCHES["process"][1])
async def on(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ProcessBench]:
    """The process provider on its bench."""
    async with bench("process", request.param, tmp_path / "s") as made:
        yield made


def hosted(folder: Path, config: dict[str, Any] | None = None, **run: Any) -> WorkerSpec:
    """A worker whose module tells what it was given."""
    (folder / "tells.py").write_text(CODE)
    return WorkerSpec(WorkerId("worker"), "process", run, module=ModuleSpec("tells:Tells", str(folder), config or {}))


async def test_a_module_has_what_any_process_has(on: ProcessBench, tmp_path: Path) -> None:
    """A niceness, limits, variables and a folder; its terms are not for what it starts, nor for what runs beside it."""
    on.secrets.define({"key": SecretSource(file="/key")})
    on.secrets.values = {"key": "k"}
    given = {"environment": {"COLOUR": "red"}, "rlimits": {"nofile": [77, 88]}, "nice": 3}
    spec = hosted(
        tmp_path, {"a": ["${secret:key}", "$${secret:key}", 1]}, working_directory=str(tmp_path / "s"), **given
    )
    handle = await on.ready(spec)
    assert on.lines()[0] == f"3|77|red|{tmp_path}/s|{{'a': ['k', '${{secret:key}}', 1]}}|False"
    assert Path(f"/proc/{handle.state['pid']}/cmdline").read_bytes().split(b"\0")[1:-1] == [
        *(b"-P", b"-m", b"beeyard.sdk.run")
    ]
    beside = await on.provider.exec(spec, ("/bin/sh", "-c", f'echo "$COLOUR${TERMS}"'), 10)
    assert beside.output == "red\n"
    await on.provider.terminate("worker", 1, spec.stop[0], 1)
    assert (await on.exited()).code == 0
    await on.provider.drain("worker")
    assert on.lines()[-1] == "down"


async def test_what_nobody_could_run_is_refused_with_its_place(tmp_path: Path) -> None:
    """Before anything is started; the secrets of a configuration are named with their place."""
    async with bench("process", "born", tmp_path / "s") as on:
        good = hosted(tmp_path, {"db": {"urls": ["x", "${secret:db}"]}}, environment={"KEY": "${secret:key}"})
        assert on.provider.check(good) == []
        assert on.provider.secrets(good) == {"key": "run.environment.KEY", "db": "module.config.db.urls[1]"}
        assert on.provider.describe(good) == {
            "module": "tells:Tells",
            "module_folder": str(tmp_path),
            "executable_path": sys.executable,
            "executable_exists": True,
        }
        wrong = hosted(tmp_path, {"db": "${secret:}"}, args=["-v"], kind="integrated", pid_file=str(tmp_path / "p"))
        found = [(problem.path, problem.found) for problem in on.provider.check(wrong)]
        assert found == [
            ("module.config.db", "a reference to no secret"),
            ("run.args", "arguments"),
            ("run.kind", "integrated"),
            ("run.pid_file", str(tmp_path / "p")),
        ]
        nowhere = WorkerSpec(WorkerId("w"), "process", {}, module=ModuleSpec("", os.devnull, {"a": "x" * 120_000}))
        assert [problem.path for problem in on.provider.check(nowhere)] == [
            *("module.factory", "module.folder", "module.config")
        ]
        other = hosted(tmp_path, executable_path="/none/python")
        assert on.provider.check(other) == [
            Problem("run.executable_path", "no file /none/python", "an executable file")
        ]
