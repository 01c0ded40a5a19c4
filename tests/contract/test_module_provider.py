"""What the module provider promises, over a launcher that only says that it has pipes."""

import asyncio
import gc
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from beeyard.adapters.apartments.provider import Within
from beeyard.adapters.host.launcher import LauncherClient
from beeyard.adapters.means import Means
from beeyard.adapters.providers.module.provider import ModuleProvider
from beeyard.domain.errors import Rejected, Unavailable
from beeyard.domain.limits import Hold
from beeyard.domain.messages import Exit
from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import StopStep, WorkerSpec
from beeyard.domain.values import WorkerId
from beeyard.ports.provider import Occurrence, Reading, Sight
from beeyard.sdk import Context, Module, loading
from tests.contract.benches import until
from tests.fakes.invitations import FakeInvitations
from tests.fakes.notify import FakeNotices
from tests.fakes.secrets import FakeSecrets

STOP = StopStep()


class Quiet(Module[Any]):
    """Says nothing, and does what its configuration says."""

    async def initialize(self, context: Context[Any]) -> None:
        self.context = context

    async def start(self) -> None:
        if "fails" in self.context.config:
            raise RuntimeError(self.context.config["fails"])
        loop = asyncio.get_running_loop()
        self.context.run(asyncio.sleep(1000))
        await loop.run_in_executor(None, int)

    async def stop(self) -> None:
        if "slow" in self.context.config:
            await asyncio.Event().wait()


loading.register_native_module_factory("test-quiet", Quiet)


