"""What the wasm provider promises, over a launcher that only says that it has pipes."""

import array
import fcntl
import gc
import os
import termios
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from beeyard.adapters.providers.wasm.provider import WasmProvider
from beeyard.domain.errors import Rejected
from beeyard.domain.limits import Hold
from beeyard.domain.master import SecretSource
from beeyard.domain.messages import Exit
from beeyard.domain.spec import StopStep, WorkerSpec
from beeyard.domain.values import WorkerId
from beeyard.ports.provider import Reading, Sight
from tests.contract.benches import until
from tests.contract.test_module_provider import Bench as ModuleBench
from tests.wasm import program, written

STOP = StopStep()
PAGE = 65_536


class Bench(ModuleBench):
    """The provider, and readers of what its workers write."""

    of = WasmProvider

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self._open: dict[tuple[str, str], int] = {}

    def spec(self, program_name: str, name: str = "w", **run: Any) -> WorkerSpec:
        """A worker that runs one of the programs."""
        section = {"module": program(self.folder, program_name), **run}
        return WorkerSpec(id=WorkerId(name), provider="wasm", run=section)

    def unread(self, worker: str = "w") -> int:
        """Bytes that wait in its pipe."""
        count = array.array("i", [0])
        fcntl.ioctl(self._open[worker, "stdout"], termios.FIONREAD, count)
        return count[0]

    def read(self, worker: str = "w", stream: str = "stdout") -> bytes:
        """What it wrote since the last time."""
        key = worker, stream
        if key not in self._open:
            self._open[key] = os.open(self.launcher.worker_fifo(worker, stream), os.O_RDWR | os.O_NONBLOCK)
        try:
            return os.read(self._open[key], 1 << 20)
        except BlockingIOError:
            return b""

    async def ran(self, spec: WorkerSpec, attempt: int = 1) -> Exit:
        """From its launch to its end."""
        self.read(spec.id), self.read(spec.id, "stderr")
        await self.provider.launch(spec, attempt, {})
        return await self.exited(spec.id, attempt)

    async def goes(self, spec: WorkerSpec, attempt: int = 1) -> None:
        """Launched, and heard."""
        self.read(spec.id)
        await self.provider.launch(spec, attempt, {})
        await until(lambda: self.read(spec.id) == b"hello\n", "its first word")

    async def end(self) -> None:
        await super().end()
        while self._open:
            os.close(self._open.popitem()[1])


@pytest.fixture
async def on(tmp_path: Path) -> AsyncIterator[Bench]:
    """A provider that is ended with the test."""
    made = Bench(tmp_path)
    yield made
    await made.end()


async def test_it_writes_to_the_pipes_of_its_worker(on: Bench) -> None:
    """Standard output to one, standard error to the other; then it ends well."""
    assert await on.ran(on.spec("hello")) == Exit(0)
    assert (on.read(), on.read(stream="stderr")) == (b"hello\n", b"sorry\n")


async def test_it_has_the_arguments_and_variables_that_are_said_and_no_others(on: Bench) -> None:
    """Secrets in place, and who it is; nothing of the master's own environment."""
    on.secrets.define({"word": SecretSource(env="WORD")})
    on.secrets.values["word"] = "xyzzy"
    spec = on.spec("echo", args=["a", "b c"], environment={"KEY": "${secret:word}"})
    assert on.provider.secrets(spec) == {"word": "run.environment.KEY"}
    assert await on.ran(spec) == Exit(0)
    told = "BEEYARD_WORKER=w\0BEEYARD_GROUP=w\0BEEYARD_ATTEMPT=1\0BEEYARD_PROVIDER=wasm\0"
    assert on.read().decode() == f"{spec.run['module']}\0a\0b c\0KEY=xyzzy\0{told}"


