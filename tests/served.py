"""A master among fakes, served over TCP from a thread of its own, for clients that know nothing of asyncio.

Its clock is real and its workers are none: they live in memory, so whatever is asked of it starts no program.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator, Sequence
from functools import partial
from typing import Any, cast
from unittest import mock

from aiohttp import web

from beeyard.adapters.clock import SystemClock
from beeyard.adapters.packages import PACKAGE_MANAGERS
from beeyard.adapters.providers.process.section import ProcessSection
from beeyard.application.master import Master
from beeyard.domain.access import Grant
from beeyard.domain.errors import Problem
from beeyard.domain.failures import AT_ONCE, Failures
from beeyard.domain.plain import Mismatch, read
from beeyard.domain.spec import WorkerSpec
from beeyard.entrypoints.http import guard
from beeyard.entrypoints.http.app import application
from beeyard.entrypoints.http.headers import finish
from beeyard.entrypoints.http.login import Login
from beeyard.entrypoints.http.server import Runner
from beeyard.ports.logs import LogLine
from tests.fakes.logs import FakeLogs
from tests.fakes.packages import FakePackageManager
from tests.fakes.provider import FakeProvider
from tests.fakes.world import World

ADMIN = Grant("admin", install=True)


class Sham(FakeProvider):
    """Takes the sections that the process provider takes, and looks for nothing on this host."""

    name = "process"

    def check(self, spec: WorkerSpec) -> list[Problem]:
        try:
            read(spec.run, ProcessSection, "run")
        except Mismatch as mismatch:
            return mismatch.problems
        return []


class Finite(FakeLogs):
    """Whoever follows gets what there is, and no more comes."""

    async def read(self, workers: Sequence[str], lines: int, **choices: Any) -> AsyncGenerator[list[LogLine]]:
        for worker in workers:
            yield await self.tail(worker, lines)


class Served:
    """A master that is served at `url`. `log`: what it complained of."""

    def __init__(self, master: Master, runner: Runner) -> None:
        self.loop = asyncio.get_running_loop()
        self.master = master
        self.runner = runner
        self.port = port = runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        self.log: list[str] = []
        self.ended = asyncio.Event()

    def run(self, what: Coroutine[Any, Any, Any]) -> Any:
        """Something to be done in the master's own thread."""
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(30)

    def token(self, grant: Grant = ADMIN, name: str = "test") -> str:
        """One that is good for a while."""
        text: str = self.run(self.master.tokens.create(name, grant, "test", 3600.0))[1]
        return text

    def connections(self) -> int:
        """How many clients there are now."""
        assert self.runner.server is not None
        return len(self.runner.server.connections)


class _Log(logging.Handler):
    def __init__(self, served: Served) -> None:
        super().__init__(logging.ERROR)
        self._served = served

    def emit(self, record: logging.LogRecord) -> None:
        self._served.log.append(self.format(record))


@contextlib.contextmanager
def served(*, endless: bool = True, failures: int = AT_ONCE) -> Iterator[Served]:
    """While the block runs.

    Args:
        endless: else streams end once they have told what there is.
        failures: of strangers, that are taken at once.
    """
    ready = threading.Event()
    found: list[Served] = []
    failed: list[BaseException] = []

    async def live() -> None:
        world = World()
        world.clock = cast(Any, SystemClock())
        world.provider = Sham()
        world.managers |= {name: FakePackageManager() for name in PACKAGE_MANAGERS}
        if not endless:
            world.logs = Finite()
        master = world.master()
        providers = cast(dict[str, Any], master.providers)
        providers.clear()
        providers[world.provider.name] = world.provider
        async with master.running():
            with mock.patch.object(guard, "Failures", partial(Failures, failures)):
                app = application(master)
            Login(master).add_to(app)
            app.on_response_prepare.append(finish)
            runner = Runner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            found.append(Served(master, runner))
            if not endless:
                master.feed.end()
            ready.set()
            await found[0].ended.wait()
            await runner.cleanup()

    def thread() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:
            failed.append(error)
        finally:
            ready.set()

    running = threading.Thread(target=thread)
    running.start()
    ready.wait()
    if failed:
        raise failed[0]
    one = found[0]
    handler = _Log(one)
    logging.getLogger().addHandler(handler)
    try:
        yield one
    finally:
        logging.getLogger().removeHandler(handler)
        one.loop.call_soon_threadsafe(one.ended.set)
        running.join()
    if failed:
        raise failed[0]
