"""Effects on the way to ports: what is tried again, what is reported, what is kept."""

import asyncio

import pytest

from beeyard.domain.errors import Rejected
from beeyard.domain.messages import Exit
from beeyard.domain.refusals import REFUSALS
from beeyard.domain.spec import Endpoint, ProbeSpec
from beeyard.domain.values import Duration
from beeyard.domain.worker import Cause, Running, Starting, Waiting
from tests.fakes.clock import settle
from tests.fakes.world import World, phase, spec

HTTP = {"http": Endpoint("http"), "fixed": Endpoint("tcp", 8080)}


async def test_a_launch_that_reached_nobody_is_tried_again_as_the_same_attempt_with_the_same_ports() -> None:
    """Nothing was started, so it costs no restart; it begins as soon as the provider is back."""
    world = World()
    async with world.running() as master:
        world.provider.reachable = False
        await master.add_worker(spec("web", endpoints=HTTP))
        await world.clock.run(1.0)
        assert phase(master, "web") == Starting(1, 1, 1000.0)
        assert set(world.provider.called("launch")) == {("web", 1)}
        world.provider.reachable = True
        await world.clock.run(0.2)
        assert world.provider.ports == {("web", 1): {"http": 20001, "fixed": 8080}}
        assert master.supervisors["web"].worker.failures == ()
        assert world.host.published == {"web": (1001, {"http": 20001, "fixed": 8080})}


async def test_no_free_port_is_waited_for() -> None:
    """As for a provider out of reach."""
    world = World()
    world.host.exhausted = True
    async with world.running(spec("web", endpoints=HTTP)) as master:
        await world.clock.run(1.0)
        assert isinstance(phase(master, "web"), Starting)
        world.host.exhausted = False
        await world.clock.run(0.2)
        assert isinstance(phase(master, "web"), Running)


async def test_a_launch_that_was_rejected_is_judged() -> None:
    """With the provider's own words as the cause, and its kind beside them."""
    world = World()
    world.provider.fail_next_launch(Rejected("executable_not_found", "no file {path}", path="/bin/x"))
    async with world.running(spec("web")) as master:
        assert isinstance(phase(master, "web"), Waiting)
        cause = Cause("launch", "no file /bin/x", refusal=REFUSALS["executable_not_found"])
        assert [death.cause for death in await world.store.deaths("web", 9)] == [cause]


async def test_an_unforeseen_error_is_a_failed_launch_and_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker must not hang in its start for ever because of a bug of ours."""
    world = World()

    async def broken(*given: object) -> None:
        raise KeyError("pid")

    monkeypatch.setattr(world.provider, "launch", broken)
    async with world.running(spec("web")) as master:
        assert isinstance(phase(master, "web"), Waiting)
        assert [death.cause for death in await world.store.deaths("web", 9)] == [
            Cause("launch", "error in Beeyard: KeyError('pid')")
        ]
        assert caplog.messages == ["web: launch failed in an unforeseen way"]
        assert caplog.records[0].exc_info is not None


async def test_ports_stay_the_same_over_restarts_while_they_are_free() -> None:
    """Those that the master chose; one that somebody took is replaced."""
    world = World()
    async with world.running(spec("web", endpoints=HTTP)) as master:
        await master.restart_worker("web")
        await settle()
        world.host.taken.add(20001)
        await master.restart_worker("web")
        await settle()
        assert world.provider.ports == {
            ("web", 1): {"http": 20001, "fixed": 8080},
            ("web", 2): {"http": 20001, "fixed": 8080},
            ("web", 3): {"http": 20002, "fixed": 8080},
        }


async def test_a_death_keeps_the_last_lines_of_its_own_attempt() -> None:
    """Drained first; not those of an earlier attempt, and not more than twenty."""
    world = World()
    now = world.clock.now().wall
    async with world.running(spec("web"), spec("mute")):
        world.logs.write("web", "of an earlier life", now - 5.0)
        for number in range(25):
            world.logs.write("web", f"line {number}", now + 0.1 * number)
        await world.clock.run(3.0)
        world.provider.exit("web", Exit(code=3))
        world.provider.exit("mute", Exit(code=3))
        await settle()
        [death] = await world.store.deaths("web", 9)
        assert death.lines == tuple(f"line {number}" for number in range(5, 25))
        assert (death.exit, death.uptime, death.pid, death.was_ready) == (Exit(code=3), 3.0, 1001, True)
        assert [mute.lines for mute in await world.store.deaths("mute", 9)] == [()]
        assert world.provider.called("drain") == [("web",), ("mute",)]


async def test_last_lines_of_a_worker_that_was_removed_meanwhile_are_dropped() -> None:
    """There is nobody left to keep them for."""
    world = World()
    async with world.running(spec("web")) as master:
        world.provider.gates["drain"] = asyncio.Event()
        world.logs.write("web", "alas", world.clock.now().wall)
        await master.stop_worker("web")
        await settle()
        await master.remove_worker("web")
        world.provider.gates["drain"].set()
        await settle()
        assert await world.store.deaths("web", 9) == []


async def test_probes_end_with_their_attempt() -> None:
    """Nothing is asked of a worker that is not there."""
    world = World()
    probes = {"liveness": ProbeSpec("tcp", target="80", period=Duration(1.0))}
    async with world.running(spec("web", probes=probes)) as master:
        await world.clock.run(2.5)  # The first one after half a second.
        assert len(world.prober.asked) == 3
        await master.stop_worker("web")
        await world.clock.run(5.0)
        assert len(world.prober.asked) == 3
        assert world.clock.pending() == []


async def test_files_for_others_are_there_exactly_while_it_runs() -> None:
    """A pid that is no more must not be read."""
    world = World()
    async with world.running(spec("web")) as master:
        assert world.host.published == {"web": (1001, {})}
        await master.stop_worker("web")
        await settle()
        assert world.host.published == {}


LISTENS = {"readiness": ProbeSpec("log", target="ready")}


async def test_where_an_attempts_output_begins_is_noted_before_its_launch() -> None:
    """After all that was written earlier can be read; and only for those whose probes have to know."""
    world = World()
    world.logs.write("web", "ready", None)
    async with world.running(spec("web", probes=LISTENS)) as master:
        assert world.orders("drain", "launch") == [("drain", "web"), ("launch", "web", 1)]
        running = phase(master, "web")
        assert isinstance(running, Running)
        assert (running.handle.output, running.ready_since) == ("end:1", None)
        world.logs.write("web", "ready", None)
        await settle()
        assert master.supervisors["web"].view(world.clock.now()).ready
        await master.add_worker(spec("other"))
        await settle()
        assert ("drain", "other") not in world.calls


async def test_a_launch_tried_again_begins_where_it_first_would_have() -> None:
    """The first try may have started it, and its line may be written by now."""
    world = World()
    async with world.running() as master:
        gate = world.provider.gates["launch"] = asyncio.Event()
        await master.add_worker(spec("web", probes=LISTENS))
        await settle()
        world.provider.reachable = False
        gate.set()
        await settle()
        world.logs.write("web", "ready", None)
        world.provider.reachable = True
        await world.clock.run(0.2)
        assert master.supervisors["web"].view(world.clock.now()).ready


async def test_a_line_written_while_no_master_looked_counts() -> None:
    """The next master goes on where the attempt's output began."""
    world = World()
    async with world.running(spec("web", probes=LISTENS)) as master:
        assert not master.supervisors["web"].view(world.clock.now()).ready
    world.logs.write("web", "ready", None)
    async with world.running() as master:
        assert master.supervisors["web"].view(world.clock.now()).ready
    assert world.provider.called("launch") == [("web", 1)]
