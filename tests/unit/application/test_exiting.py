"""`exit_on: failure`: which ends of a worker take everything down, in which order, and what is left of it."""

import contextlib
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from beeyard.application.exiting import EXIT_ON
from beeyard.application.master import Master
from beeyard.domain.messages import Exit
from beeyard.domain.spec import RestartPolicy, WorkerSpec
from beeyard.domain.worker import Failed
from tests.fakes.clock import settle
from tests.fakes.world import POLICY, Mortal, World, phase, spec

NEVER = RestartPolicy(policy="never")


@contextlib.asynccontextmanager
async def going(world: World, *specs: WorkerSpec) -> AsyncIterator[Master]:
    """A master whose worker `job` takes all others with it."""
    job = spec("job", exit_on="failure", restart=NEVER)
    async with world.running(*(specs or (job, spec("web", depends_on={"job": "started"}), spec("db")))) as master:
        yield master


async def test_a_bad_last_end_takes_everything_down_dependents_first() -> None:
    """As `down` does: what is wanted of the workers is kept."""
    world = World()
    specs = [
        spec("db"),
        spec("web", depends_on={"db": "ready"}),
        spec("job", depends_on={"web": "ready"}, exit_on="failure", restart=NEVER),
    ]
    async with going(world, *specs) as master:
        world.provider.exit("job", Exit(code=3))
        await rest()
        assert [call[0] for call in world.provider.called("terminate")] == ["web", "db"]
        assert master.finished.is_set()
        assert all(found.worker.wanted.on and found.worker.wanted.held for found in master.supervisors.values())


async def test_the_reason_is_told_in_the_journal_and_to_whoever_asks() -> None:
    """By Beeyard itself, naming the worker and how it ended."""
    world = World()
    async with going(world) as master:
        world.provider.exit("job", Exit(code=3))
        await rest()
        text = "job failed, and everything goes down with it (exit_on: failure): exit code 3; restart policy is never"
        assert str(master.exiting.reason) == text
        (entry,) = await world.journal.read(limit=9)
        record = entry.record
        assert (record.what, record.who, record.reason, record.asked) == (EXIT_ON, "beeyard", text, {"worker": "job"})


async def test_a_spent_budget_is_a_failure_and_a_restart_is_none() -> None:
    """While a restart is still to come everything goes on."""
    world = World()
    async with going(world, spec("job", exit_on="failure"), spec("web")) as master:
        for _ in range(2):
            world.provider.exit("job", Exit(code=1))
            await world.clock.run(10.0)
            assert not master.finished.is_set()
        world.provider.exit("job", Exit(code=1))
        await rest()
        assert master.finished.is_set()
        assert world.provider.running() == []


@pytest.mark.parametrize("exit_on", ["never", "failure"])
@pytest.mark.parametrize("way", ["well", "stopped", "restarted", "badly"])
async def test_only_a_failure_ends_all_and_only_where_it_is_to(exit_on: str, way: str) -> None:
    """A good end is none, and neither is what an operator asked for, however the worker took it."""
    world = World()
    async with going(world, spec("job", exit_on=exit_on, restart=NEVER), spec("web")) as master:
        match way:
            case "well":
                world.provider.exit("job")
            case "badly":
                world.provider.exit("job", Exit(code=1))
            case "stopped":
                await master.stop_worker("job")
            case "restarted":
                await master.restart_worker("job")
        await rest()
        assert master.finished.is_set() == (exit_on == "failure" and way == "badly")
        assert ("web", 1) in world.provider.running() or master.finished.is_set()


async def test_a_failure_that_is_already_there_ends_nothing_when_exit_on_is_set() -> None:
    """The file was changed by somebody who sees how the worker is."""
    world = World()
    job = spec("job", restart=NEVER, origin="FILE")
    async with going(world, job) as master:
        world.provider.exit("job", Exit(code=1))
        await rest()
        await master.apply([replace(job, exit_on="failure")], "FILE")
        await rest()
        assert not master.finished.is_set()


async def test_a_master_that_dies_on_the_way_goes_on_when_it_is_back() -> None:
    """The launcher brings it back, for it had not finished: it finishes then."""
    world = World()
    world.provider.stubborn.add("web")
    mortal = Mortal(world)
    await rest()
    await mortal.master.add_workers([spec("job", exit_on="failure", restart=NEVER), spec("web"), spec("db")])
    await rest()
    world.provider.exit("job", Exit(code=3))
    await rest()
    assert not mortal.master.finished.is_set()
    await mortal.kill()
    async with world.master().running() as master:
        await _run_until(world, master)
        assert str(master.exiting.reason).endswith("exit code 3; restart policy is never")
        assert world.provider.running() == []
    async with world.master().running() as master:
        await rest()
        assert not master.finished.is_set(), "what was finished is not begun again"


async def test_while_nothing_can_be_saved_it_tries_again() -> None:
    """Nobody is there to ask a second time."""
    world = World()
    async with going(world) as master:
        world.store.failing = "disk full"
        world.provider.exit("job", Exit(code=3))
        await world.clock.run(5.0)
        assert not master.finished.is_set()
        world.store.failing = ""
        await _run_until(world, master)
        assert world.provider.running() == []


async def test_after_up_the_worker_gets_another_try() -> None:
    """Going down left nothing that keeps it from starting."""
    world = World()
    async with going(world, spec("job", exit_on="failure", restart=replace(POLICY, policy="always"))) as master:
        for _ in range(3):
            world.provider.exit("job", Exit(code=1))
            await world.clock.run(10.0)
        await rest()
        assert master.finished.is_set()
        assert not isinstance(phase(master, "job"), Failed)
    async with world.master().running() as master:
        await rest()
        assert world.provider.running() == []
        await master.release()
        await rest()
        assert world.provider.running() == [("job", 4)]


async def rest() -> None:
    """Going down takes several turns."""
    for _ in range(5):
        await settle()


async def _run_until(world: World, master: Master) -> None:
    for _ in range(100):
        await world.clock.run(1.0)
    assert master.finished.is_set()
