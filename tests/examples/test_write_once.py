"""examples/02-write-once: every command of its README, and the same tests against each of its four deployments."""

import asyncio
import importlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import beeyard
from beeyard.adapters.providers import PROVIDERS
from beeyard.entrypoints import settings
from tests.examples.test_docs import make_roots
from tests.examples.test_pages import Shell, Step, environ, follow, parts
from tests.yard import PATIENCE, Yard, eventually

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/02-write-once"
README = "examples/02-write-once/README.md"
WORKERS = ("module", "process", "packaged-module", "packaged-process")
PUBLISH = """
mkdir -p package/echo && cp package.yaml package/ && cp echo/*.py package/echo/ &&
beeyard package build package -o builds && beeyard repo init repository --root-key offline/root.key &&
beeyard repo add repository builds/echo-1.0.0-any.json --origin examples && beeyard repo publish repository &&
cp repository/metadata/1.root.json local.root.json
"""


def copied(folder: Path) -> Yard:
    """The example in a folder of its own, with a state folder beside it that nobody serves yet."""
    made = [line.strip("/") for line in (EXAMPLE / ".gitignore").read_text().splitlines() if line.startswith("/")]
    ignored = shutil.ignore_patterns(".beeyard", "__pycache__", *made)
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=ignored)
    return Yard(folder / "s")


@pytest.fixture(scope="module")
def code() -> Iterator[Any]:
    """The module of the example that knows how to call by gRPC; it has the contract as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLE)
        yield importlib.import_module("echo.over_grpc")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """All four, running out of one file."""
    folder = tmp_path_factory.mktemp("echo")
    made = copied(folder)
    try:
        for command in (PUBLISH, "beeyard up -d"):
            done = subprocess.run(
                command, shell=True, cwd=folder, env=environ(made), capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
        yield made
    finally:
        made.end()


async def said(here: Yard, code: Any, worker: str, text: str, via: Any) -> Any:
    """What a worker answers."""
    async with (
        beeyard.AsyncClient(state_dir=here.paths.state) as client,
        beeyard.connect(code.Echo, worker, via=via, by=client) as echo,
    ):
        return await echo.say(text)


@pytest.mark.parametrize("via", ["auto", "grpc", "http"])
@pytest.mark.parametrize("worker", WORKERS)
def test_it_answers_alike_wherever_it_runs(here: Yard, code: Any, worker: str, via: str) -> None:
    """The same words and the same errors; only the process tells where it was."""
    answer = asyncio.run(said(here, code, worker, "hello", via))
    assert (answer.text, answer.worker) == ("echo: hello", worker)
    pids = [here.pid("master")] if worker.endswith("module") else here.leaders(worker)
    assert [answer.pid] == pids
    with pytest.raises(ValueError, match=r"^nothing to say$"):
        asyncio.run(said(here, code, worker, "", via))


@pytest.mark.parametrize("worker", WORKERS)
def test_it_lives_alike_wherever_it_runs(here: Yard, code: Any, worker: str) -> None:
    """Healthy, with the same log and the same endpoints; stopped after a call it ends cleanly, and starts again."""
    here.running(worker)
    asyncio.run(said(here, code, worker, "hello", "grpc"))
    assert "INFO listens on" in here.log(worker, "stderr").decode()
    found = {row["name"]: row["protocol"] for row in here.ask("endpoint_list", workers=[worker])}
    assert found == {"Echo": "direct", "grpc": "grpc", "http": "http"}
    eventually(lambda: here.ps()[worker]["health"] == "healthy", "its health")
    attempt = here.ps()[worker]["attempt"]
    here.ask("stop", workers=[worker])
    eventually(lambda: here.ps()[worker]["state"] == "stopped", "its end")
    assert here.ps()[worker]["exit"] == "exit code 0"
    here.ask("start", workers=[worker])
    assert here.running(worker)[worker]["attempt"] == attempt + 1
    assert asyncio.run(said(here, code, worker, "again", "http")).text == "echo: again"


async def test_a_program_with_its_own_master_calls_it_directly(code: Any, tmp_path: Path) -> None:
    """Where that is possible, `auto` does so; the other one is called over gRPC."""
    yard = copied(tmp_path)
    make_roots(tmp_path, (tmp_path / "beeyard.yaml").read_text())
    loaded = settings.load(str(tmp_path / "beeyard.yaml"), environ=os.environ, providers=PROVIDERS)
    async with beeyard.Master.open(yard.paths.state, shutdown_timeout=PATIENCE) as master:
        await master.add_workers([spec for spec in loaded.workers if not spec.package])
        ready = lambda: all(view.ready for view in master.get_all_worker_states_with_diagnostics())  # noqa: E731
        assert await master.until(ready, PATIENCE)
        async with (
            beeyard.connect(code.Echo, "module", by=master) as within,
            beeyard.connect(code.Echo, "module", via="direct", by=master) as direct,
            beeyard.connect(code.Echo, "process", by=master) as outside,
        ):
            assert [(await echo.say("hi")).pid == os.getpid() for echo in (within, direct, outside)] == [
                True,
                True,
                False,
            ]
            with pytest.raises(ValueError, match=r"^nothing to say$"):
                await within.say("")


@pytest.mark.slow
def test_the_example_can_be_typed_as_its_page_says(tmp_path: Path) -> None:
    """From the compiler to the end; what the compiler makes is what is checked in."""
    steps = [part for part in parts(README) if isinstance(part, Step)]
    assert len(steps) > 15
    made = copied(tmp_path)
    shell = Shell(environ(made), tmp_path)
    try:
        for step, after in zip(steps, [*steps[1:], None], strict=True):
            follow(step, shell)
            told = after is not None and after.command == "echo $?"
            assert shell.ended == 0 or told, (step.where, step.command, shell.ended)
    finally:
        shell.end()
        made.end()
    for file in EXAMPLE.glob("echo/*_pb2*"):
        assert (tmp_path / "echo" / file.name).read_text() == file.read_text(), f"{file.name} is older than echo.proto"
    assert made.marked() == []
