"""What a master can be asked, over fakes."""

import asyncio
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from beeyard.application import master as master_module
from beeyard.application.master import Master
from beeyard.application.operations import OPERATIONS
from beeyard.domain.errors import Invalid, NotFound, Problem, Refused, Unavailable
from beeyard.domain.health import Health
from beeyard.domain.master import ListenSpec, MasterSpec, SecretSource
from beeyard.domain.messages import Exit
from beeyard.domain.plan import Difference, Plan
from beeyard.domain.spec import Condition, ProbeSpec, StopStep, WorkerSpec
from beeyard.domain.values import Duration
from beeyard.domain.worker import Down, Preparing, Running, Stopping, Waiting, state
from beeyard.ports.prober import Result
from tests.fakes.clock import settle
from tests.fakes.world import World, phase, spec

READY = ProbeSpec("tcp", target="80", period=Duration(1.0), failures=1)
STOP = (StopStep(wait=Duration(5.0)),)


def states(master: Master) -> dict[str, str]:
    """Each worker's state in a word."""
    return {name: state(supervisor.worker) for name, supervisor in master.supervisors.items()}


# --- one worker -----------------------------------------------------------------------------------------------------


async def test_a_worker_that_is_added_starts() -> None:
    """Its record, the launch and the files for others are all there."""
    world = World()
    async with world.running(spec("web")) as master:
        assert phase(master, "web") == Running(
            1, 1, world.provider.newest("web").handle, 1000.0, 1_700_000_000.0, ready_since=1000.0
        )
        assert world.host.published == {"web": (1001, {})}
        assert [(w.id, r) for w, r in (await world.store.load()).workers] == [
            ("web", master.supervisors["web"].revision)
        ]


async def test_a_worker_that_is_not_enabled_waits_to_be_asked() -> None:
    """Known, saved, not started."""
    world = World()
    async with world.running(spec("web", enabled=False)) as master:
        assert states(master) == {"web": "registered"}
        await master.start_worker("web")
        await settle()
        assert states(master) == {"web": "running"}


async def test_a_stopped_worker_stays_down_and_a_started_one_comes_back() -> None:
    """Each start is a new attempt, and leaves nothing of the one before."""
    world = World()
    async with world.running(spec("web")) as master:
        await master.stop_worker("web")
        await settle()
        assert states(master) == {"web": "stopped"}
        assert (world.provider.attempts, world.host.published) == ({}, {})
        await master.start_worker("web")
        await settle()
        assert world.provider.running() == [("web", 2)]


async def test_a_restart_ends_the_old_attempt_before_the_new_one_begins() -> None:
    """Never two of them."""
    world = World()
    async with world.running(spec("web")) as master:
        await master.restart_worker("web")
        await settle()
        assert world.orders("launch", "terminate", "destroy") == [
            ("launch", "web", 1),
            ("terminate", "web", 1, StopStep()),
            ("destroy", "web", 1),
            ("launch", "web", 2),
        ]
        assert world.provider.running() == [("web", 2)]


async def test_an_end_nobody_asked_for_is_restarted_after_its_delay() -> None:
    """Not before."""
    world = World()
    async with world.running(spec("web")) as master:
        world.provider.exit("web", Exit(code=3))
        await world.clock.run(0.9)
        assert isinstance(phase(master, "web"), Waiting)
        await world.clock.run(0.1)
        assert world.provider.running() == [("web", 2)]


async def test_a_worker_that_does_not_end_is_killed_when_its_steps_are_over() -> None:
    """And only then is it down."""
    world = World()
    world.provider.stubborn.add("web")
    async with world.running(spec("web", stop=STOP)) as master:
        await master.stop_worker("web")
        await world.clock.run(4.9)
        assert isinstance(phase(master, "web"), Stopping)
        await world.clock.run(0.1)
        assert world.provider.called("kill") == [("web", 1)]
        assert states(master) == {"web": "stopped"}


async def test_a_stop_by_force_waits_for_no_step_and_the_story_says_so() -> None:
    """Of all that were named, and of no other."""
    world = World()
    world.provider.stubborn |= {"web.1", "web.2"}
    async with world.running(spec("web.1", stop=STOP), spec("web.2", stop=STOP), spec("db")) as master:
        await master.stop_worker("web", "ann", force=True)
        await settle()
        assert world.orders("terminate", "kill") == [("kill", "web.1", 1), ("kill", "web.2", 1)]
        assert states(master) == {"web.1": "stopped", "web.2": "stopped", "db": "running"}
        await master.records.flush()
        _, story = await master.records.past("web.1", 1, 9)
        assert ("down asked, by force", "ann") in [(entry.what, entry.by) for entry in story]


