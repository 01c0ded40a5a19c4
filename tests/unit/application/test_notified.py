"""What an attempt says of itself, among fakes: its probes, its deadlines, and what the next master knows of it."""

import pytest
from msgspec.structs import replace

from beeyard.domain.health import Health
from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import ProbeRole, ProbeSpec, StopStep
from beeyard.domain.values import Duration, SignalNumber
from beeyard.domain.worker import Running, Stopping
from beeyard.ports.notify import Word
from beeyard.sdk.report import Report
from tests.fakes.clock import settle
from tests.fakes.world import World, phase, spec

ASKED = ProbeSpec("notify", period=Duration(10.0), failures=1)
READY: dict[ProbeRole, ProbeSpec] = {"readiness": ASKED}
ALIVE: dict[ProbeRole, ProbeSpec] = {"liveness": ASKED}


async def test_ready_counts_at_once_and_stopping_takes_it_back() -> None:
    """Nothing is waited for; a word that came before anybody listened counts too."""
    world = World()
    world.notices.say("w", 1, Word(status="early"))
    async with world.running(spec("w", probes=READY)) as master:
        await settle()
        running = phase(master, "w")
        assert isinstance(running, Running)
        assert (running.ready_since, running.status) == (None, "early")
        world.notices.say("w", 1, Word(ready=True))
        await settle()
        assert master.get_worker_health("w") == Health("healthy")
        world.notices.say("w", 1, Word(stopping=True))
        await settle()
        assert master.get_worker_health("w").reason == "not ready: it said that it stops (STOPPING=1)"


async def test_silence_for_one_period_fails_liveness_and_a_word_begins_a_new_one() -> None:
    """Exactly a period after the last word."""
    world = World()
    async with world.running(spec("w", probes=ALIVE)) as master:
        await world.clock.run(9.0)
        world.notices.say("w", 1, Word(watchdog="alive"))
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
        world.notices.say("w", 1, Word(watchdog="trigger"))
        await settle()
        assert not isinstance(phase(master, "w"), Running)


MODULE = ProbeSpec("module", period=Duration(2.0), timeout=Duration(1.0), failures=2)
"""Asked at 0, 2, 4, … seconds."""


def answer(number: int, *, healthy: bool = True, reason: str = "") -> Word:
    """What a module's host says of the question of this number."""
    return Word(ready=True, report=Report(healthy, reason, asked=float(number)))


async def test_each_answer_of_a_module_counts_once() -> None:
    """However often it is said again, because of something else that it tells; so many in a row end the attempt."""
    world = World()
    async with world.running(spec("w", module=ModuleSpec("m:M"), probes={"liveness": MODULE})) as master:
        for _ in range(3):
            world.notices.say("w", 1, answer(1, healthy=False, reason="no database"))
            await settle()
        assert isinstance(phase(master, "w"), Running)
        world.notices.say("w", 1, answer(2))
        await settle()
        world.notices.say("w", 1, answer(3, healthy=False))
        await settle()
        assert isinstance(phase(master, "w"), Running)
        world.notices.say("w", 1, answer(4, healthy=False))
        await settle()
        assert not isinstance(phase(master, "w"), Running)


async def test_a_module_that_says_no_by_its_readiness_is_degraded_and_goes_on() -> None:
    """With its own reason; nobody is sent to it until it says yes."""
    world = World()
    once = replace(MODULE, failures=1)
    async with world.running(spec("w", module=ModuleSpec("m:M"), probes={"readiness": once})) as master:
        world.notices.say("w", 1, answer(1))
        await settle()
        assert master.get_worker_health("w") == Health("healthy")
        world.notices.say("w", 1, answer(2, healthy=False, reason="no database"))
        await settle()
        assert master.get_worker_health("w") == Health("degraded", "not ready: no database")
        assert (master.view(master.find("w")[0]).state, master.view(master.find("w")[0]).ready) == ("running", False)
        world.notices.say("w", 1, answer(3))
        await settle()
        assert master.get_worker_health("w") == Health("healthy")


@pytest.mark.parametrize(("said", "limit"), [(True, 8.0), (False, 38.0)], ids=["ready", "starting"])
async def test_the_silence_of_a_module_is_a_failure(said: bool, limit: float) -> None:
    """Of one that is ready after a period and the time of an answer; of one that starts after the time it has for that
    as well. What it tells besides its answers is no answer."""
    world = World()
    module = ModuleSpec("m:M", start_timeout=Duration(30.0))
    async with world.running(spec("w", module=module, probes={"liveness": MODULE})) as master:
        if said:
            world.notices.say("w", 1, answer(1))
        lasted = 0.0
        while isinstance(phase(master, "w"), Running) and lasted < 60.0:
            if said:
                world.notices.say("w", 1, answer(1))
            await world.clock.run(0.5)
            lasted += 0.5
        assert limit - 4.0 <= lasted <= limit


@pytest.mark.parametrize(("extend", "runs"), [(25.0, True), (None, False)])
async def test_a_start_that_asks_for_more_time_has_not_failed(extend: float | None, runs: bool) -> None:
    """Until that time is over."""
    world = World()
    async with world.running(spec("w", probes={"startup": ASKED})) as master:
        world.notices.say("w", 1, Word(extend=extend))
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
            world.notices.say("w", 1, Word(extend=extend))
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
            world.notices.say("w", 1, Word(status=text))
        await settle()
        assert master.get_worker_state_with_diagnostics("w").note == "one"
        await world.clock.run(1.0)
        assert master.get_worker_state_with_diagnostics("w").note == "three"


async def test_the_next_master_knows_that_it_was_ready() -> None:
    """It is not told again, and its watchdog begins a new period."""
    world = World()
    async with world.running(spec("w", probes={**READY, **ALIVE})):
        world.notices.say("w", 1, Word(ready=True))
        await settle()
    await world.clock.run(100.0)
    async with world.running() as master:
        await world.clock.run(9.9)
        running = phase(master, "w")
        assert isinstance(running, Running)
        assert running.ready_since is not None