async def test_it_sees_the_folders_that_are_granted_and_writes_where_it_may(on: Bench) -> None:
    """8 is a file that is not open, 69 a file that may be read only (both as WASI numbers errors)."""
    folder = on.folder / "granted"
    folder.mkdir()
    (folder / "note").write_text("read me")
    granted = {"/data": {"path": str(folder)}}
    assert await on.ran(on.spec("reader", "denied")) == Exit(8)
    assert await on.ran(on.spec("reader", "reader", folders=granted)) == Exit(0)
    assert on.read("reader") == b"read me"
    (folder / "note").unlink()
    refused = await on.ran(on.spec("writer", "refused", folders=granted))
    assert refused.code
    assert not (folder / "note").exists()
    granted["/data"]["write"] = True  # type: ignore[assignment]
    assert await on.ran(on.spec("writer", "writer", folders=granted)) == Exit(0)
    assert (folder / "note").exists()


@pytest.mark.parametrize(
    ("name", "run", "exit"),
    [
        ("exit3", {}, Exit(3)),
        ("nap", {}, Exit(0)),
        ("ready", {}, Exit(11)),
        ("passed", {}, Exit(10)),
        ("trap", {}, Exit(134, note="wasm `unreachable` instruction executed, in boom")),
        ("deep", {}, Exit(134, note="call stack exhausted, in deep")),
        ("busy", {"fuel": 100_000}, Exit(134, note="out of fuel: it had 100000")),
        (
            "hog",
            {"memory": 16 * PAGE},
            Exit(
                134,
                note="out of memory: all 1.0 MB are in use; then wasm `unreachable` instruction executed, in fill",
            ),
        ),
        ("well", {}, Exit(0)),
        ("badly", {}, Exit(1)),
        ("trapped", {}, Exit(134, note="wasm `unreachable` instruction executed, in boom")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_how_it_ended_is_told_in_words(on: Bench, name: str, run: dict[str, Any], exit: Exit) -> None:
    """Commands and components alike."""
    assert await on.ran(on.spec(name, **run)) == exit


@pytest.mark.parametrize(
    ("text", "exit"),
    [
        ("(nonsense", Exit(78, note="{path} is no WebAssembly that can be run: expected valid module field")),
        ("(module)", Exit(78, note="{path} is no command: it has no function _start")),
        ("(component)", Exit(78, note="{path} is no command: it does not export wasi:cli/run")),
        (
            '(component (instance $none) (export "wasi:cli/run@0.2.0" (instance $none)))',
            Exit(78, note="{path} is no command: it does not export wasi:cli/run"),
        ),
        (
            '(module (import "env" "f" (func)) (func (export "_start")))',
            Exit(78, note="{path} asks for what no command is given: unknown import: `env::f` has not been defined"),
        ),
        (
            '(module (memory (export "memory") 2000) (func (export "_start")))',
            Exit(134, note="out of memory: memory minimum size of 2000 pages exceeds memory limits; it has 64 MB"),
        ),
        (
            '(module (memory 1) (memory 1) (func (export "_start")))',
            Exit(134, note="resource limit exceeded: memory count too high at 2"),
        ),
    ],
    ids=["text", "no _start", "no run", "an empty run", "an import", "memory", "memories"],
)
async def test_what_can_not_be_run_says_why(on: Bench, text: str, exit: Exit) -> None:
    """In its exit, for those who ask."""
    path = written(on.folder, "odd", text)
    spec = WorkerSpec(id=WorkerId("w"), provider="wasm", run={"module": path})
    assert await on.ran(spec) == replace(exit, note=exit.note.format(path=path))


@pytest.mark.parametrize("name", ["busy", "sleeper"])
async def test_it_ends_at_once_whatever_it_does(on: Bench, name: str) -> None:
    """A loop without end, and a wait of a quarter of an hour: told to end, and killed."""
    await on.goes(on.spec(name))
    await on.provider.terminate("w", 1, STOP, 1)
    assert await on.exited() == Exit(signal=15)
    await on.provider.destroy("w", 1)
    await on.goes(on.spec(name), 2)
    await on.provider.kill("w", 2)
    assert await on.exited(attempt=2) == Exit(signal=9)


async def test_one_whose_output_nobody_takes_ends_all_the_same(on: Bench) -> None:
    """It waits for room in its pipe."""
    on.read()
    await on.provider.launch(on.spec("flood"), 1, {})
    await until(lambda: on.unread() >= 65_536, "a full pipe")
    await on.provider.kill("w", 1)
    assert await on.exited() == Exit(signal=9)


async def test_a_component_that_waits_for_the_host_ends_when_it_comes_back(on: Bench) -> None:
    """That can't be cut short; one that computes can."""
    await on.provider.launch(on.spec("waiting"), 1, {})
    await on.provider.launch(on.spec("looping", "other"), 1, {})
    await on.provider.kill("other", 1)
    await on.provider.kill("w", 1)
    assert await on.exited("other") == Exit(signal=9)
    assert await on.exited() == Exit(signal=9)


async def test_a_loop_without_end_holds_up_nobody(on: Bench) -> None:
    """The interpreter is not held while it runs, or nothing here would go on."""
    for number in range(3):
        await on.goes(on.spec("busy", f"w{number}"))
    assert await on.ran(on.spec("nap", "other")) == Exit(0)
    for number in range(3):
        assert await on.provider.inspect(f"w{number}", 1) == Sight("running")


async def test_launched_twice_it_is_one_attempt(on: Bench) -> None:
    """And no second one begins while it runs."""
    spec = on.spec("busy")
    await on.goes(spec)
    assert (await on.provider.launch(spec, 1, {})).provider == "wasm"
    with pytest.raises(Rejected, match="attempt 1 of w still runs"):
        await on.provider.launch(spec, 2, {})


async def test_what_it_uses_is_the_cpu_of_its_thread(on: Bench) -> None:
    """And of memory nothing is claimed."""
    await on.goes(on.spec("busy"))
    (reading,) = await on.provider.usages([("w", 1)])
    assert reading == Reading(reading.cpu if reading else 0.0, None, 0)
    assert reading.cpu > 0
    assert await on.provider.hold("w", 1, Hold()) is not None


async def test_a_file_that_changed_is_compiled_again(on: Bench) -> None:
    """One that did not is not: its code is kept, with and without fuel."""
    path = Path(on.spec("exit3").run["module"])
    spec = WorkerSpec(id=WorkerId("w"), provider="wasm", run={"module": str(path)})
    assert await on.ran(spec, 1) == Exit(3)
    path.write_text('(module (func (export "_start")))')
    assert await on.ran(spec, 2) == Exit(0)
    assert await on.ran(WorkerSpec(id=WorkerId("f"), provider="wasm", run={"module": str(path), "fuel": 9})) == Exit(0)


async def test_at_the_end_of_the_master_all_end(on: Bench) -> None:
    """Before it is gone."""
    await on.goes(on.spec("sleeper"))
    await on.end()
    assert await on.provider.inspect("w", 1) == Sight("ended", Exit(signal=15))


async def test_cycles_leave_nothing_behind(on: Bench) -> None:
    """No thread, no descriptor, no object of an attempt, whatever they ended by."""
    names = ["hello", "exit3", "trap", "well", "busy"]
    specs = [on.spec(name, name) for name in names]

    async def cycles(begin: int, count: int) -> tuple[int, int, int]:
        for number in range(begin, begin + count):
            for spec in specs:
                await on.provider.launch(spec, number, {})
                if spec.id == "busy":
                    await on.provider.terminate(spec.id, number, STOP, 1)
                await on.exited(spec.id, number)
                on.read(spec.id), on.read(spec.id, "stderr")
                await on.provider.destroy(spec.id, number)
            on.seen.clear()
        gc.collect()
        made = sum(type(found).__name__ in ("WasmAttempt", "Sandbox", "Store", "Engine") for found in gc.get_objects())
        threads = sum(not thread.name.startswith("asyncio") for thread in threading.enumerate())  # The master's pool.
        return threads, len(os.listdir("/proc/self/fd")), made

    before = await cycles(1, 10)
    assert await cycles(100, 20) == before
