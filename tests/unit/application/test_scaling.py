"""Groups that scale, over fakes: what is started and stopped, and what people's own wishes are to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from beeyard.application.master import Master
from beeyard.domain.errors import Invalid
from beeyard.domain.lifetime import Lifetime
from beeyard.domain.limits import Limit, Limits
from beeyard.domain.messages import Exit
from beeyard.domain.plan import Plan
from beeyard.domain.scaling import Metric, Scaling
from beeyard.domain.spec import Endpoint, Need, ProbeSpec, RestartPolicy, WorkerSpec, check
from beeyard.domain.values import Duration
from beeyard.domain.worker import Down, state
from beeyard.ports.provider import Capabilities, Reading
from tests.fakes.clock import settle
from tests.fakes.world import World, phase, spec

SCALING = Scaling(min=2, max=6, cpu=50.0, up=Duration(6), down=Duration(30), cool_down=Duration(12))
LOOK = 3.0


def group(scaling: Scaling = SCALING, name: str = "web", **fields: Any) -> list[WorkerSpec]:
    """All instances, as a worker file makes them."""
    return [spec(f"{name}.{n}", scaling=scaling, **fields) for n in range(1, scaling.max + 1)]


class Field:
    """A world in which time passes look by look, while every instance that runs uses so many cores."""

    def __init__(self) -> None:
        self.world = World()
        self.used: dict[tuple[str, int], float] = {}

    @asynccontextmanager
    async def running(self, *specs: WorkerSpec) -> AsyncIterator[Master]:
        """A master with these workers, begun."""
        async with self.world.running(*specs) as master:
            yield master

    async def bear(self, master: Master, cores: float | None, seconds: float) -> list[str]:
        """Who runs after that. `cores`: of all together; None: nobody can tell."""
        for _ in range(int(seconds / LOOK)):
            await self.world.clock.run(LOOK)
            running = self.world.provider.running()
            for attempt in running:
                self.used[attempt] = self.used.get(attempt, 0.0) + LOOK * (cores or 0.0) / len(running)
                self.world.provider.readings[attempt[0]] = Reading(cpu=self.used[attempt], rss=0, processes=1)
            if cores is not None:
                await master.sampling.look("fake")
            await master.scaler.look()
            await settle()
        return self.up()

    def up(self) -> list[str]:
        """Who runs now."""
        return sorted(name for name, _ in self.world.provider.running())


def names(*numbers: int) -> list[str]:
    """`web.1`, and so on."""
    return [f"web.{number}" for number in numbers]


async def test_the_least_run_and_the_others_are_on_standby() -> None:
    """They are known, and say how many are wanted."""
    field = Field()
    async with field.running(*group()) as master:
        assert field.up() == names(1, 2)
        views = {view.id: view for view in master.get_all_worker_states_with_diagnostics()}
        assert [view.state for view in views.values()] == ["running"] * 2 + ["standby"] * 4
        assert (views["web.3"].wanted, views["web.3"].note) == ("down", "on standby: 2 of 6 wanted")


async def test_a_group_grows_and_shrinks_with_what_it_bears() -> None:
    """The lowest numbers come first, the highest go first; the story, the journal and the events say why."""
    field = Field()
    async with field.running(*group()) as master:
        cursor = master.feed.cursor
        assert await field.bear(master, 1.9, 12) == names(1, 2, 3, 4)
        assert await field.bear(master, 0.8, 60) == names(1, 2)
        up, on, down = (f"cpu {text} instances" for text in ("95 % of 50 %: 4", "20 % of 50 %: 3", "27 % of 50 %: 2"))
        _, story = await master.records.past("web.4", 1, 9)
        assert [(entry.what, entry.by) for entry in story if entry.by] == [(up, "scaling"), (on, "scaling")]
        entries = [e.record for e in await field.world.journal.read(before=None, limit=99) if e.record.what == "scale"]
        assert [(e.who, e.reason, e.asked["started"], e.asked["stopped"]) for e in reversed(entries)] == [
            ("beeyard", up, names(3, 4), []),
            ("beeyard", on, [], names(4)),
            ("beeyard", down, [], names(3)),
        ]
        told = await anext(master.feed.read(cursor))
        changes = [(event.worker, event.data.wanted) for event in told if event.kind == "scaling"]
        assert changes == [("web", 4), ("web", 3), ("web", 2)]
        view = master.detail(master.supervisors["web.1"]).scaling
        assert view is not None
        assert (view.wanted, view.ready, view.min, view.max, view.last) == (2, 2, 2, 6, down)


async def test_an_instance_that_is_not_needed_takes_its_stop_sequence() -> None:
    """It is terminated as for an operator, and its death record says that it was its group."""
    field = Field()
    async with field.running(*group()) as master:
        await field.bear(master, 1.9, 12)
        await field.bear(master, 0.2, 60)
        worker = master.supervisors["web.4"].worker
        assert [call[1:3] for call in field.world.orders("terminate")] == [("web.4", 1), ("web.3", 1)]
        assert field.world.orders("kill") == []
        assert worker.death is not None
        assert (worker.death.cause.kind, worker.death.decision, worker.phase) == (
            "scaling",
            "on standby",
            Down(2, "on standby"),
        )


async def test_a_share_is_of_the_limit_where_there_is_one() -> None:
    """Half a core each, half of it used: that is as much as is to be borne."""
    field = Field()
    limits = Limits({"cpu.max_cores": Limit(0.5, "log")})
    async with field.running(*group(limits=limits)) as master:
        assert await field.bear(master, 0.5, 30) == names(1, 2)
        assert await field.bear(master, 0.9, 30) == names(1, 2, 3, 4)


async def test_a_stopped_group_is_left_alone_and_starts_as_large_as_it_was() -> None:
    """Not as large as it may be; and what it bore before says nothing any more."""
    field = Field()
    async with field.running(*group()) as master:
        await field.bear(master, 1.4, 12)
        assert field.up() == names(1, 2, 3)
        await master.stop_worker("web", "ann")
        await settle()
        assert await field.bear(master, 1.9, 60) == []
        assert {state(found.worker) for found in master.find("web")} == {"stopped"} | {"registered"}
        await master.start_worker("web", "ann")
        await settle()
        assert field.up() == names(1, 2, 3)
        assert await field.bear(master, 1.4, 27) == names(1, 2, 3)


async def test_who_is_stopped_by_hand_stays_down_and_another_takes_its_place() -> None:
    """Until the group is started as a whole."""
    field = Field()
    async with field.running(*group()) as master:
        await master.stop_worker("web.2", "ann")
        await settle()
        assert await field.bear(master, 0.8, 120) == names(1, 3)
        await master.start_worker("web", "ann")
        await settle()
        assert field.up() == names(1, 2, 3)
        assert await field.bear(master, 0.2, 60) == names(1, 2)


async def test_who_is_started_by_hand_stays_up() -> None:
    """The group does with one less of the others; once it is started as a whole, the highest goes again."""
    field = Field()
    async with field.running(*group()) as master:
        await master.start_worker("web.5", "ann")
        await settle()
        assert field.up() == names(1, 2, 5)
        assert await field.bear(master, 0.2, 120) == names(1, 5)
        assert await field.bear(master, 1.9, 30) == names(1, 2, 3, 5)
        await master.start_worker("web", "ann")
        assert await field.bear(master, 0.2, 60) == names(1, 2)


async def test_a_restart_of_the_group_starts_none_of_those_on_standby() -> None:
    """One that runs and is restarted by itself is not held up for it."""
    field = Field()
    async with field.running(*group()) as master:
        await master.restart_worker("web", "ann")
        await settle()
        assert sorted(field.world.provider.running()) == [("web.1", 2), ("web.2", 2)]
        await field.bear(master, 1.4, 12)
        await master.restart_worker("web.3", "ann")
        await settle()
        assert field.up() == names(1, 2, 3)
        assert await field.bear(master, 0.2, 60) == names(1, 2)


async def test_a_request_that_came_first_counts() -> None:
    """The group is stopped before what was decided for it is taken: nothing is started, and nothing is told of it."""
    field = Field()
    async with field.running(*group()) as master:
        await field.bear(master, 1.9, 3)
        field.world.clock.advance(6)
        gate = field.world.store.gate = asyncio.Event()
        asked = [asyncio.ensure_future(master.start_worker("web.1", "ann"))]  # It is being saved, and all others wait.
        await settle()
        asked.append(asyncio.ensure_future(master.stop_worker("web", "ann")))
        await settle()
        asked.append(asyncio.ensure_future(master.scaler.look()))
        await settle()
        gate.set()
        await asyncio.gather(*asked)
        await settle()
        assert field.up() == []
        view = master.scaler.view("web.1")
        assert view is not None
        assert (view.wanted, view.at) == (0, None)


async def test_while_it_is_down_a_metric_counts_for_nothing() -> None:
    """Neither while people have stopped it nor while all are held: what is needed is seen anew once it is up."""
    field = Field()
    url = "http://queue.example/metrics"
    metric = replace(SCALING, cpu=None, metric=Metric(url, "queue_depth", 10.0))
    async with field.running(*group(metric)) as master:
        await master.stop_worker("web", "ann")
        field.world.prober.pages[url] = "queue_depth 44\n"
        assert await field.bear(master, 0.0, 60) == []
        await master.start_worker("web", "ann")
        assert await field.bear(master, 0.0, 6) == names(1, 2)
        await master.shut_down(10)
        assert await field.bear(master, 0.0, 60) == []
        await master.release()
        assert await field.bear(master, 0.0, 6) == names(1, 2)
        view = master.scaler.view("web.1")
        assert view is not None
        assert view.at is None
        assert await field.bear(master, 0.0, 6) == names(1, 2, 3, 4, 5)


async def test_who_is_done_is_replaced() -> None:
    """One that ended well is not started again, and counts for nothing."""
    field = Field()
    async with field.running(*group()) as master:
        field.world.provider.exit("web.1")
        assert await field.bear(master, 0.8, 12) == names(2, 3)


def test_what_would_take_an_instance_out_for_good_is_refused() -> None:
    """Its group says how many run; a longest life only makes it start anew, if its policy lets it."""
    lifetime = Lifetime(max=Duration(60), idle=Duration(6), after=Duration(6))
    never = RestartPolicy("never")
    assert [problem.path for problem in check(group(lifetime=lifetime)[0])] == ["lifetime.idle", "lifetime.after"]
    assert [problem.path for problem in check(group(lifetime=lifetime, restart=never)[0])] == [
        "lifetime.max",
        "lifetime.idle",
        "lifetime.after",
    ]


async def test_crash_looping_instances_lead_to_no_more_of_them() -> None:
    """Those that run bear it all; the others are what was started for it, and are no reason for more."""
    field = Field()
    async with field.running(*group()) as master:
        for _ in range(20):
            await field.bear(master, 1.4, 3)
            if "web.3" in field.up():
                field.world.provider.exit("web.3", Exit(code=1))
                await settle()
        wanted = [found.worker.id for found in master.find("web") if found.worker.wanted.up]
        assert wanted == names(1, 2, 3)


async def test_who_is_not_ready_yet_is_not_idle() -> None:
    """While it starts nothing is stopped, and nothing more is started."""
    field = Field()
    ready = {"readiness": ProbeSpec("tcp", target="80", period=Duration(1.0), failures=1)}
    async with field.running(*group(probes=ready)) as master:
        await field.bear(master, 1.9, 3)
        field.world.prober.gate = asyncio.Event()
        assert await field.bear(master, 1.9, 12) == names(1, 2, 3, 4)
        assert await field.bear(master, 1.9, 300) == names(1, 2, 3, 4)


async def test_missing_figures_stop_nothing() -> None:
    """Nobody could read what they use for an hour."""
    field = Field()
    async with field.running(*group()) as master:
        await field.bear(master, 1.9, 12)
        assert await field.bear(master, None, 3600) == names(1, 2, 3, 4)


async def test_what_can_not_be_saved_does_not_cool_down() -> None:
    """It is tried again with the next look, and once it is saved it is done."""
    field = Field()
    async with field.running(*group()) as master:
        await field.bear(master, 1.9, 3)
        field.world.store.failing = "no space"
        assert await field.bear(master, 1.9, 9) == names(1, 2)
        view = master.scaler.view("web.1")
        assert view is not None
        assert view.at is None
        field.world.store.failing = ""
        await field.world.clock.run(2)
        assert await field.bear(master, 1.9, 6) == names(1, 2, 3, 4)


async def test_a_master_that_comes_back_goes_on_as_it_was() -> None:
    """Nothing is started twice, nothing is stopped before there are figures of long enough, and the last change is
    still known."""
    field = Field()
    async with field.running(*group()) as master:
        await field.bear(master, 1.9, 12)
    async with field.world.master().running() as master:
        await settle()
        assert sorted(field.world.provider.running()) == [(name, 1) for name in names(1, 2, 3, 4)]
        view = master.scaler.view("web.1")
        assert view is not None
        assert view.last == "cpu 95 % of 50 %: 4 instances"
        assert await field.bear(master, 0.2, 27) == names(1, 2, 3, 4)
        assert await field.bear(master, 0.2, 12) == names(1, 2)
    assert len(field.world.provider.called("launch")) == 4


async def test_down_and_up_change_no_wish() -> None:
    """Nor does anything scale while all are held."""
    field = Field()
    async with field.running(*group()) as master:
        await field.bear(master, 1.4, 12)
        await master.shut_down(10)
        assert await field.bear(master, 0.0, 60) == []
        await master.release()
        await settle()
        assert field.up() == names(1, 2, 3)
        assert state(master.supervisors["web.4"].worker) == "standby"


async def test_after_a_reboot_as_many_start_as_were_wanted() -> None:
    """Standby is no `down`, and no wish of an operator."""
    field = Field()
    async with field.running(*group()) as master:
        await field.bear(master, 1.4, 12)
    field.world.host.boot = "another"
    field.world.provider.attempts.clear()
    async with field.world.master().running():
        await settle()
        assert field.up() == names(1, 2, 3)


async def test_other_bounds_restart_nothing() -> None:
    """More are added on standby, those beyond are removed, a larger least is started at once."""
    field = Field()
    async with field.running() as master:
        await master.apply(group(), "file")
        await settle()
        larger = replace(SCALING, min=3, max=8)
        plan = await master.apply([replace(one, origin="file") for one in group(larger)], "file")
        assert (plan.restart, plan.adjust, plan.add) == ((), tuple(names(1, 2, 3, 4, 5, 6)), tuple(names(7, 8)))
        assert await field.bear(master, 0.2, 3) == names(1, 2, 3)
        smaller = replace(SCALING, min=1, max=2)
        await master.apply([replace(one, origin="file") for one in group(smaller)], "file")
        await settle()
        assert sorted(field.world.provider.running()) == [("web.1", 1), ("web.2", 1)]
        assert [found.worker.id for found in master.find("web")] == names(1, 2)


async def test_a_group_that_no_longer_scales_runs_as_a_whole() -> None:
    """The plan says so."""
    field = Field()
    async with field.running() as master:
        await master.apply([replace(one, origin="file") for one in group()], "file")
        await settle()
        plain = [replace(one, origin="file", scaling=None) for one in group()[:3]]
        plan: Plan = await master.apply(plain, "file")
        await settle()
        assert (plan.restart, field.up()) == (tuple(names(3)), names(1, 2, 3))
        assert {change.worker: change.why for change in plan.changes}["web.3"] == "its group does not scale any more"


async def test_who_needs_the_group_waits_for_those_that_are_wanted() -> None:
    """And is restarted for none that comes or goes."""
    field = Field()
    needs: dict[str, Any] = {one.id: Need("ready", restart=True) for one in group()}
    async with field.running(*group(), spec("proxy", depends_on=needs)) as master:
        assert field.up() == ["proxy", *names(1, 2)]
        await field.bear(master, 1.9, 30)
        await field.bear(master, 0.2, 90)
        assert master.supervisors["proxy"].worker.attempt == 1
        assert phase(master, "proxy") is not None


async def test_a_metric_is_asked_of_each_instance_that_is_ready() -> None:
    """At its own endpoint; the sum over all, divided by what is for each, is how many are wanted."""
    field = Field()
    metric = replace(SCALING, cpu=None, metric=Metric("/metrics", "queue_depth", 10.0))
    specs = [replace(one, endpoints={"http": Endpoint("http", 8000 + n)}) for n, one in enumerate(group(metric), 1)]
    async with field.running(*specs) as master:
        pages = field.world.prober.pages
        pages["http://127.0.0.1:8001/metrics"] = "queue_depth 30\n"
        assert await field.bear(master, 0.0, 12) == names(1, 2, 3)
        pages |= {f"http://127.0.0.1:{8000 + n}/metrics": "queue_depth 1\n" for n in range(1, 7)}
        assert await field.bear(master, 0.0, 42) == names(1, 2)
        _, story = await master.records.past("web.3", 0, 9)
        assert [entry.what for entry in story if entry.by] == [
            "queue_depth 30, 10 for each: 3 instances",
            "queue_depth 3, 10 for each: 2 instances",
        ]


async def test_a_metric_of_all_is_asked_once() -> None:
    """A URL tells it of the whole group; while it does not answer nothing changes."""
    field = Field()
    url = "http://queue.example/metrics"
    metric = replace(SCALING, cpu=None, metric=Metric(url, "queue_depth", 10.0))
    async with field.running(*group(metric)) as master:
        field.world.prober.pages[url] = "queue_depth 44\n"
        assert await field.bear(master, 0.0, 12) == names(1, 2, 3, 4, 5)
        del field.world.prober.pages[url]
        assert await field.bear(master, 0.0, 300) == names(1, 2, 3, 4, 5)


async def test_what_beeyard_does_not_run_does_not_scale() -> None:
    """Refused before anything of it is known."""
    field = Field()
    owned = field.world.provider.capabilities()
    unowned = Capabilities(owned.whole_tree_kill, owned.user_switching, owned.exact_exits, owns=False)
    field.world.provider.capabilities = lambda: unowned  # type: ignore[method-assign]
    async with field.running() as master:
        with pytest.raises(Invalid, match=r"web.1.instances: found a group that scales, expected none"):
            await master.add_workers(group())
        assert master.supervisors == {}
