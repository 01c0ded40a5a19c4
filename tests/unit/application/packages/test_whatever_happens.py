"""Whatever happens in whatever order: nothing is launched without its package, and in the end all that can run does."""

import asyncio
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from beeyard.application.master import Master
from beeyard.domain.errors import BeeyardError, Rejected, Unavailable
from beeyard.domain.master import MasterSpec
from beeyard.domain.messages import Exit, Handle
from beeyard.domain.packages import Wanted
from beeyard.domain.resolution import Ask
from beeyard.domain.sources import PackagesSpec
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.worker import Running
from tests.fakes.clock import settle
from tests.fakes.packages import REPOSITORY, TORN, FakePackageManager, offer
from tests.fakes.provider import FakeProvider
from tests.fakes.world import World, phase, spec

WORKERS = (spec("a", package="caddy", origin="FILE"), spec("b", package="caddy:<2", origin="FILE"))
AWAY = Unavailable("away", "acme does not answer")


class Strict(FakeProvider):
    """Launches nothing from a package that is not there, or known to be damaged, or that may be removed."""

    manager: FakePackageManager
    master: Master
    wrong: list[str]

    async def launch(self, spec: WorkerSpec, attempt: int, ports: Mapping[str, int]) -> Handle:
        digest = spec.run["from"].removeprefix("/store/")
        if (spec.id, attempt) not in self.attempts:
            if digest not in self.manager.installed or (digest, spec.id) not in self.manager.used:
                self.wrong.append(f"{digest} is not there, or could be removed")
            if digest in self.master.packages.damaged:
                self.wrong.append(f"{digest} is damaged")
        return await super().launch(spec, attempt, ports)


async def happen(world: World, manager: FakePackageManager, master: Master, what: str, name: str) -> None:
    """One thing."""
    provider = world.provider
    match what:
        case "restart":
            await master.restart_worker(name)
        case "stop":
            await master.stop_worker(name)
        case "exit":
            for worker, attempt in provider.running():
                provider.exit(worker, Exit(code=1), attempt)
        case "executable gone":
            provider.fail_next_launch(Rejected("executable_not_found", "there is no serve"))
        case "removed":
            used = {digest for digest, _ in manager.used}
            for digest in [digest for digest in manager.installed if digest not in used]:
                del manager.installed[digest]
        case "all removed":
            manager.installed.clear()
        case "damaged":
            for one in list(manager.installed.values()):
                manager.damage[one.digest] = [TORN]
                await master.packages.look()
                await master.packages.verify(one, "digests")
        case "away":
            manager.errors["offers"] = manager.errors["repair"] = AWAY
        case "back":
            manager.errors.clear()
        case "new":
            manager.offered.append(offer("caddy", f"2.{len(manager.offered)}"))
            await master.packages.ensure([Ask(Wanted("caddy"), newest=True)])
        case "later":
            await world.clock.run(3)


EVENTS = st.sampled_from(
    ("restart", "stop", "exit", "executable gone", "removed", "all removed", "damaged", "away", "back", "new", "later")
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(EVENTS, st.sampled_from(("a", "b")), st.booleans()), max_size=14))
def test_nothing_is_launched_without_its_package(events: list[tuple[str, str, bool]]) -> None:
    """And once repositories answer again, what is asked for comes up."""

    async def life() -> None:
        world, manager = World(), FakePackageManager(offer("caddy", "1.0"))
        world.managers = {"fake": manager}
        provider = world.provider = Strict()
        provider.manager, provider.calls, provider.wrong = manager, world.calls, []
        async with world.master().running() as master:
            provider.master = master
            packages = MasterSpec(packages=PackagesSpec(repositories=(REPOSITORY,)))
            await master.apply(WORKERS, "FILE", master=packages)
            for what, name, patient in events:
                try:
                    await happen(world, manager, master, what, name)
                except BeeyardError:
                    assert what in ("new", "damaged")
                if patient:
                    await settle()
            manager.errors.clear()
            provider.forgive()
            for name in ("a", "b"):
                await master.restart_worker(name)

            async with asyncio.timeout(60):
                while not all(isinstance(phase(master, name), Running) for name in ("a", "b")):
                    await world.clock.run(1)
                    await asyncio.sleep(0.001)  # Threads get on.
        assert provider.wrong == []

    asyncio.run(life())
