"""What was taken and has yet to begin, such as a pod without a node: nobody calls it ready, and nobody asks it."""

from dataclasses import dataclass

import pytest

from beeyard.application.master import Master
from beeyard.domain.lifetime import Lifetime
from beeyard.domain.messages import Begun, Exit
from beeyard.domain.spec import ProbeSpec
from beeyard.domain.values import Duration
from tests.fakes.clock import settle
from tests.fakes.world import World, spec

PROBES = {"startup": ProbeSpec("tcp", target="80", period=Duration(1.0), failures=2)}


@dataclass
class Seen:
    """How a worker is."""

    master: Master

    @property
    def how(self) -> tuple[str, bool]:
        view = self.master.get_worker_state_with_diagnostics("a")
        return view.state, view.ready


@pytest.fixture
def world() -> World:
    """One in which what is launched waits."""
    made = World()
    made.provider.waiting.add("a")
    return made


async def test_it_is_starting_until_it_began(world: World) -> None:
    """However long that takes; ready is what it is from then on, and its story says so."""
    async with world.running(spec("a")) as master:
        seen = Seen(master)
        await world.clock.run(1000.0)
        assert seen.how == ("starting", False)
        world.provider.begin("a")
        await settle()
        assert seen.how == ("running", True)
        assert [line.what for line in (await world.store.story("a", 2))] == ["started, pid 1001", "began"]


async def test_it_is_asked_nothing_before(world: World) -> None:
    """Its startup probe has all of its failures left."""
    async with world.running(spec("a", probes=PROBES)) as master:
        await world.clock.run(60.0)
        assert (world.prober.asked, Seen(master).how) == ([], ("starting", False))
        world.provider.begin("a")
        await world.clock.run(1.0)
        assert Seen(master).how == ("running", True)


async def test_the_next_master_finds_out_that_it_began_meanwhile(world: World) -> None:
    """And goes on waiting if it did not."""
    async with world.running(spec("a")) as master:
        assert Seen(master).how == ("starting", False)
    async with world.running() as master:
        assert Seen(master).how == ("starting", False)
    world.provider.newest("a").waits = False
    async with world.running() as master:
        await settle()
        assert Seen(master).how == ("running", True)
    assert world.provider.called("launch") == [("a", 1)]


async def test_contact_that_was_lost_before_is_still_lost(world: World) -> None:
    """That it began may be known from itself."""
    async with world.running(spec("a")) as master:
        world.provider.lose("a")
        await settle()
        master._engine.post("a", Begun(1))
        await settle()
        assert master.get_worker_state_with_diagnostics("a").note == "contact lost: out of sight"
        assert Seen(master).how == ("running", True)


async def test_its_life_begins_when_it_does(world: World) -> None:
    """The time that it waited is none of its lifetime."""
    async with world.running(spec("a", lifetime=Lifetime(max=Duration(100.0)))) as master:
        await world.clock.run(500.0)
        world.provider.begin("a")
        await world.clock.run(50.0)
        assert master.get_worker_state_with_diagnostics("a").attempt == 1
        await world.clock.run(51.0)
        assert master.get_worker_state_with_diagnostics("a").attempt == 2


async def test_it_can_be_stopped_and_can_end_before(world: World) -> None:
    """As anything that runs."""
    async with world.running(spec("a")) as master:
        world.provider.exit("a", Exit(note="no node takes it"))
        await settle()
        assert master.get_worker_state_with_diagnostics("a").state == "backoff"
        await world.clock.run(5.0)
        assert Seen(master).how == ("starting", False)
        await master.stop_worker("a")
        await settle()
        assert Seen(master).how == ("stopped", False)