async def test_a_removed_worker_is_forgotten_everywhere() -> None:
    """Memory, store, provider; its logs stay."""
    world = World()
    async with world.running(spec("web"), spec("db")) as master:
        await master.stop_worker("web")
        await settle()
        await master.remove_worker("web")
        assert list(master.supervisors) == ["db"]
        assert [worker.id for worker, _ in (await world.store.load()).workers] == ["db"]
        assert world.provider.called("release") == [("web",)]
        assert world.logs.removed == []
        await master.add_worker(spec("web"))
        await settle()
        assert world.provider.running() == [("db", 1), ("web", 1)]


async def test_a_living_worker_is_not_removed() -> None:
    """The refusal names its state and the way out."""
    world = World()
    async with world.running(spec("web")) as master:
        with pytest.raises(Refused, match="web can't be removed: it is running") as refused:
            await master.remove_worker("web")
        assert refused.value.hint == "beeyard stop web"


async def test_a_worker_started_while_it_is_removed_is_not_lost() -> None:
    """Whichever comes first wins, and the other is told; nothing runs that nobody knows."""
    world = World()
    async with world.running(spec("web", enabled=False)) as master:
        start = asyncio.ensure_future(master.start_worker("web"))
        await asyncio.sleep(0)
        with pytest.raises(Refused, match="web can't be removed: it is starting"):
            await master.remove_worker("web")
        await start
        await settle()
        assert states(master) == {"web": "running"}


async def test_a_needed_worker_is_not_removed_unless_those_that_need_it_go_too() -> None:
    """In whatever order they are named."""
    world = World()
    specs = [spec("db", enabled=False), spec("web", enabled=False, depends_on={"db": "started"})]
    async with world.running(*specs) as master:
        with pytest.raises(Refused, match="db can't be removed: it is needed by web"):
            await master.remove_worker("db")
        await master.remove_workers(["db", "web"])
        assert master.supervisors == {}


async def test_a_provider_that_keeps_something_of_a_removed_worker_does_not_bring_it_back() -> None:
    """The removal is done; what could not be released is logged."""
    world = World()
    async with world.running(spec("web", enabled=False)) as master:
        world.provider.reachable = False
        await master.remove_worker("web")
        assert master.supervisors == {}


async def test_what_can_not_be_added_is_refused_before_anything_is_changed() -> None:
    """All or none."""
    world = World()
    async with world.running(spec("web")) as master:
        with pytest.raises(Refused, match="there is a worker web already"):
            await master.add_workers([spec("new"), spec("web")])
        with pytest.raises(Invalid, match="new depends on db, which is no worker"):
            await master.add_worker(spec("new", depends_on={"db": "ready"}))
        with pytest.raises(Invalid, match="no provider other here"):
            await master.add_worker(spec("new", provider="other"))
        with pytest.raises(Invalid, match="depends_on goes round in a circle: a -> b -> a"):
            await master.add_workers([spec("a", depends_on={"b": "ready"}), spec("b", depends_on={"a": "ready"})])
        world.provider.problems = [Problem("execution.args", "nothing", "something")]
        with pytest.raises(Invalid) as invalid:
            await master.add_worker(spec("new"))
        assert invalid.value.problems == (Problem("new.execution.args", "nothing", "something"),)
        assert list(master.supervisors) == ["web"]


async def test_a_group_is_named_by_its_workers_first_part() -> None:
    """One command reaches all instances, or one of them."""
    world = World()
    async with world.running(spec("web.1"), spec("web.2"), spec("webber")) as master:
        await master.stop_worker("web")
        await settle()
        assert states(master) == {"web.1": "stopped", "web.2": "stopped", "webber": "running"}
        await master.start_worker("web.2")
        await settle()
        assert states(master) == {"web.1": "stopped", "web.2": "running", "webber": "running"}


async def test_a_name_nobody_has_is_answered_with_the_nearest() -> None:
    """Or with where to look."""
    world = World()
    async with world.running(spec("frontend.1")) as master:
        with pytest.raises(NotFound, match="there is no worker frontent") as missing:
            await master.stop_worker("frontent")
        assert missing.value.hint == "did you mean frontend?"
        with pytest.raises(NotFound) as missing:
            await master.stop_worker("xyz")
        assert missing.value.hint == "beeyard ps lists all"


