"""What is in no record, over a master among fakes: told, left while young, taken away when asked, never a worker."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from beeyard.application.master import Master
from beeyard.application.operation import EVERYTHING, Caller
from beeyard.application.operations import OPERATIONS
from beeyard.application.operations.orphan_list import OrphansView
from beeyard.application.operations.orphan_remove import Spared, Swept
from beeyard.application.views import Orphan
from beeyard.domain.errors import Invalid, NotFound
from beeyard.domain.messages import Exit
from beeyard.domain.worker import Running
from tests.fakes.clock import settle
from tests.fakes.world import World, phase, spec

BORN = 1_700_000_000.0
STRANGER = Orphan("stranger", 2, "fake", alive=True, since=BORN, where="pid 102")


async def ask(master: Master, name: str, **fields: Any) -> Any:
    """What the operation answers."""
    operation = OPERATIONS[name]
    return await master.jobs.ask(operation, operation.request(**fields), Caller("ann", EVERYTHING))


async def remove(master: Master, *names: str, **fields: Any) -> Any:
    """What `orphan_remove` answers; all of them if none is named."""
    return await ask(master, "orphan_remove", orphans=list(names), all=not names, **fields)


async def test_what_came_since_the_master_woke_is_listed() -> None:
    """Providers are asked anew; what ended is told as well, what is a worker is not."""
    world = World()
    async with world.running(spec("web")) as master:
        world.lives("stranger", 2)
        world.lives("ended", 1)
        world.provider.attempts["ended", 1].exit = Exit(0)
        ended = Orphan("ended", 1, "fake", alive=False, since=BORN, where="pid 101")
        assert await ask(master, "orphan_list") == OrphansView([ended, STRANGER], {})
        assert (await ask(master, "info")).orphans == ["stranger (pid 102)"]


async def test_a_provider_out_of_reach_is_said_and_its_orphans_are_remembered() -> None:
    """Nobody takes it for one that has none."""
    world = World()
    world.lives("stranger", 2)
    async with world.running() as master:
        world.provider.reachable = False
        unreachable = {"fake": "the fake provider can't be reached"}
        assert await ask(master, "orphan_list") == OrphansView([], unreachable)
        assert await remove(master, older_than=0.0) == Swept([], [], [], unreachable)
        assert (await ask(master, "info")).orphans == ["stranger (pid 102)"]
        with pytest.raises(NotFound) as caught:
            await remove(master, "stranger")
        assert caught.value.hint == "fake could not be asked: beeyard orphan list says why"


async def test_a_young_one_is_left_until_it_is_older() -> None:
    """Somebody may be about to know it; its age is counted from when it was first seen, if nobody knows better."""
    world = World()
    world.lives("stranger", 2)
    async with world.running() as master:
        young = Spared(STRANGER, "it is there for 0ms, not 1m yet")
        assert await remove(master) == Swept([], [young], [], {})
        await world.clock.run(59.0)
        young = Spared(STRANGER, "it is there for 59s, not 1m yet")
        assert await remove(master) == Swept([], [young], [], {})
        assert world.orders("terminate", "kill", "destroy") == []
        await world.clock.run(1.0)
        assert await remove(master) == Swept([STRANGER], [], [], {})
        assert world.provider.attempts == {}


async def test_a_rehearsal_says_what_would_go_and_touches_nothing() -> None:
    """Nor is it a job."""
    world = World()
    world.lives("stranger", 2)
    async with world.running() as master:
        assert await remove(master, older_than=0.0, dry_run=True) == Swept([STRANGER], [], [], {})
        assert world.provider.running() == [("stranger", 2)]
        assert await ask(master, "job_list") == []


async def test_it_is_asked_to_end_and_nothing_of_it_is_kept() -> None:
    """Neither its exit, nor what was kept for its next attempt, nor its name in `info`; others stay."""
    world = World()
    world.lives("stranger", 2)
    world.lives("other", 1)
    async with world.running(spec("web")) as master:
        assert await remove(master, "stranger", older_than=0.0) == Swept([STRANGER], [], [], {})
        await settle()
        assert world.provider.running() == [("other", 1), ("web", 1)]
        assert world.provider.called("kill") == []
        assert world.provider.called("release") == [("stranger",)]
        assert (await ask(master, "info")).orphans == ["other (pid 101)"]


async def test_what_does_not_want_to_end_is_killed() -> None:
    """After as long as a worker has by default."""
    world = World()
    world.provider.stubborn.add("stranger")
    world.lives("stranger", 2)
    async with world.running() as master:
        answer = asyncio.ensure_future(remove(master, older_than=0.0))
        await world.clock.run(19.0)
        assert (world.provider.called("kill"), answer.done()) == ([], False)
        await world.clock.run(3.0)
        assert await answer == Swept([STRANGER], [], [], {})
        assert world.provider.called("kill") == [("stranger", 2)]


async def test_what_hangs_is_told_as_stuck_and_holds_up_nobody() -> None:
    """A provider may ask on and on."""
    world = World()
    world.provider.gates["terminate"] = asyncio.Event()
    world.lives("stranger", 2)
    async with world.running() as master:
        answer = asyncio.ensure_future(remove(master, older_than=0.0, timeout=5.0))
        await world.clock.run(6.0)
        assert await answer == Swept([], [], [Spared(STRANGER, "it did not end in time")], {})


async def test_what_ended_is_cleared_away() -> None:
    """Also if its end was told to a master that is no more."""
    world = World()
    async with world.running() as master:
        world.lives("ended", 1)
        world.provider.attempts["ended", 1].exit = Exit(0)
        swept = await remove(master, older_than=0.0)
        assert [orphan.worker for orphan in swept.removed] == ["ended"]
        assert world.orders("terminate", "kill", "destroy") == [("destroy", "ended", 1)]
        assert world.provider.attempts == {}


async def test_a_worker_is_never_an_orphan() -> None:
    """However it is named; and an orphan that somebody adds as a worker before it is touched is left."""
    world = World()
    world.lives("stranger", 2)
    async with world.running(spec("web")) as master:
        with pytest.raises(NotFound) as caught:
            await remove(master, "web", older_than=0.0)
        assert (caught.value.code, caught.value.hint) == ("no_such_orphan", "known: stranger")
        [orphan], _ = await master.sweep.look()
        await master.add_worker(spec("stranger"))
        assert await master.sweep.remove(orphan, 60.0) == "it is a worker again"
        assert isinstance(phase(master, "stranger"), Running)
        assert world.provider.running() == [("stranger", 2), ("web", 1)]


async def test_one_with_the_name_of_a_worker_of_another_provider_is_an_orphan_all_the_same() -> None:
    """Its end is not taken for that worker's, though the attempts have one number; and what that one has is kept."""
    world = World()
    other = type(world.provider)()
    other.name = "other"
    async with world.running(spec("web")) as master:
        master.providers["other"] = other  # type: ignore[index]
        listening = asyncio.ensure_future(master._adoption.listen(other))
        await settle()
        await other.launch(replace(spec("web"), provider="other"), 1, {})
        swept = await remove(master, "web", older_than=0.0)
        await settle()
        assert [(orphan.worker, orphan.provider) for orphan in swept.removed] == [("web", "other")]
        assert (other.attempts, other.called("release")) == ({}, [])
        assert world.provider.running() == [("web", 1)]
        assert isinstance(phase(master, "web"), Running)
        listening.cancel()


async def test_all_or_names_have_to_be_said() -> None:
    """Not both, and not neither."""
    world = World()
    async with world.running() as master:
        for fields in ({}, {"all": True, "orphans": ["web"]}):
            with pytest.raises(Invalid) as caught:
                await ask(master, "orphan_remove", **fields)
            assert caught.value.code == "orphans_unnamed"
