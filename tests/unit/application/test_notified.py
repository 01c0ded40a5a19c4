"""What an attempt says of itself, among fakes: its probes, its deadlines, and what the next master knows of it."""

import pytest

from beeyard.domain.health import Health
from beeyard.domain.spec import ProbeRole, ProbeSpec, StopStep
from beeyard.domain.values import Duration, SignalNumber
from beeyard.domain.worker import Running, Stopping
from beeyard.ports.notify import Word
from tests.fakes.clock import settle
from tests.fakes.world import World, phase, spec

ASKED = ProbeSpec("notify", period=Duration(10.0), failures=1)
READY: dict[ProbeRole, ProbeSpec] = {"readiness": ASKED}
ALIVE: dict[ProbeRole, ProbeSpec] = {"liveness": ASKED}


async def test_ready_counts_at_once_and_stopping_takes_it_back() -> None:
    """Nothing is waited for; a word that came before anybody listened counts too."""
    world = World()
    world.notices.say("w", Word(status="early"))
    async with world.running(spec("w", probes=READY)) as master:
        await settle()
        running = phase(master, "w")
        assert isinstance(running, Running)
        assert (running.ready_since, running.status) == (None, "early")
        world.notices.say("w", Word(ready=True))
        await settle()
        assert master.get_worker_health("w") == Health("healthy")
        world.notices.say("w", Word(stopping=True))
        await settle()
        assert master.get_worker_health("w").reason == "not ready: it said that it stops (STOPPING=1)"


async def test_silence_for_one_period_fails_liveness_and_a_word_begins_a_new_one() -> None:
    """Exactly a period after the last word."""
    world = World()
    async with world.running(spec("w", probes=ALIVE)) as master:
        await world.clock.run(9.0)
        world.notices.say("w", Word(watchdog="alive"))
        await world.clock.run(9.9)
        assert isinstance(phase(master, "w"), Running)
        await world.clock.run(0.1)
        assert master.find("w")[0].worker.attempt == 1
        assert not isinstance(phase(master, "w"), Running)


async def test_a_trigger_fails_liveness_at_once() -> None:
    """However many failures it would take otherwise."""
    world = World()
    patient = ProbeSpec("notify", period=Duration(10.0), failures=9)
    async with world.running(spec("w", probes={"liveness": patient})) as master:
        world.notices.say("w", Word(watchdog="trigger"))
        await settle()
        assert not isinstance(phase(master, "w"), Running)


@pytest.mark.parametrize(("extend", "runs"), [(25.0, True), (None, False)])
async def test_a_start_that_asks_for_more_time_has_not_failed(extend: float | None, runs: bool) -> None:
    """Until that time is over."""
    world = World()
    async with world.running(spec("w", probes={"startup": ASKED})) as master:
        world.notices.say("w", Word(extend=extend))
        await world.clock.run(20.0)
        assert (isinstance(phase(master, "w"), Running) and master.find("w")[0].worker.attempt == 1) is runs


async def test_a_stop_is_prolonged_and_never_shortened() -> None:
    """The attempt is heard until its end is seen."""
    world = World()
    world.provider.stubborn.add("w")
    step = StopStep(SignalNumber(15), Duration(5.0))
    async with world.running(spec("w", probes=READY, stop=(step,))) as master:
        await master.stop_worker("w")
        for extend in (30.0, 1.0):
            world.notices.say("w", Word(extend=extend))
            await settle()
        stopping = phase(master, "w")
        assert isinstance(stopping, Stopping)
        assert stopping.deadline == world.clock.now().mono + 30.0
        assert world.notices.heard() == [("w", 1)]
        world.provider.exit("w")
        await settle()
        assert world.notices.heard() == []


async def test_a_status_is_told_once_a_second() -> None:
    """Each is saved, so a worker that writes one for every request costs no more than that; the last one is told."""
    world = World()
    async with world.running(spec("w", probes=READY)) as master:
        for text in ("one", "two", "three"):
            world.notices.say("w", Word(status=text))
        await settle()
        assert master.get_worker_state_with_diagnostics("w").note == "one"
        await world.clock.run(1.0)
        assert master.get_worker_state_with_diagnostics("w").note == "three"


async def test_the_next_master_knows_that_it_was_ready() -> None:
    """It is not told again, and its watchdog begins a new period."""
    world = World()
    async with world.running(spec("w", probes={**READY, **ALIVE})):
        world.notices.say("w", Word(ready=True))
        await settle()
    await world.clock.run(100.0)
    async with world.running() as master:
        await world.clock.run(9.9)
        running = phase(master, "w")
        assert isinstance(running, Running)
        assert running.ready_since is not None