async def test_states_are_told_for_one_and_for_all() -> None:
    """In the order in which they were added."""
    world = World()
    async with world.running(spec("web"), spec("db")) as master:
        assert master.get_worker_state_with_diagnostics("web").pid == 1001
        assert [view.id for view in master.get_all_worker_states_with_diagnostics()] == ["web", "db"]


# --- dependencies ---------------------------------------------------------------------------------------------------


async def test_started_waits_until_the_needed_one_runs() -> None:
    """And says what it waits for."""
    world = World()
    world.provider.gates["launch"] = asyncio.Event()
    async with world.running(spec("web", depends_on={"db": "started"}), spec("db")) as master:
        assert phase(master, "web") == Preparing(1, "waits for db to be started (it is starting)")
        world.provider.gates["launch"].set()
        await settle()
        assert world.provider.running() == [("db", 1), ("web", 1)]


async def test_ready_waits_for_the_readiness_probe() -> None:
    """Running alone is not enough."""
    world = World()
    world.prober.answer = Result(False, "not yet")
    specs = [spec("db", probes={"readiness": READY}), spec("web", depends_on={"db": "ready"})]
    async with world.running(*specs) as master:
        await world.clock.run(3.0)
        assert phase(master, "web") == Preparing(1, "waits for db to be ready (it is running)")
        world.prober.answer = Result(True)
        await world.clock.run(1.0)
        assert states(master) == {"db": "running", "web": "running"}


async def test_healthy_waits_for_the_probes_verdict_and_without_probe_for_readiness() -> None:
    """Liveness alone never says healthy."""
    world = World()
    world.prober.answer = Result(False, "not yet")
    probed = spec("db", probes={"readiness": READY})
    specs = [
        probed,
        spec("plain"),
        spec("web", depends_on={"db": "healthy"}),
        spec("x", depends_on={"plain": "healthy"}),
    ]
    async with world.running(*specs) as master:
        await world.clock.run(1.0)
        assert states(master) == {"db": "running", "plain": "running", "web": "preparing", "x": "running"}
        world.prober.answer = Result(True)
        await world.clock.run(1.0)
        assert states(master)["web"] == "running"


async def test_completed_waits_for_an_end_with_code_0() -> None:
    """A failure does not count, and neither does a stop."""
    world = World()
    specs = [spec("migrate"), spec("web", depends_on={"migrate": "completed"})]
    async with world.running(*specs) as master:
        world.provider.exit("migrate", Exit(code=1))
        await world.clock.run(1.0)
        assert states(master) == {"migrate": "running", "web": "preparing"}
        world.provider.exit("migrate")
        await settle()
        assert states(master) == {"migrate": "stopped", "web": "running"}


@pytest.mark.parametrize("condition", get_args(Condition))
async def test_a_worker_that_runs_does_not_mind_when_what_it_needs_ends(condition: Condition) -> None:
    """The condition is one of the start."""
    world = World()
    async with world.running(spec("db"), spec("web", depends_on={"db": condition})) as master:
        if condition == "completed":
            world.provider.exit("db")
        await settle()
        await master.restart_worker("db")
        await settle()
        assert states(master)["web"] == "running"


async def test_a_chain_starts_one_after_the_other() -> None:
    """Whatever order they were added in."""
    world = World()
    specs = [spec("c", depends_on={"b": "ready"}), spec("b", depends_on={"a": "ready"}), spec("a")]
    async with world.running(*specs):
        assert world.provider.called("launch") == [("a", 1), ("b", 1), ("c", 1)]


async def test_a_restarted_worker_waits_again() -> None:
    """If what it needs is not there any more."""
    world = World()
    async with world.running(spec("db"), spec("web", depends_on={"db": "ready"})) as master:
        await master.stop_worker("db")
        await master.restart_worker("web")
        await settle()
        assert phase(master, "web") == Preparing(2, "waits for db to be ready (it is stopped: SIGTERM)")
        await master.start_worker("db")
        await settle()
        assert states(master) == {"db": "running", "web": "running"}


# --- apply ----------------------------------------------------------------------------------------------------------


