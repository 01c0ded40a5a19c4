"""What a launch waits for, as far as its provider can tell: shown wherever the worker is listed, and kept nowhere."""

import asyncio

from beeyard.ports.provider import Bringing
from tests.fakes.clock import settle
from tests.fakes.world import World, spec


async def test_what_a_launch_waits_for_shows_until_it_is_launched() -> None:
    """The list is another one with every step of it, and the worker's record the same."""
    world = World()
    world.provider.gates["launch"] = asyncio.Event()
    world.provider.brings["a"] = Bringing("pulling redis:7: 1 of 4 layers", 0.25)
    async with world.running(spec("a"), spec("b")) as master:
        saved, version = len(world.calls), master.version
        view, other = master.get_all_worker_states_with_diagnostics()
        assert (view.state, view.note, view.progress) == ("starting", "pulling redis:7: 1 of 4 layers", 0.25)
        assert (other.note, other.progress) == ("", None)
        world.provider.told += 1
        assert (master.version > version, len(world.calls)) == (True, saved)
        world.provider.gates["launch"].set()
        await settle()
        view = master.get_worker_state_with_diagnostics("a")
        assert (view.state, view.note, view.progress) == ("running", "", None)
