"""What workers use, from the provider's readings to the curve and the death record."""

import asyncio
from collections.abc import Callable

import pytest

from beeyard.application import sampling
from beeyard.application.idling import Idling
from beeyard.application.master import Master
from beeyard.application.sampling import LAST, REST, SLOW, Sampling, history
from beeyard.domain.curve import Sample
from beeyard.domain.messages import Exit
from beeyard.ports.provider import Reading
from tests.fakes.clock import settle
from tests.fakes.world import World, spec

MB = 1024**2
STEP = 5.0
"""Seconds from look to look."""


def looker(world: World, master: Master) -> Sampling:
    """One that looks when it is told to."""
    return Sampling(master.supervisors, {"fake": world.provider}, world.clock, Idling(lambda *_: None))


async def live(world: World, sampler: Sampling, *sizes: int, worker: str = "web") -> None:
    """Let it live from look to look, with so many MB, half a core in use."""
    for size in sizes:
        await world.clock.run(STEP)
        before = world.provider.readings.get(worker, Reading(0.0, 0, 1))
        world.provider.readings[worker] = Reading(before.cpu + STEP / 2, size * MB, 1)
        await sampler.look("fake")


async def test_all_running_workers_are_read_at_once_and_no_others() -> None:
    """One question to the provider, whatever the number."""
    world = World()
    async with world.running(spec("web.1"), spec("web.2"), spec("off", enabled=False)) as master:
        await looker(world, master).look("fake")
        assert world.provider.called("usages") == [(("web.1", 1), ("web.2", 1))]
        await master.stop_worker("web")
        await settle()
        await looker(world, master).look("fake")
        assert len(world.provider.called("usages")) == 1


async def test_the_curve_tells_cores_and_bytes_in_wall_clock_time() -> None:
    """From the first look on, for the beginning of the attempt was seen."""
    world = World()
    async with world.running(spec("web")) as master:
        began = world.clock.now().wall
        await live(world, looker(world, master), 10, 30)
        assert history(master.supervisors["web"], world.clock.now()) == (
            [Sample(began + 5, 0.5, 10 * MB), Sample(began + 10, 0.5, 30 * MB)],
            [],
        )


async def test_a_clock_that_was_set_moves_all_samples_alike() -> None:
    """What was measured with the one that can't be set is told by the one people look at now."""
    world = World()
    async with world.running(spec("web")) as master:
        await live(world, looker(world, master), 10)
        world.clock.jump_wall(-3600.0)
        await live(world, looker(world, master), 20)
        samples, _ = history(master.supervisors["web"], now := world.clock.now())
        assert [(sample.at - now.wall, sample.cpu) for sample in samples] == [(-5.0, 0.5), (0.0, 0.5)]


async def test_a_death_keeps_the_last_minute_and_the_curve_marks_it() -> None:
    """The rise that explains it, without lines as well; nothing of an earlier attempt."""
    world = World()
    async with world.running(spec("web")) as master:
        sampler = looker(world, master)
        await live(world, sampler, *range(1, 21))
        world.provider.exit("web", Exit(signal=9))
        died = world.clock.now().wall
        await world.clock.run(2.0)
        world.provider.readings.clear()
        await live(world, sampler, 7)
        world.provider.exit("web", Exit(code=1))
        await settle()
        second, first = await world.store.deaths("web", 9)
        assert [sample.memory for sample in first.usage] == [size * MB for size in range(9, 21)]
        assert first.usage[-1].at - first.usage[0].at == LAST - STEP
        assert [sample.memory for sample in second.usage] == [7 * MB]
        samples, ends = history(master.supervisors["web"], world.clock.now())
        assert (len(samples), ends[0]) == (21, died)


async def test_a_death_record_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often is looked."""
    monkeypatch.setattr(sampling, "MOST_LAST", 5)
    world = World()
    async with world.running(spec("web")) as master:
        await live(world, looker(world, master), *range(1, 20))
        world.provider.exit("web", Exit(code=1))
        await settle()
        [death] = await world.store.deaths("web", 9)
        assert [sample.memory for sample in death.usage] == [size * MB for size in range(15, 20)]


async def test_a_worker_that_ended_meanwhile_gets_no_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is about an attempt that is no more."""
    world = World()
    async with world.running(spec("web")) as master:
        gate = asyncio.Event()

        async def late(attempts: list[tuple[str, int]]) -> list[Reading]:
            await gate.wait()
            return [Reading(1.0, MB, 1) for _ in attempts]

        monkeypatch.setattr(world.provider, "usages", late)
        look = asyncio.ensure_future(looker(world, master).look("fake"))
        await settle()
        await master.restart_worker("web")
        await settle()
        gate.set()
        await look
        assert history(master.supervisors["web"], world.clock.now()) == ([], [])