async def test_apply_changes_only_what_changed() -> None:
    """The plan says what became of each; what is kept is not touched."""
    world = World()
    kept, old, tuned, gone = (spec(id, origin="FILE") for id in ("kept", "old", "tuned", "gone"))
    async with world.running(kept, old, tuned, gone, spec("by-hand")) as master:
        world.calls.clear()
        wished = [
            kept,
            replace(old, run={"n": 2}),
            replace(tuned, stop=STOP),
            spec("new", origin="FILE"),
        ]
        plan = master.plan(wished, "FILE")
        expected = Plan(add=("new",), restart=("old",), adjust=("tuned",), remove=("gone",), keep=("kept",))
        assert replace(plan, changes=(), order=()) == expected
        assert await master.apply(wished, "FILE") == plan
        await settle()
        assert set(states(master).items()) == {(name, "running") for name in ("kept", "old", "tuned", "by-hand", "new")}
        assert [call[:3] for call in world.orders("launch", "terminate")] == [
            ("terminate", "gone", 1),
            ("terminate", "old", 1),
            ("launch", "new", 1),
            ("launch", "old", 2),
        ]
        assert master.supervisors["tuned"].worker.spec.stop == STOP
        assert master.plan(wished, "FILE").empty


async def test_apply_adds_only_after_what_it_removes_is_gone() -> None:
    """A new worker may want the old one's port."""
    world = World()
    world.provider.stubborn.add("old")
    async with world.running(spec("old", origin="FILE", stop=STOP)) as master:
        applying = asyncio.ensure_future(master.apply([spec("new", origin="FILE")], "FILE"))
        await world.clock.run(4.0)
        assert states(master) == {"old": "stopping"}
        await world.clock.run(1.0)
        await applying
        await settle()
        assert states(master) == {"new": "running"}


async def test_apply_stops_those_that_leave_dependents_first_and_before_what_they_need_changes() -> None:
    """`web` leaves with `api`, which needs `db`; `db` is restarted when both have ended."""
    world = World()
    world.provider.stubborn.add("web")
    db = spec("db", origin="FILE")
    api = spec("api", depends_on={"db": "ready"}, origin="FILE")
    web = spec("web", depends_on={"api": "ready"}, stop=STOP, origin="FILE")
    async with world.running(db, api, web) as master:
        world.calls.clear()
        applying = asyncio.ensure_future(master.apply([replace(db, run={"n": 2})], "FILE"))
        await world.clock.run(4.0)
        assert states(master) == {"db": "running", "api": "running", "web": "stopping"}
        await world.clock.run(1.0)
        await applying
        await settle()
        assert states(master) == {"db": "running"}
        assert [call[:3] for call in world.orders("terminate", "launch")] == [
            ("terminate", "web", 1),
            ("terminate", "api", 1),
            ("terminate", "db", 1),
            ("launch", "db", 2),
        ]


async def test_apply_restarts_a_dependent_when_what_it_needs_is_back() -> None:
    """Until then it goes on as it is; those between that did not change are not touched."""
    world = World()
    world.prober.answer = Result(False, "refused")
    db = spec("db", origin="FILE")
    kept = spec("kept", depends_on={"db": "ready"}, origin="FILE")
    web = spec("web", depends_on={"db": "ready"}, origin="FILE")
    async with world.running(db, kept, web) as master:
        world.calls.clear()
        wished = [replace(web, run={"n": 2}), kept, replace(db, run={"n": 2}, probes={"readiness": READY})]
        applying = asyncio.ensure_future(master.apply(wished, "FILE"))
        await world.clock.run(3.0)
        assert sorted(world.provider.running()) == [("db", 2), ("kept", 1), ("web", 1)]
        world.prober.answer = Result(True)
        await world.clock.run(2.0)
        await applying
        await settle()
        assert sorted(world.provider.running()) == [("db", 2), ("kept", 1), ("web", 2)]
        assert master.plan(wished, "FILE").empty


async def test_apply_does_not_wait_for_what_does_not_come() -> None:
    """After a minute the dependent is stopped, and says itself what it waits for."""
    world = World()
    world.prober.answer = Result(False, "refused")
    db, web = spec("db", origin="FILE"), spec("web", depends_on={"db": "ready"}, origin="FILE")
    async with world.running(db, web) as master:
        wished = [replace(db, run={"n": 2}, probes={"readiness": READY}), replace(web, run={"n": 2})]
        applying = asyncio.ensure_future(master.apply(wished, "FILE"))
        await world.clock.run(master_module.TURN - 1.0)
        assert states(master) == {"db": "running", "web": "running"}
        await world.clock.run(1.0)
        await applying
        await settle()
        assert phase(master, "web") == Preparing(2, "waits for db to be ready (it is running)")


