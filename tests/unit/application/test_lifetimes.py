"""The life of a worker under a real master with fakes around it: hours pass as the clock is told."""

import asyncio

import pytest
from msgspec.structs import replace

from beeyard.application.master import Master
from beeyard.application.notified import Notified
from beeyard.application.views import Coming
from beeyard.domain.errors import Invalid, NotFound
from beeyard.domain.lifetime import Lifetime
from beeyard.domain.messages import Exit
from beeyard.domain.values import Duration
from beeyard.domain.worker import Down, Running
from beeyard.ports.notify import Word
from beeyard.ports.provider import Capabilities, Reading
from tests.fakes.clock import settle
from tests.fakes.world import POLICY, World, phase, spec

HOUR = 3600.0
DAILY = Lifetime(max=Duration(24 * HOUR))
LAZY = Lifetime(idle=Duration(1800.0))
BRIEF = Lifetime(after=Duration(600.0))
LOOK = 15.0
"""Seconds between two looks."""


async def looked(world: World, master: Master, seconds: float, *, cores: float = 0.0) -> None:
    """So much time passes, with a look every now and then; the worker uses so much meanwhile."""
    for _ in range(int(seconds / LOOK)):
        await world.clock.run(LOOK)
        before = world.provider.readings.get("web", Reading(0.0, 0, 1))
        world.provider.readings["web"] = Reading(before.cpu + cores * LOOK, 0, 1)
        await master.sampling.look("fake")
        await settle()


def at(master: Master, name: str = "web") -> list[Coming]:
    """What its lifetime brings, as `show` has it."""
    return master.detail(master.supervisors[name]).ages


async def known(master: Master, name: str) -> bool:
    """Whether there is such a worker."""
    try:
        master.find(name)
    except NotFound:
        return False
    return True


async def test_once_a_day_a_worker_starts_anew() -> None:
    """Each day, on the second; nobody calls it a failure, and the record says why."""
    world = World()
    async with world.running(spec("web", lifetime=DAILY)) as master:
        began = world.clock.now().wall
        assert at(master) == [Coming("max lifetime", began + 24 * HOUR)]
        for day in range(1, 4):
            await world.clock.run(24 * HOUR - 1)
            assert world.provider.running() == [("web", day)]
            await world.clock.run(1)
            await settle()
            assert world.provider.running() == [("web", day + 1)]
        assert world.provider.purposes == ["restart"] * 3
        deaths = await world.store.deaths("web", 9)
        assert [death.cause.detail for death in deaths] == ["it had run for 1d; its max lifetime is 1d"] * 3
        assert master.detail(master.supervisors["web"]).failures == 0


async def test_the_next_master_counts_from_the_start_of_the_attempt() -> None:
    """Whatever the wall clock was set to meanwhile."""
    world = World()
    async with world.running(spec("web", lifetime=DAILY)):
        await world.clock.run(23 * HOUR)
    world.clock.jump_wall(-10 * HOUR)
    async with world.master().running() as master:
        await world.clock.run(HOUR - 1)
        assert world.provider.running() == [("web", 1)]
        assert at(master) == [Coming("max lifetime", world.clock.now().wall + 1)]
        await world.clock.run(1)
        await settle()
        assert world.provider.running() == [("web", 2)]


async def test_a_time_that_passed_without_a_master_is_over() -> None:
    """The next one ends the attempt as soon as it is there."""
    world = World()
    async with world.running(spec("web", lifetime=DAILY)):
        pass
    world.clock.advance(30 * HOUR)
    async with world.master().running():
        await world.clock.run()
        await settle()
        assert world.provider.running() == [("web", 2)]


async def test_a_changed_file_changes_the_life_of_what_runs() -> None:
    """No other attempt for it, and the plan says so; what is over by then ends it at once."""
    world = World()
    before = spec("web", lifetime=DAILY, origin="FILE")
    async with world.running(before) as master:
        await world.clock.run(2 * HOUR)
        after = replace(before, lifetime=Lifetime(max=Duration(3 * HOUR)))
        plan = await master.apply([after], "FILE")
        assert (plan.adjust, plan.restart) == (("web",), ())
        assert [(one.field, one.old, one.new) for one in plan.changes[0].fields] == [
            ("lifetime.max", "86400s", "10800s")
        ]
        assert world.provider.running() == [("web", 1)]
        assert at(master) == [Coming("max lifetime", world.clock.now().wall + HOUR)]
        await master.apply([replace(before, lifetime=Lifetime(max=Duration(HOUR)))], "FILE")
        await world.clock.run()
        await settle()
        assert world.provider.running() == [("web", 2)]


async def test_who_works_is_not_idle_and_who_stops_working_is_stopped() -> None:
    """After half an hour under a hundredth of a core, and for good: the wish is down until somebody asks."""
    world = World()
    async with world.running(spec("web", lifetime=LAZY)) as master:
        await looked(world, master, HOUR, cores=0.5)
        await looked(world, master, 900, cores=0.009)
        assert [one.what for one in at(master)] == ["idle stop"]
        await looked(world, master, 900 - LOOK)
        assert world.provider.running() == [("web", 1)]
        await looked(world, master, LOOK)
        assert world.provider.running() == []
        view = master.detail(master.supervisors["web"]).worker
        assert (view.state, view.wanted, view.note) == ("stopped", "down", "stays down until it is asked for")
        assert world.provider.purposes == ["stop"]
        await world.clock.run(24 * HOUR)
        assert isinstance(phase(master, "web"), Down)
        await master.start_worker("web")
        await settle()
        await looked(world, master, 900)
        assert world.provider.running() == [("web", 2)]


