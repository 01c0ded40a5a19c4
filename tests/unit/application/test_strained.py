"""A master on a host under pressure: more patient with those who answer, and with those who died; never with people."""

from itertools import cycle

import pytest
from msgspec.structs import replace

from beeyard.application.operation import EVERYTHING, Call, Caller
from beeyard.application.operations.info import Info, info
from beeyard.application.operations.restart import Restart, restart
from beeyard.domain.messages import Exit
from beeyard.domain.pressure import Pressure
from beeyard.domain.spec import Backoff, ProbeSpec
from beeyard.domain.values import Duration
from beeyard.domain.worker import Running, Waiting
from beeyard.ports.prober import Result
from tests.fakes.clock import settle
from tests.fakes.world import POLICY, World, phase, spec

STARVING = Pressure(cpu=1.0, memory=0.47)
LIVENESS = ProbeSpec("tcp", target="80", period=Duration(10.0), failures=1)


async def test_a_worker_that_died_comes_back_later_and_why_says_so() -> None:
    """A second becomes more than three, and the host is what is to blame."""
    world = World()
    async with world.running(spec("web")) as master:
        world.host.pressed = STARVING
        world.provider.exit("web", Exit(code=3))
        await settle()
        waiting = phase(master, "web")
        assert isinstance(waiting, Waiting)
        assert waiting.reason == "restart in 3s (1 of 2 within 1m 40s; host under pressure: memory 47 %)"
        await world.clock.run(2.9)
        assert isinstance(phase(master, "web"), Waiting)
        await world.clock.run(0.2)
        assert isinstance(phase(master, "web"), Running)


@pytest.mark.parametrize(("pressed", "moments"), [(Pressure(), 0), (STARVING, 3)], ids=["at ease", "starving"])
async def test_workers_that_died_together_come_back_one_by_one(pressed: Pressure, moments: int) -> None:
    """Those that would be there at once as well; on a host at ease they are."""
    world = World()
    rolls = cycle([0.0, 0.3, 0.6, 0.9, 0.1])
    world.roll = lambda: next(rolls)
    names = ("a", "b", "c")
    policy = replace(POLICY, backoff=Backoff(delay=Duration(0.0)))
    async with world.running(*(spec(name, restart=policy) for name in names)) as master:
        world.host.pressed = pressed
        for name in names:
            world.provider.exit(name, Exit(code=3))
        await settle()
        phases = [phase(master, name) for name in names]
        assert len({waiting.until for waiting in phases if isinstance(waiting, Waiting)}) == moments


async def test_its_questions_may_take_longer_only_as_long_as_that_lasts() -> None:
    """Twice the time and more on a starving host; as written on one that is at ease again."""
    world = World()
    world.host.pressed = STARVING
    async with world.running(spec("web", probes={"liveness": LIVENESS})) as master:
        await world.clock.run(1.0)
        probing = master.supervisors["web"].probing
        assert probing is not None
        assert probing.views()["liveness"].strain == "host under pressure: memory 47 %"
        world.host.pressed = Pressure()
        await world.clock.run(10.0)
        assert probing.views()["liveness"].strain == ""
        assert world.prober.times == [3.025, 1.0]


async def test_info_tells_what_the_host_is_short_of() -> None:
    """Or that all is well."""
    world = World()
    async with world.running() as master:
        call = Call(Caller("ann", EVERYTHING))
        assert (await info(master, Info(), call)).pressure == "ok"
        world.host.pressed = STARVING
        told = "host under pressure: memory 47 %; waits are 3.0 times as long"
        assert (await info(master, Info(), call)).pressure == told


async def test_a_restart_that_somebody_asks_for_comes_at_once() -> None:
    """Of one that runs, and of one that waits."""
    world = World()
    async with world.running(spec("web"), spec("dead")) as master:
        world.host.pressed = STARVING
        world.provider.exit("dead", Exit(code=3))
        await settle()
        for name in ("web", "dead"):
            await restart(master, Restart([name]), Call(Caller("ann", EVERYTHING)))
            assert isinstance(phase(master, name), Running)


async def test_the_startup_grace_counts_from_each_start() -> None:
    """Ill health in it is not acted upon, after a restart as after the first start."""
    grace = replace(POLICY, startup_grace=Duration(25.0))
    world = World()
    world.prober.answer = Result(False, "silent")
    async with world.running(spec("web", restart=grace, probes={"liveness": LIVENESS})) as master:
        for attempt in (1, 2):
            await world.clock.run(25.0)
            running = phase(master, "web")
            assert isinstance(running, Running)
            assert running.attempt == attempt
            await world.clock.run(1.0)
            waiting = phase(master, "web")
            assert isinstance(waiting, Waiting)
            await world.clock.run(waiting.until - world.clock.now().mono)
