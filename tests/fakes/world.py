"""Everything around a master, fake, and outliving it; and the ways by which a master comes and goes."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from beeyard.adapters.resolvers.pubgrub import PubgrubResolver
from beeyard.application.master import Master, Place
from beeyard.application.operations import OPERATIONS
from beeyard.domain.errors import Unavailable
from beeyard.domain.messages import Handle
from beeyard.domain.spec import Backoff, RestartPolicy, WorkerSpec
from beeyard.domain.values import Duration, WorkerId
from beeyard.domain.worker import Phase, Worker
from beeyard.ports.package_manager import PackageManager
from beeyard.ports.provider import Provider
from beeyard.ports.store import Put, Store
from tests.fakes.clock import FakeClock, settle
from tests.fakes.host import FakeHost
from tests.fakes.journal import FakeJournal
from tests.fakes.logs import FakeLogs
from tests.fakes.notify import FakeNotices
from tests.fakes.prober import FakeProber
from tests.fakes.provider import Attempt, FakeProvider
from tests.fakes.secrets import FakeSecrets
from tests.fakes.store import FakeStore, a_commit

POLICY = RestartPolicy(
    backoff=Backoff(delay=Duration(1.0), max_retries=2),
    jitter=0.0,
    window=Duration(100.0),
    cool_down=Duration(50.0),
    reset_after=Duration(30.0),
)
PLACE = Place(11, "STATE", "STATE/master.sock", lambda: 12, lambda: 13)


def spec(id: str, **fields: Any) -> WorkerSpec:
    """A worker of the fake provider that is restarted after a second, twice."""
    given: dict[str, Any] = {"provider": "fake", "run": {}, "restart": POLICY} | fields
    return WorkerSpec(id=WorkerId(id), **given)


class World:
    """The fakes, and one master at a time. `calls` tells in order what the provider was asked and the store wrote."""

    def __init__(self) -> None:
        self.clock, self.host, self.logs = FakeClock(), FakeHost(), FakeLogs()
        self.journal, self.secrets, self.notices = FakeJournal(), FakeSecrets(), FakeNotices()
        self.provider, self.store, self.prober = FakeProvider(), FakeStore(), FakeProber()
        self.calls = self.store.calls = self.provider.calls
        self.managers: dict[str, PackageManager] = {}
        self.roll: Callable[[], float] = lambda: 0.5

    def master(self, provider: Provider | None = None, store: Store | None = None) -> Master:
        """One that has not begun to run."""
        self.store.reopen()
        self.journal.reopen()
        return Master(
            store=store or self.store,
            providers={"fake": provider or self.provider},
            prober=self.prober,
            clock=self.clock,
            host=self.host,
            logs=self.logs,
            notices=self.notices,
            journal=self.journal,
            place=PLACE,
            operations=OPERATIONS,
            secrets=self.secrets,
            managers=self.managers,
            resolver=PubgrubResolver,
            roll=self.roll,
        )

    @asynccontextmanager
    async def running(self, *specs: WorkerSpec) -> AsyncIterator[Master]:
        """A master that woke up, with these workers added and begun."""
        async with self.master().running() as master:
            await master.add_workers(specs)
            await settle()
            yield master

    async def saved(self, worker: Worker, *, alive: int | None = None, **facts: str) -> None:
        """An earlier master left this record, and the attempt `alive` still runs."""
        facts = facts or {"boot": self.host.boot}
        await self.store.commit(a_commit(Put(worker, 0, 1), facts=facts), durable=True)
        if alive is not None:
            self.lives(worker.id, alive)
        self.calls.clear()

    def lives(self, worker: str, attempt: int) -> None:
        """This attempt runs, whoever started it."""
        self.provider.attempts[worker, attempt] = Attempt(worker, attempt, handle(attempt))

    def orders(self, *names: str) -> list[tuple[object, ...]]:
        """The calls of these names, in order."""
        return [call for call in self.calls if call[0] in names]


def handle(attempt: int, **ports: int) -> Handle:
    """A handle as this provider makes them."""
    return Handle("fake", 1, {"pid": 100 + attempt}, ports)


def phase(master: Master, name: str) -> Phase:
    """Where a worker is now."""
    return master.supervisors[name].worker.phase


class Leash:
    """One master's hold on something: once `cut`, nothing that it does gets there any more."""

    def __init__(self, thing: object) -> None:
        self._thing = thing
        self.cut = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._thing, name)
        return _nowhere if self.cut and name != "close" and inspect.iscoroutinefunction(found) else found


async def _nowhere(*args: object, **kwargs: object) -> None:
    raise Unavailable("killed", "the master that asked is no more")


class Mortal:
    """A master that can be killed: between two steps of the loop it is gone, with all that it had not yet done."""

    def __init__(self, world: World) -> None:
        self._leashes = [Leash(world.provider), Leash(world.store)]
        provider, store = self._leashes
        self.master = world.master(cast(Provider, provider), cast(Store, store))
        self._life = asyncio.ensure_future(self._live())

    async def _live(self) -> None:
        async with self.master.running():
            await asyncio.Event().wait()

    async def kill(self) -> None:
        """From now on it does nothing; what is left of it is swept up."""
        for leash in self._leashes:
            leash.cut = True
        self._life.cancel()
        await asyncio.wait({self._life})
        if not self._life.cancelled() and (error := self._life.exception()) is not None:
            raise error
