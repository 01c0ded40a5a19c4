"""What a worker waits for and what comes next, in each phase."""

from msgspec.structs import replace

from beeyard.application.master import Master
from beeyard.application.outlook import Outlook
from beeyard.application.views import Coming
from beeyard.domain.errors import Unavailable
from beeyard.domain.messages import Exit
from beeyard.domain.spec import ProbeSpec, StopStep
from beeyard.domain.values import Duration, SignalNumber
from beeyard.domain.worker import Stopping
from beeyard.ports.prober import Result
from tests.fakes.clock import settle
from tests.fakes.world import World, spec

READY = {"readiness": ProbeSpec("tcp", target="80", period=Duration(1.0), failures=5)}


def told(master: Master, name: str = "web") -> Outlook:
    """Of one worker."""
    return master.outlook(master.supervisors[name])


async def test_of_one_that_runs_and_is_ready_there_is_nothing_to_say() -> None:
    """It waits for nothing."""
    world = World()
    async with world.running(spec("web")) as master:
        assert told(master) == Outlook()
        await master.stop_worker("web")
        await settle()
        assert told(master) == Outlook()


async def test_one_that_needs_others_names_each_and_how_it_is() -> None:
    """With the reason, for that is the next question."""
    world = World()
    world.prober.answer = Result(False, "not yet")
    needs = {"late": "ready", "broken": "ready", "off": "started", "open": "healthy", "next": "ready"}
    others = [
        spec("late", probes=READY),
        spec("broken"),
        spec("off", enabled=False),
        spec("open"),
        spec("next", depends_on={"off": "ready"}),
    ]
    async with world.running(*others) as master:
        world.provider.exit("broken", Exit(code=2))
        for wait in (10.0, 10.0, 0.0):
            world.provider.exit("open", Exit(signal=11))
            await world.clock.run(wait)
        await master.stop_worker("broken")
        await settle()
        await master.add_worker(spec("web", depends_on=needs))
        await settle()
        assert told(master) == Outlook(
            "late to be ready (it is running, not ready: not yet); "
            "broken to be ready (it is stopped: SIGTERM); "
            "off to be started (it is registered); "
            "open to be healthy (it is failed: SIGSEGV; one trial start is to come); "
            "next to be ready (it is preparing: waits for off to be ready (it is registered))",
            Coming("start, as soon as that is so"),
        )


async def test_a_probe_that_did_not_pass_is_named_with_its_last_answer() -> None:
    """Before the verdict, which may be minutes away."""
    world = World()
    world.prober.answer = Result(False, "connection refused")
    async with world.running(spec("web", probes=READY)) as master:
        assert told(master) == Outlook("the first answer to its readiness probe")
        await world.clock.run(2.0)
        assert told(master) == Outlook("its readiness probe: connection refused")
        world.prober.answer = Result(True)
        await world.clock.run(2.0)
        assert told(master) == Outlook()


async def test_before_readiness_comes_the_startup_probe() -> None:
    """One that has passed is named no more."""
    world = World()
    world.prober.answer = Result(False, "booting")
    probes = {"startup": ProbeSpec("tcp", target="81", period=Duration(1.0), failures=9), **READY}
    async with world.running(spec("web", probes=probes)) as master:
        await world.clock.run(2.0)
        assert told(master) == Outlook("its startup probe: booting")
        world.prober.answer = Result(True)
        await world.clock.run(1.0)
        world.prober.answer = Result(False, "warming up")
        await world.clock.run(2.0)
        assert told(master).waits_for == ""


async def test_after_an_end_comes_the_delay_and_after_too_many_the_trial() -> None:
    """Each with its moment; where no trial comes, somebody has to."""
    world = World()
    async with world.running(spec("web")) as master:
        world.provider.exit("web", Exit(code=1))
        await settle()
        now = world.clock.now().wall
        assert told(master) == Outlook("the delay after its last end", Coming("restart", now + 1.0))
        for _ in range(2):
            await world.clock.run(10.0)
            world.provider.exit("web", Exit(code=1))
            await settle()
        now = world.clock.now().wall
        assert told(master) == Outlook("the cool-down after too many ends", Coming("one trial start", now + 50.0))


async def test_a_stop_tells_what_was_sent_and_what_comes() -> None:
    """Step by step, to the kill and beyond."""
    world = World()
    world.provider.stubborn.add("web")
    steps = (StopStep(SignalNumber(2), Duration(3.0)), StopStep(SignalNumber(15), Duration(5.0)))
    async with world.running(spec("web", stop=steps)) as master:
        await master.stop_worker("web")
        began = world.clock.now().wall
        assert told(master) == Outlook("its end: SIGINT was sent", Coming("SIGTERM", began + 3.0))
        await world.clock.run(4.0)
        assert told(master) == Outlook("its end: SIGTERM was sent", Coming("kill", began + 8.0))
        world.provider.reachable = False
        await world.clock.run(5.0)
        assert told(master) == Outlook(
            "its end: it was killed, and the kernel has not let go of it yet", Coming("another kill", began + 18.0)
        )
        world.provider.exit("web", Exit(signal=9))
        await settle()


async def test_what_was_killed_within_the_master_waits_for_a_thread_and_no_kernel() -> None:
    """There is no process that could be gone."""
    world = World()
    world.provider.stubborn.add("web")
    async with world.running(spec("web", stop=(StopStep(SignalNumber(15), Duration(3.0)),))) as master:
        supervisor = master.supervisors["web"]
        await master.stop_worker("web")
        world.provider.reachable = False
        await world.clock.run(4.0)
        phase = supervisor.worker.phase
        assert isinstance(phase, Stopping)
        within = replace(phase, handle=replace(phase.handle, state={}))
        supervisor.worker = replace(supervisor.worker, phase=within)
        assert told(master).waits_for == "its end: it was killed, and its thread in the master has not let go yet"
        supervisor.worker = replace(supervisor.worker, phase=phase)
        world.provider.exit("web", Exit(signal=9))
        await settle()


async def test_a_launcher_that_is_away_is_what_is_waited_for() -> None:
    """Whatever else there is: nothing starts or ends without it."""
    world = World()
    world.prober.answer = Result(False, "not yet")
    async with world.running(spec("up"), spec("unready", probes=READY)) as master:
        world.provider.fail_next_launch(Unavailable("away", "away"))
        await master.add_worker(spec("web"))
        await settle()
        assert told(master) == Outlook("the answer to its launch")
        master.place = replace(master.place, launcher_pid=lambda: None)
        away = Outlook("the launcher, which is being started again")
        assert [told(master, name) for name in ("web", "up", "unready")] == [away] * 3
