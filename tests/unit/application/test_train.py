"""Workers restarted with what they need: when, how often, and when not."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from msgspec.structs import replace

from beeyard.application.master import Master
from beeyard.domain.messages import Exit
from beeyard.domain.spec import Condition, Need, ProbeSpec, RestartPolicy
from beeyard.domain.values import Duration
from beeyard.domain.worker import Preparing, Running
from beeyard.ports.prober import Result
from tests.fakes.clock import settle
from tests.fakes.world import World, phase, spec

NEVER = RestartPolicy(policy="never")
READY = {"readiness": ProbeSpec("tcp", target="80", period=Duration(1.0), failures=5)}


def follows(*names: str, condition: Condition = "ready") -> dict[str, Condition | Need]:
    """Restarted with each of these."""
    return {name: Need(condition, restart=True) for name in names}


def attempts(master: Master) -> dict[str, int]:
    """Worker -> number of its last attempt."""
    return {name: supervisor.worker.attempt for name, supervisor in master.supervisors.items()}


async def rest(world: World, seconds: float = 5.0) -> None:
    """Until all that was set off has come to its end."""
    for _ in range(int(seconds)):
        await world.clock.run(1.0)
        await settle()


async def test_it_is_restarted_after_the_other_one_is_back_and_one_that_did_not_ask_is_not() -> None:
    """Until then it runs on; then it is stopped as its spec says."""
    world = World()
    async with world.running(
        spec("db", probes=READY), spec("web", depends_on=follows("db")), spec("other", depends_on={"db": "ready"})
    ) as master:
        await rest(world)
        world.prober.answer = Result(False, "booting")
        world.provider.exit("db", Exit(code=1))
        await rest(world)
        assert attempts(master) == {"db": 2, "web": 1, "other": 1}
        assert isinstance(phase(master, "web"), Running)
        world.prober.answer = Result(True)
        await rest(world)
        assert attempts(master) == {"db": 2, "web": 2, "other": 1}
        assert [call[0] for call in world.provider.called("terminate")] == ["web"]
        (death,), story = await master.records.past("web", 9, 99)
        assert (death.cause.kind, death.cause.detail) == ("dependency", "db was restarted")
        assert "db was restarted" in [entry.what for entry in story]


async def test_a_restart_that_an_operator_asked_for_counts_as_well() -> None:
    """Once for each."""
    world = World()
    async with world.running(spec("db"), spec("web", depends_on=follows("db"))) as master:
        for number in (2, 3):
            await master.restart_worker("db")
            await rest(world)
            assert attempts(master) == {"db": number, "web": number}
        await master.stop_worker("db")
        await rest(world)
        assert attempts(master) == {"db": 3, "web": 3}
        assert isinstance(phase(master, "web"), Running)


async def test_a_job_that_completes_again_restarts_who_follows_it() -> None:
    """One that fails does not."""
    world = World()
    follower = spec("web", depends_on=follows("job", condition="completed"))
    async with world.running(spec("job", restart=NEVER), follower) as master:
        world.provider.exit("job")
        await rest(world)
        assert attempts(master) == {"job": 1, "web": 1}
        for exit, attempt in ((Exit(code=1), 1), (Exit(code=0), 2)):
            await master.start_worker("job")
            await rest(world)
            world.provider.exit("job", exit)
            await rest(world)
            assert attempts(master)["web"] == attempt


async def test_chain_diamond_and_triangle_restart_each_once() -> None:
    """However many ways lead from the one that changed."""
    world = World()
    specs = [
        spec("a"),
        spec("left", depends_on=follows("a", condition="started")),
        spec("right", depends_on=follows("a"), probes=READY),
        spec("top", depends_on=follows("left", "right")),
        spec("short", depends_on=follows("a", "top")),
    ]
    async with world.running(*specs) as master:
        await rest(world)
        await master.restart_worker("a")
        await rest(world, 10)
        assert attempts(master) == dict.fromkeys(("a", "left", "right", "top", "short"), 2)


async def test_one_that_could_not_start_again_runs_on() -> None:
    """Something else that it needs is not there: it is restarted once that is."""
    world = World()
    needs = follows("db") | {"cache": "ready"}
    async with world.running(spec("db"), spec("cache"), spec("web", depends_on=needs)) as master:
        await master.stop_worker("cache")
        await master.restart_worker("db")
        await rest(world)
        assert attempts(master) == {"db": 2, "cache": 1, "web": 1}
        await master.start_worker("cache")
        await rest(world)
        assert attempts(master) == {"db": 2, "cache": 2, "web": 2}


async def test_it_goes_on_with_its_budget_as_it_was() -> None:
    """A dependency that comes and goes must not let a crashing worker crash for ever."""
    world = World()
    async with world.running(spec("db"), spec("web", depends_on=follows("db"))) as master:
        world.provider.exit("web", Exit(code=1))
        await rest(world)
        await master.restart_worker("db")
        await rest(world)
        assert attempts(master) == {"db": 2, "web": 3}
        assert len(master.supervisors["web"].worker.failures) == 1


async def test_what_was_true_a_moment_ago_starts_nothing() -> None:
    """Two facts of one turn: it runs, and it has ended. Who waited for it is answered by how it is then."""
    world = World()
    world.provider.gates["launch"] = asyncio.Event()
    db = spec("db", restart=NEVER)
    async with world.running(db, spec("web", depends_on={"db": "started"}), spec("x", enabled=False)) as master:
        world.store.gate = asyncio.Event()
        asking = asyncio.ensure_future(master.start_worker("x"))
        await settle()
        world.provider.gates["launch"].set()
        await settle()
        world.provider.exit("db", Exit(code=1))
        await settle()
        world.store.gate.set()
        await asking
        await settle()
        assert attempts(master) == {"db": 1, "web": 0, "x": 1}


async def test_asking_for_it_later_restarts_nothing_that_was_before() -> None:
    """From then on it counts; a master that comes back remembers."""
    world = World()
    web = spec("web", depends_on={"db": "ready"}, origin="FILE")
    db = spec("db", origin="FILE")
    async with world.running(db, web) as master:
        await master.restart_worker("db")
        await rest(world)
        await master.apply([db, replace(web, depends_on=follows("db"))], "FILE")
        await rest(world)
        assert attempts(master) == {"db": 2, "web": 1}
    async with world.master().running() as master:
        await rest(world)
        assert attempts(master) == {"db": 2, "web": 1}
        await master.restart_worker("db")
        await rest(world)
        assert attempts(master) == {"db": 3, "web": 2}


async def test_nobody_is_restarted_while_the_master_goes_down() -> None:
    """What comes back meanwhile is about to be stopped itself."""
    world = World()
    specs = [spec("db"), spec("web", depends_on=follows("db")), spec("top", depends_on={"web": "ready"})]
    async with world.running(*specs) as master:
        world.provider.stubborn.add("top")
        world.provider.exit("db", Exit(code=1))
        await settle()
        down = master.shut_down(30)
        world.clock.call_at(world.clock.now().mono + 10, lambda: world.provider.exit("top"))
        assert await _while(world, down) == []
        assert attempts(master) == {"db": 2, "web": 1, "top": 1}


async def _while(world: World, work: Coroutine[Any, Any, list[str]]) -> list[str]:
    """What comes of it while time passes."""
    task = asyncio.ensure_future(work)
    while not task.done():
        await world.clock.run(1.0)
    return task.result()


@pytest.mark.parametrize(
    ("policy", "exit", "condition", "said"),
    [
        (NEVER, Exit(code=3), "ready", "(it is stopped: exit code 3; it will not come by itself)"),
        (None, Exit(code=3), "ready", "(it is backoff: exit code 3)"),
        (NEVER, Exit(code=1), "completed", "(it is stopped: exit code 1; it will not come by itself)"),
    ],
)  # fmt: skip
async def test_who_waits_for_one_that_failed_says_so(
    policy: RestartPolicy | None, exit: Exit, condition: Condition, said: str
) -> None:
    """And whether it will come."""
    world = World()
    db = spec("db") if policy is None else spec("db", restart=policy)
    async with world.running(db) as master:
        world.provider.exit("db", exit)
        await settle()
        await master.add_worker(spec("web", depends_on={"db": condition}))
        await settle()
        assert phase(master, "web") == Preparing(1, f"waits for db to be {condition} {said}")
        assert master.outlook(master.supervisors["web"]).waits_for == f"db to be {condition} {said}"