async def test_two_applies_do_not_mix() -> None:
    """The second begins when the first is through, with a plan of its own."""
    world = World()
    world.provider.stubborn.add("old")
    async with world.running(spec("old", origin="FILE", stop=STOP)) as master:
        first = asyncio.ensure_future(master.apply([spec("a", origin="FILE")], "FILE"))
        await settle()
        second = asyncio.ensure_future(master.apply([spec("b", origin="FILE")], "FILE"))
        await world.clock.run(5.0)
        assert [(plan.add, plan.remove) for plan in (await first, await second)] == [
            (("a",), ("old",)),
            (("b",), ("a",)),
        ]
        await settle()
        assert states(master) == {"b": "running"}


async def test_a_change_of_the_master_alone_is_a_change() -> None:
    """It is told field by field, and done with no worker touched; the second time there is nothing to do."""
    world = World()
    web = spec("web", origin="FILE")
    wish = MasterSpec(ListenSpec("127.0.0.1:7777"), {"db": SecretSource(file="/run/db")})
    async with world.running(web) as master:
        plan = master.plan([web], "FILE", wish)
        assert (plan.empty, plan.keep, plan.order) == (False, ("web",), ())
        assert plan.master == (
            Difference("master.listen", "nothing", "127.0.0.1:7777"),
            Difference("secrets.db.file", "nothing", "/run/db"),
        )
        assert await master.apply([web], "FILE", master=wish) == plan
        assert master.plan([web], "FILE", wish).empty
        assert world.provider.running() == [("web", 1)]


@st.composite
def a_file(draw: st.DrawFn) -> list[WorkerSpec]:
    """Workers of one file; each needs only such as come before it in some order."""
    order = draw(st.permutations("abcde"))[: draw(st.integers(0, 5))]
    wished = [
        spec(
            name,
            origin="FILE",
            run=draw(st.sampled_from([{}, {"n": 1}])),
            enabled=draw(st.booleans()),
            stop=draw(st.sampled_from([STOP, (StopStep(),)])),
            depends_on=dict.fromkeys(draw(st.sets(st.sampled_from(order[:at]), max_size=2)), "started") if at else {},
        )
        for at, name in enumerate(order)
    ]
    return draw(st.permutations(wished))


@given(a_file(), a_file())
def test_whatever_was_there_the_workers_are_as_the_file_says(before: list[WorkerSpec], after: list[WorkerSpec]) -> None:
    """As after a fresh start with that file: the same specs, and the same ones up. Then there is nothing to do."""

    async def after_all(*files: list[WorkerSpec]) -> tuple[dict[str, WorkerSpec], list[str]]:
        world = World()
        async with world.running() as master:
            for file in files:
                applying = asyncio.ensure_future(master.apply(file, "FILE"))
                # One that needs another that needs one switched off waits in vain, once for each level.
                await world.clock.run(len(file) * master_module.TURN)
                await asyncio.wait_for(applying, 1.0)
                await settle()
            plan = master.plan(files[-1], "FILE")
            assert (plan.empty, plan.order) == (True, ())
            specs = {name: supervisor.worker.spec for name, supervisor in master.supervisors.items()}
            return specs, sorted(name for name, s in master.supervisors.items() if s.worker.wanted.up)

    assert asyncio.run(after_all(before, after)) == asyncio.run(after_all(after))


async def test_apply_does_not_remove_what_another_file_needs() -> None:
    """Refused as a whole, before anything changes."""
    world = World()
    specs = [spec("db", origin="FILE"), spec("web", depends_on={"db": "ready"}, origin="OTHER")]
    async with world.running(*specs) as master:
        with pytest.raises(Invalid, match="web depends on db, which is no worker"):
            await master.apply([], "FILE")
        assert states(master) == {"db": "running", "web": "running"}


async def test_a_dependency_that_is_dropped_holds_nobody_back_any_more() -> None:
    """It starts at once, without waiting for a change of what it needed."""
    world = World()
    web = spec("web", depends_on={"db": "ready"}, origin="FILE")
    db = spec("db", enabled=False, origin="FILE")
    async with world.running(db, web) as master:
        assert states(master) == {"db": "registered", "web": "preparing"}
        await master.apply([db, replace(web, depends_on={})], "FILE")
        await settle()
        assert states(master) == {"db": "registered", "web": "running"}