class FakeLauncher:
    """Has pipes, and remembers what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.on_greeted: list[Callable[[], None]] = []
        self.asked: list[tuple[str, str]] = []
        self.older = False
        self.master_socket = ""
        self._folder = folder

    def worker_fifo(self, worker: str, stream: str) -> str:
        path = str(self._folder / f"{worker}.{stream}")
        if not os.path.exists(path):
            os.mkfifo(path)
        return path

    async def request(self, kind: str, **fields: Any) -> dict[str, Any]:
        self.asked.append((kind, fields["worker"]))
        if self.older and kind == "pipes":
            raise Rejected("launcher_unknown", "this launcher does not know 'pipes'")
        return {}


class Bench:
    """The provider, and what it told."""

    of: ClassVar[type[Within]] = ModuleProvider

    def __init__(self, folder: Path) -> None:
        self.launcher = FakeLauncher(folder)
        self.notices = FakeNotices()
        self.secrets = FakeSecrets()
        launcher = cast(LauncherClient, self.launcher)
        self.provider = self.of(Means(launcher, self.secrets, self.notices, FakeInvitations()))
        self.seen: list[Occurrence] = []
        self._tasks = [asyncio.ensure_future(self.provider.serve()), asyncio.ensure_future(self._listen())]

    async def _listen(self) -> None:
        async for batch in self.provider.events():
            self.seen += batch

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def exited(self, worker: str = "w", attempt: int = 1) -> Exit:
        """How it ended, once that was told."""

        def look() -> list[Exit]:
            return [o.exit for o in self.seen if (o.worker, o.attempt) == (worker, attempt) and o.exit is not None]

        return (await until(look, f"{worker} {attempt} exited"))[0]

    async def ready(self, spec: WorkerSpec, attempt: int = 1) -> None:
        """Launched, and started."""
        said: list[bool] = []
        end = self.notices.hear(spec.id, attempt, None, lambda word: said.append(word.ready))
        await self.provider.launch(spec, attempt, {})
        await until(lambda: any(said), "a word that it is ready")
        end()


@pytest.fixture
async def on(tmp_path: Path) -> AsyncIterator[Bench]:
    """A provider that is ended with the test."""
    made = Bench(tmp_path)
    yield made
    await made.end()


def quiet(name: str = "w", factory: str = "test-quiet", **config: Any) -> WorkerSpec:
    """A worker that runs it."""
    return WorkerSpec(id=WorkerId(name), provider="module", run={}, module=ModuleSpec(factory, config=config))


async def test_launched_twice_it_is_one_attempt(on: Bench) -> None:
    """And no second one begins while it runs."""
    handle = await on.provider.launch(quiet(), 1, {"http": 8080})
    assert await on.provider.launch(quiet(), 1, {"http": 9090}) == handle
    assert handle.ports == {"http": 8080}
    with pytest.raises(Rejected, match="attempt 1 of w still runs"):
        await on.provider.launch(quiet(), 2, {})
    assert await on.provider.attach(quiet(), 1, handle) == Sight("running")
    assert await on.provider.attach(quiet(), 2, handle) == Sight("missing")
    assert await on.provider.list_owned() == []


async def test_two_workers_of_one_module_are_two(on: Bench) -> None:
    """Everything is told apart by the worker, nothing by the module."""
    await on.ready(quiet("a"))
    await on.ready(quiet("b"))
    await on.provider.terminate("a", 1, STOP, 1)
    assert await on.exited("a") == Exit(0)
    assert await on.provider.inspect("b", 1) == Sight("running")


async def test_its_end_is_kept_until_it_is_destroyed(on: Bench) -> None:
    """Stopped it ends well; then it is known how, and then it is gone."""
    await on.ready(quiet())
    await on.provider.destroy("w", 1)
    await on.provider.terminate("w", 1, STOP, 1)
    assert await on.exited() == Exit(0)
    assert await on.provider.inspect("w", 1) == Sight("ended", Exit(0))
    await on.provider.destroy("w", 1)
    assert await on.provider.inspect("w", 1) == Sight("missing")
    await on.ready(quiet(), 2)


async def test_the_second_step_of_a_stop_cuts_it_short_and_each_is_taken_once(on: Bench) -> None:
    """A stop() that takes for ever is asked again by cancellation, not by the same step said twice."""
    await on.ready(quiet(slow=True))
    await on.provider.terminate("w", 1, STOP, 1)
    await on.provider.terminate("w", 1, STOP, 1)
    assert await on.provider.inspect("w", 1) == Sight("running")
    await on.provider.terminate("w", 1, STOP, 2)
    assert (await on.exited()).signal == 15


async def test_killed_it_ends_without_a_word(on: Bench) -> None:
    """As a process does."""
    await on.ready(quiet(slow=True))
    await on.provider.kill("w", 1)
    assert await on.exited() == Exit(signal=9)


@pytest.mark.parametrize(
    ("spec", "exit"),
    [
        (quiet(factory="nobody"), Exit(78, note="no factory is registered as 'nobody'")),
        (quiet(fails="no disk"), Exit(1, note="did not start: RuntimeError: no disk")),
    ],
    ids=["unknown", "fails"],
)
async def test_what_does_not_start_ends_with_the_reason(on: Bench, spec: WorkerSpec, exit: Exit) -> None:
    """In its exit, for those who ask why."""
    await on.provider.launch(spec, 1, {})
    found = await on.exited()
    assert found.code == exit.code
    assert found.note.startswith(exit.note)


async def test_what_it_uses_is_its_cpu_and_of_memory_nothing_is_claimed(on: Bench) -> None:
    """Nobody can tell whose memory it is in a process of many."""
    await on.ready(quiet())
    (reading,) = await on.provider.usages([("w", 1)])
    assert reading == Reading(reading.cpu if reading else 0.0, None, 0)
    assert reading.cpu > 0
    assert await on.provider.usages([("w", 2)]) == [None]
    assert await on.provider.hold("w", 1, Hold()) is not None


async def test_an_older_launcher_is_waited_for_and_a_new_one_told_again(on: Bench) -> None:
    """Where it writes is the launcher's."""
    on.launcher.older = True
    with pytest.raises(Unavailable, match="older version"):
        await on.provider.launch(quiet(), 1, {})
    on.launcher.older = False
    await on.ready(quiet())
    on.launcher.asked.clear()
    for greeted in on.launcher.on_greeted:
        greeted()
    await until(lambda: on.launcher.asked == [("pipes", "w")], "pipes")


async def test_at_the_end_of_the_master_modules_are_stopped(on: Bench) -> None:
    """Properly, and before it is gone."""
    await on.ready(quiet())
    await on.end()
    assert await on.provider.inspect("w", 1) == Sight("ended", Exit(0))


async def test_cycles_leave_nothing_behind(on: Bench) -> None:
    """No thread, no task, no descriptor, and no object of an attempt."""

    async def cycles(begin: int, count: int) -> tuple[int, int, int, int]:
        for number in range(begin, begin + count):
            await on.ready(quiet(), number)
            await on.provider.terminate("w", number, STOP, 1)
            await on.exited(attempt=number)
            on.seen.clear()
            await on.provider.destroy("w", number)
        gc.collect()
        made = sum(type(found).__name__ in ("ModuleAttempt", "Tenant", "Looping") for found in gc.get_objects())
        return threading.active_count(), len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd")), made

    before = await cycles(1, 20)
    assert await cycles(100, 100) == before