async def test_a_short_burst_begins_the_idle_time_anew() -> None:
    """A single look in which it worked is enough; the record forgets what it said before."""
    world = World()
    async with world.running(spec("web", lifetime=LAZY)) as master:
        await looked(world, master, 1500)
        await looked(world, master, LOOK, cores=0.02)
        running = phase(master, "web")
        assert isinstance(running, Running)
        assert running.quiet is None
        await looked(world, master, 1500)
        assert world.provider.running() == [("web", 1)]
        await looked(world, master, 300)
        assert world.provider.running() == []


async def test_who_says_what_it_does_is_not_idle_and_who_says_that_it_lives_is() -> None:
    """A status counts; the watchdog's word is no work."""
    world = World()
    async with world.running(spec("web", lifetime=LAZY)) as master:
        supervisor = master.supervisors["web"]
        await looked(world, master, 1500)
        supervisor.notified = Notified(1, world.clock, lambda said: None, ready=True)
        supervisor.notified.take(Word(status="3 of 7 done"))
        await looked(world, master, 1500)
        assert world.provider.running() == [("web", 1)]
        supervisor.notified.take(Word(watchdog="alive"))
        await looked(world, master, 300)
        assert world.provider.running() == []
        await master.start_worker("web")
        await settle()
        supervisor.notified = Notified(2, world.clock, lambda said: None, ready=True)
        await looked(world, master, 1500)
        assert world.provider.running() == [("web", 2)]


async def test_idle_time_goes_on_with_the_next_master() -> None:
    """What the dead one had seen counts, and what was used while no master looked shows in the first reading."""
    for used, runs in ((0.0, False), (60.0, True)):
        world = World()
        async with world.running(spec("web", lifetime=LAZY)) as master:
            await looked(world, master, 1200)
        world.clock.advance(300)
        world.provider.readings["web"] = Reading(used, 0, 1)
        async with world.master().running() as master:
            await settle()
            await looked(world, master, 330)
            assert bool(world.provider.running()) is runs


async def test_few_records_are_written_while_it_does_nothing() -> None:
    """The next master has to know, but not of every look."""
    world = World()
    async with world.running(spec("web", lifetime=LAZY)) as master:
        world.calls.clear()
        await looked(world, master, 1500)
        assert 3 <= len(world.orders("commit")) <= 10


async def test_a_worker_that_completed_is_forgotten_in_time() -> None:
    """With all that its provider kept; its logs stay, and another worker of its name starts anew."""
    world = World()
    async with world.running(spec("job", lifetime=BRIEF)) as master:
        world.provider.exit("job", Exit(code=0))
        await settle()
        assert at(master, "job") == [Coming("removed", world.clock.now().wall + 600)]
        await world.clock.run(599)
        assert await known(master, "job")
        await world.clock.run(1)
        await settle()
        assert not await known(master, "job")
        assert world.provider.called("release") == [("job",)]
        assert world.provider.attempts == {}
        assert world.logs.removed == []
        assert (await world.store.load()).workers == []
        await master.add_worker(spec("job", lifetime=BRIEF))
        await settle()
        assert world.provider.running() == [("job", 1)]


async def test_the_next_master_forgets_it_too() -> None:
    """The time since its end counts, with a master or without."""
    world = World()
    async with world.running(spec("job", lifetime=BRIEF)):
        world.provider.exit("job", Exit(code=0))
        await settle()
    world.clock.advance(590)
    async with world.master().running() as master:
        await world.clock.run(9)
        assert await known(master, "job")
        await world.clock.run(1)
        await settle()
        assert not await known(master, "job")


async def test_one_that_is_needed_stays_as_long_as_it_is() -> None:
    """Who waited for it to complete may have to start again."""
    world = World()
    web = spec("web", depends_on={"job": "completed"})
    async with world.running(spec("job", lifetime=BRIEF), web) as master:
        world.provider.exit("job", Exit(code=0))
        await settle()
        await world.clock.run(HOUR)
        await settle()
        assert await known(master, "job")
        await master.stop_worker("web")
        await settle()
        await master.remove_worker("web")
        await world.clock.run(60)
        await settle()
        assert not await known(master, "job")


async def test_a_reload_at_the_last_moment_counts() -> None:
    """Its time was over, and is not any more when its removal comes to its turn."""
    world = World()
    job = spec("job", lifetime=BRIEF, origin="FILE")
    async with world.running(job) as master:
        world.provider.exit("job", Exit(code=0))
        await settle()
        world.store.gate = asyncio.Event()
        world.clock.advance(600)
        await settle()
        longer = replace(job, lifetime=Lifetime(after=Duration(HOUR)))
        applying = asyncio.ensure_future(master.apply([longer], "FILE"))
        await settle()
        world.store.gate.set()
        await applying
        await settle()
        assert await known(master, "job")
        await world.clock.run(HOUR)
        await settle()
        assert not await known(master, "job")


async def test_one_that_failed_is_not_forgotten() -> None:
    """Somebody has to look at it."""
    world = World()
    restart = replace(POLICY, backoff=replace(POLICY.backoff, max_retries=0))
    async with world.running(spec("job", lifetime=BRIEF, restart=restart)) as master:
        world.provider.exit("job", Exit(code=1))
        await world.clock.run(HOUR)
        assert await known(master, "job")


async def test_what_is_not_ours_has_no_lifetime() -> None:
    """Refused when it is added, with the reason."""
    world = World()
    owned = world.provider.capabilities()
    unowned = Capabilities(owned.whole_tree_kill, owned.user_switching, owned.exact_exits, owns=False)
    world.provider.capabilities = lambda: unowned  # type: ignore[method-assign]
    async with world.running() as master:
        with pytest.raises(Invalid) as error:
            await master.add_worker(spec("web", lifetime=DAILY))
        text = "web.lifetime: found a lifetime, expected none (the worker is not Beeyard's, which only watches it)"
        assert str(error.value) == text