async def test_a_dependency_that_is_new_is_waited_for() -> None:
    """The next start knows it, and is told when it is met."""
    world = World()
    web, db = spec("web", enabled=False, origin="FILE"), spec("db", enabled=False, origin="FILE")
    async with world.running(web, db) as master:
        await master.apply([replace(web, depends_on={"db": "ready"}), db], "FILE")
        await master.start_worker("web")
        await settle()
        assert states(master) == {"web": "preparing", "db": "registered"}
        await master.start_worker("db")
        await settle()
        assert states(master) == {"web": "running", "db": "running"}


async def test_apply_goes_on_with_what_was_held() -> None:
    """What an operator had stopped before stays down."""
    world = World()
    specs = [spec("web", origin="FILE"), spec("off", origin="FILE")]
    async with world.running(*specs) as master:
        await master.stop_worker("off")
        assert await master.shut_down(10.0) == []
        assert states(master) == {"web": "stopped", "off": "stopped"}
        assert (await master.apply(specs, "FILE")).empty
        await settle()
        assert states(master) == {"web": "running", "off": "stopped"}


async def test_after_down_and_up_completed_means_completed_again() -> None:
    """What it did before the shutdown does not count: not for who was there, nor for one that comes with the file."""
    world = World()
    needy = {"migrate": "completed"}
    specs = [spec("web", depends_on=needy, origin="FILE"), spec("migrate", origin="FILE")]
    async with world.running(*specs) as master:
        world.provider.exit("migrate")
        await settle()
        assert states(master) == {"web": "running", "migrate": "stopped"}
        await master.shut_down(10.0)
        await master.apply([*specs, spec("new", depends_on=needy, origin="FILE")], "FILE")
        await settle()
        assert states(master) == {"web": "preparing", "migrate": "running", "new": "preparing"}
        world.provider.exit("migrate")
        await settle()
        assert states(master) == {"web": "running", "migrate": "stopped", "new": "running"}


# --- going down -----------------------------------------------------------------------------------------------------


async def test_dependents_go_down_before_what_they_need() -> None:
    """Level by level, and each level has ended before the next is asked."""
    world = World()
    world.provider.stubborn.add("web")
    specs = [spec("db"), spec("web", depends_on={"db": "ready"}, stop=STOP), spec("lone")]
    async with world.running(*specs) as master:
        down = asyncio.ensure_future(master.shut_down(20.0))
        await world.clock.run(4.0)
        assert states(master) == {"db": "running", "web": "stopping", "lone": "running"}
        await world.clock.run(1.0)
        assert await down == []
        assert [call[:3] for call in world.orders("terminate", "kill")] == [
            ("terminate", "web", 1),
            ("kill", "web", 1),
            ("terminate", "db", 1),
            ("terminate", "lone", 1),
        ]


async def test_the_wish_of_each_worker_outlives_a_shutdown() -> None:
    """Held is not stopped: the record still says what an operator wants."""
    world = World()
    async with world.running(spec("web"), spec("off")) as master:
        await master.stop_worker("off")
        await master.shut_down(10.0)
        wanted = {worker.id: worker.wanted for worker, _ in (await world.store.load()).workers}
        assert {name: (wish.on, wish.held) for name, wish in wanted.items()} == {
            "web": (True, True),
            "off": (False, True),
        }


async def test_what_does_not_end_in_time_is_killed() -> None:
    """By the shutdown's own time, not the worker's."""
    world = World()
    world.provider.stubborn.add("web")
    async with world.running(spec("web")) as master:
        down = asyncio.ensure_future(master.shut_down(3.0))
        await world.clock.run(2.9)
        assert world.provider.called("kill") == []
        await world.clock.run(0.1)
        assert await down == []
        assert world.provider.called("kill") == [("web", 1)]


async def test_what_does_not_even_end_when_killed_is_named_and_holds_nobody_else_up() -> None:
    """The levels below are still taken down."""
    world = World()
    world.provider.stubborn.add("web")
    world.provider.gates["kill"] = asyncio.Event()
    specs = [spec("db"), spec("web", depends_on={"db": "ready"})]
    async with world.running(*specs) as master:
        down = asyncio.ensure_future(master.shut_down(3.0))
        await world.clock.run(3.0 + master_module.FORCED)
        assert await down == ["web"]
        assert states(master) == {"db": "stopped", "web": "stopping"}