async def test_one_that_ran_before_the_master_begins_with_memory_alone() -> None:
    """The mean of a whole life is no use of this moment."""
    world = World()
    async with world.running(spec("web")):
        await world.clock.run(1000.0)
    world.provider.readings["web"] = Reading(900.0, MB, 1)
    async with world.master().running() as master:
        await settle()
        await live(world, looker(world, master), 2)
        samples, _ = history(master.supervisors["web"], world.clock.now())
        assert [(sample.cpu, sample.memory) for sample in samples] == [(None, 2 * MB)]


async def test_many_are_noted_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two of them the loop gets on."""
    monkeypatch.setattr(sampling, "SLICE", 2)
    world = World()
    async with world.running(*(spec(f"web.{number}") for number in range(1, 7))) as master:
        look = asyncio.ensure_future(looker(world, master).look("fake"))
        seen = set()
        while not look.done():
            await asyncio.sleep(0)
            seen.add(sum(1 for found in master.supervisors.values() if found.curve is not None))
        assert {2, 4, 6} <= seen


async def turns(world: World, sampler: Sampling, stirs: bool | None, seconds: int) -> int:
    """Let so many turns pass, one a second; returns how many looks that were."""
    world.provider.stirs = stirs
    before = len(world.provider.called("usages"))
    for _ in range(seconds):
        await world.clock.run(1.0)
        await sampler.turn("fake")
    return len(world.provider.called("usages")) - before


async def test_what_sleeps_is_looked_at_seldom_and_what_wakes_at_the_next_turn() -> None:
    """And where nobody can tell which, in between."""
    world = World()
    async with world.running(spec("web")) as master:
        sampler = looker(world, master)
        assert await turns(world, sampler, True, 10) == 10
        assert await turns(world, sampler, False, int(2 * REST)) == 2
        assert await turns(world, sampler, True, 1) == 1
        assert await turns(world, sampler, None, int(2 * SLOW)) == 2


async def test_use_after_a_sleep_is_not_spread_over_it() -> None:
    """The curve tells until when it slept, although it was not looked at then."""
    world = World()
    async with world.running(spec("web")) as master:
        sampler = looker(world, master)
        began = world.clock.now().wall
        world.provider.readings["web"] = Reading(1.0, MB, 1)
        await turns(world, sampler, True, 2)
        await turns(world, sampler, False, 10)
        world.provider.readings["web"] = Reading(2.0, 2 * MB, 1)
        await turns(world, sampler, True, 1)
        samples, _ = history(master.supervisors["web"], world.clock.now())
        assert samples[-2:] == [Sample(began + 12, 0.0, MB), Sample(began + 13, 1.0, 2 * MB)]


async def test_a_provider_out_of_reach_is_said_once_and_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It costs its own workers their points, and nobody else's."""
    monkeypatch.setattr(sampling, "PERIOD", 0.0)
    world = World()
    async with world.running(spec("web")) as master:
        await until(lambda: master.supervisors["web"].curve is not None)
        world.provider.reachable = False
        told = len(world.provider.called("usages"))
        await until(lambda: len(world.provider.called("usages")) > told + 3)
        assert caplog.messages == ["what the workers of fake use can't be read: the fake provider can't be reached"]
        world.provider.reachable = True
        world.provider.readings["web"] = Reading(1.0, MB, 1)
        await world.clock.run(1.0)
        now = world.clock.now()
        await until(lambda: history(master.supervisors["web"], now)[0][-1].at == now.wall)


async def until(look: Callable[[], object]) -> None:
    """Let the loop get on until this is true."""
    for _ in range(1000):
        if look():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came")


async def test_show_tells_what_is_used_how_often_it_failed_and_what_would_run() -> None:
    """What a diagnosis begins with; no use is told of one that does not run."""
    world = World()
    async with world.running(spec("web"), spec("off", enabled=False)) as master:
        sampler = looker(world, master)
        began = world.clock.now().wall
        await live(world, sampler, 10)
        detail = master.detail(master.supervisors["web"])
        assert (detail.failures, detail.last_attempt_at, detail.runs) == (0, began, {"runs": "in memory"})
        assert detail.usage == Sample(began + 5, 0.5, 10 * MB)
        world.provider.exit("web", Exit(code=1))
        await settle()
        detail = master.detail(master.supervisors["web"])
        assert (detail.failures, detail.last_attempt_at, detail.usage) == (1, began, None)
        off = master.detail(master.supervisors["off"])
        assert (off.failures, off.last_attempt_at, off.usage) == (0, None, None)