async def test_waiting_workers_go_down_at_once() -> None:
    """A delay and an unmet need are over; no timer is left."""
    world = World()
    specs = [spec("db", enabled=False), spec("blocked", depends_on={"db": "ready"}), spec("sick")]
    async with world.running(*specs) as master:
        world.provider.exit("sick", Exit(code=1))
        await settle()
        assert states(master) == {"db": "registered", "blocked": "preparing", "sick": "backoff"}
        assert await master.shut_down(10.0) == []
        assert isinstance(phase(master, "blocked"), Down)
        assert isinstance(phase(master, "sick"), Down)
        assert world.clock.pending() == []


async def test_a_master_that_ends_leaves_workers_running_and_nothing_of_its_own() -> None:
    """Its last facts are saved; store and prober are closed."""
    world = World()
    async with world.running(spec("web", probes={"readiness": READY})):
        world.provider.exit("web", Exit(code=3))
        await world.clock.run(1.0)
    assert world.provider.running() == [("web", 2)]
    assert world.clock.pending() == []
    assert world.prober.closed
    with pytest.raises(Unavailable):
        await world.store.load()


# --- waiting --------------------------------------------------------------------------------------------------------


async def test_waiting_ends_when_it_is_true_or_the_time_is_over() -> None:
    """By the master's clock; without time it is only a look."""
    world = World()
    async with world.running(spec("web")) as master:
        assert not await master.until(lambda: master.ended(["web"]), 0.0)
        waiting = asyncio.ensure_future(master.until(lambda: master.ended(["web"]), 5.0))
        await world.clock.run(5.0)
        assert await waiting is False
        waiting = asyncio.ensure_future(master.until(lambda: master.ended(["web"]), 5.0))
        world.provider.exit("web")
        await settle()
        assert await waiting is True
        assert world.clock.pending() == []


# --- what can be told of one ----------------------------------------------------------------------------------------


async def test_what_can_be_asked_of_a_worker_is_known_beforehand() -> None:
    """And is refused for the reason that was given."""
    world = World()
    async with world.running(spec("db"), spec("web", depends_on={"db": "ready"})) as master:
        [web], [db] = master.find("web"), master.find("db")
        assert master.detail(web).refused == {"remove": "web can't be removed: it is running"}
        assert not master.is_worker_operation_allowed("web", "remove")
        assert master.is_worker_operation_allowed("web", "stop")
        await master.stop_worker("db")
        await settle()
        assert master.detail(db).refused == {"remove": "db can't be removed: it is needed by web"}
        with pytest.raises(Refused, match="db can't be removed: it is needed by web"):
            await master.remove_worker("db")
        await master.stop_worker("web")
        await settle()
        assert master.detail(web).refused == {}
        await master.remove_worker("web")
        with pytest.raises(NotFound):
            master.is_worker_operation_allowed("web", "stop")


async def test_while_nothing_can_be_written_nothing_can_be_asked() -> None:
    """It is known beforehand as well."""
    world = World()
    async with world.running(spec("web")) as master:
        world.store.failing = "full"
        with pytest.raises(Unavailable):
            await master.stop_worker("web")
        refused = master.detail(master.find("web")[0]).refused
        assert set(refused) == {name for name, operation in OPERATIONS.items() if operation.changes}
        assert "the store can't be written" in refused["stop"]


async def test_one_that_waits_says_for_what_and_who_needs_it() -> None:
    """In both directions."""
    world = World()
    world.prober.answer = Result(False, "not yet")
    ready = {"readiness": ProbeSpec("tcp", target="80", period=Duration(1.0))}
    async with world.running(spec("db", probes=ready), spec("web", depends_on={"db": "ready"})) as master:
        [web], [db] = master.find("web"), master.find("db")
        assert master.detail(web).waits_for == "db to be ready (it is running, not ready)"
        assert master.detail(db).needed_by == ["web"]
        assert master.detail(db).waits_for == "the first answer to its readiness probe"


async def test_health_is_what_the_probes_say() -> None:
    """One that has none is unknown."""
    world = World()
    world.prober.answer = Result(False, "refused")
    live = {"readiness": ProbeSpec("tcp", target="80", period=Duration(1.0), failures=1)}
    async with world.running(spec("web", probes=live), spec("db")) as master:
        await world.clock.run(2.0)
        assert master.get_worker_health("web").reason.endswith("refused")
        assert master.get_worker_health("db") == Health()
