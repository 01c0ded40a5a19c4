"""The table of operations, and what each does over a master among fakes."""

import asyncio
from importlib.metadata import version
from typing import Any

import msgspec
import pytest

from beeyard.application.master import Master
from beeyard.application.operation import EVERYTHING, Caller, Operation
from beeyard.application.operations import OPERATIONS
from beeyard.application.operations.apply import Applied
from beeyard.application.operations.down import DownView
from beeyard.application.operations.info import InfoView, ModulesView
from beeyard.application.operations.why import WhyView
from beeyard.application.packages.versions import ROLLOUTS
from beeyard.application.views import ModuleView, WorkerView
from beeyard.domain.errors import NotFound, Refused, Unavailable
from beeyard.domain.messages import Exit
from beeyard.domain.module import ModuleSpec
from beeyard.domain.plan import Plan, Stage
from beeyard.domain.spec import ProbeSpec, StopStep
from beeyard.domain.values import Duration
from beeyard.domain.worker import Cause, Death
from beeyard.ports.logs import LogLine
from beeyard.ports.notify import Word
from beeyard.ports.prober import Result
from beeyard.sdk.report import Info, Offer, Report
from tests.fakes.clock import settle
from tests.fakes.world import World, spec

CALLER = Caller("ann", EVERYTHING)
READY = {"readiness": ProbeSpec("tcp", target="80", period=Duration(1.0), failures=1)}
STOP = (StopStep(wait=Duration(5.0)),)


def request(name: str, **fields: Any) -> Any:
    """A request of this operation, as it comes over the wire."""
    return msgspec.json.decode(msgspec.json.encode(fields), type=OPERATIONS[name].request)


async def ask(master: Master, name: str, **fields: Any) -> Any:
    """What the operation answers, through the wire; all of it, if it streams."""
    operation = OPERATIONS[name]
    asked = request(name, **fields)
    if operation.streams:
        return [line async for batch in await master.jobs.stream(operation, asked, CALLER) for line in batch]
    reply = await master.jobs.ask(operation, asked, CALLER)
    return msgspec.json.decode(msgspec.json.encode(reply), type=operation.reply)


def states(views: list[WorkerView]) -> dict[str, str]:
    """Each worker's state in a word."""
    return {view.id: view.state for view in views}


# --- the table ------------------------------------------------------------------------------------------------------


def test_the_table_says_who_may_ask_what() -> None:
    """A new operation has to be given a place here, and its role thought about."""
    told = {
        name: " ".join(
            [
                operation.role,
                *(["install"] if operation.install else []),
                *(["changes"] if operation.changes else []),
                *(["streams"] if operation.streams else []),
            ]
        )
        for name, operation in OPERATIONS.items()
    }
    assert told == {
        "ps": "viewer",
        "info": "viewer",
        "show": "viewer",
        "why": "viewer",
        "logs": "viewer streams",
        "events": "viewer streams",
        "start": "operator changes",
        "stop": "operator changes",
        "restart": "operator changes",
        "swap": "operator changes",
        "probe": "operator changes",
        "add": "operator install changes",
        "remove": "operator install changes",
        "apply": "operator install changes",
        "down": "admin changes",
        "endpoint_list": "viewer",
        "endpoint_get": "viewer",
        "orphan_list": "admin",
        "orphan_remove": "admin changes",
        "job_list": "viewer",
        "job_get": "viewer",
        "job_events": "viewer streams",
        "job_cancel": "viewer changes",
        "token_create": "admin changes",
        "register": "viewer changes",
        "report": "viewer",
        "token_list": "admin",
        "token_link": "admin changes",
        "token_revoke": "admin changes",
        "audit_log": "admin",
        "audit_verify": "admin",
        "audit_export": "admin streams",
        "package_list": "viewer",
        "package_show": "viewer",
        "package_search": "viewer",
        "package_install": "operator install changes",
        "package_uninstall": "operator install changes",
        "package_lock": "operator install",
        "package_verify": "operator changes",
        "package_repair": "operator install changes",
        "package_gc": "operator install changes",
        "package_history": "operator",
        "package_why": "viewer",
        "package_update": "operator install changes",
        "package_rollback": "operator install changes",
        "package_hold": "operator install changes",
        "package_unhold": "operator install changes",
        "rollout_status": "viewer streams",
        "rollout_pause": "operator changes",
        "rollout_resume": "operator changes",
        "rollout_abort": "operator changes",
    }


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_an_operation_explains_itself_and_has_a_wire_form(operation: Operation) -> None:
    """One sentence for operators; request and reply are types that a schema can be made of."""
    assert operation.summary.endswith((".", "them.")), operation.summary
    assert operation.summary[0].isupper()
    assert operation.request.__doc__
    msgspec.json.schema_components([operation.request, operation.reply])


# --- start, stop, restart -------------------------------------------------------------------------------------------


async def test_start_answers_when_the_worker_is_ready() -> None:
    """Not when it merely runs."""
    world = World()
    world.prober.answer = Result(False, "not yet")
    async with world.running(spec("web", enabled=False, probes=READY)) as master:
        answer = asyncio.ensure_future(ask(master, "start", workers=["web"]))
        await world.clock.run(3.0)
        assert not answer.done()
        world.prober.answer = Result(True)
        await world.clock.run(1.0)
        [view] = await answer
        assert (view.state, view.ready, view.health) == ("running", True, "healthy")


async def test_start_answers_when_the_start_failed() -> None:
    """Waiting for the next try is an answer."""
    world = World()
    async with world.running(spec("web", enabled=False, probes=READY)) as master:
        world.prober.answer = Result(False, "not yet")
        answer = asyncio.ensure_future(ask(master, "start", workers=["web"]))
        await settle()
        world.provider.exit("web", Exit(code=3))
        await settle()
        assert states(await answer) == {"web": "backoff"}


async def test_start_answers_as_it_is_when_the_time_is_over() -> None:
    """Or at once, if nobody wants to wait."""
    world = World()
    world.prober.answer = Result(False, "not yet")
    async with world.running(spec("web", enabled=False, probes=READY)) as master:
        answer = asyncio.ensure_future(ask(master, "start", workers=["web"], timeout=2.0))
        await world.clock.run(2.0)
        [view] = await answer
        assert (view.state, view.ready) == ("running", False)
        await master.stop_worker("web")
        await settle()
        assert states(await ask(master, "start", workers=["web"], wait=False)) == {"web": "starting"}


async def test_stop_answers_when_the_worker_is_down() -> None:
    """However long its steps take."""
    world = World()
    world.provider.stubborn.add("web")
    async with world.running(spec("web", stop=STOP)) as master:
        answer = asyncio.ensure_future(ask(master, "stop", workers=["web"]))
        await world.clock.run(4.0)
        assert not answer.done()
        await world.clock.run(1.0)
        assert states(await answer) == {"web": "stopped"}
        assert (await world.store.story("web", 2))[0].by == "ann"


async def test_restart_answers_when_the_new_attempt_is_ready() -> None:
    """The old one was ready as well, and does not count."""
    world = World()
    async with world.running(spec("web.1"), spec("web.2")) as master:
        assert [(view.id, view.attempt, view.ready) for view in await ask(master, "restart", workers=["web"])] == [
            ("web.1", 2, True),
            ("web.2", 2, True),
        ]


@pytest.mark.parametrize("name", ["start", "stop", "restart", "remove"])
async def test_one_unknown_name_keeps_the_others_as_they_are(name: str) -> None:
    """It is a mistake that the operator will want to mend first."""
    world = World()
    async with world.running(spec("web"), spec("off", enabled=False)) as master:
        before = [supervisor.worker for supervisor in master.supervisors.values()]
        with pytest.raises(NotFound, match="there is no worker wbe"):
            await ask(master, name, workers=["off", "web", "wbe"])
        assert [supervisor.worker for supervisor in master.supervisors.values()] == before


# --- add, remove, apply, down ---------------------------------------------------------------------------------------


async def test_add_answers_when_the_workers_are_ready() -> None:
    """By whom is in the story."""
    world = World()
    async with world.running() as master:
        assert states(await ask(master, "add", specs=[spec("web"), spec("db")])) == {"web": "running", "db": "running"}
        assert (await world.store.story("web", 9))[0].by == "ann"


async def test_remove_forgets_those_that_are_down_and_refuses_the_others() -> None:
    """All or none."""
    world = World()
    async with world.running(spec("web"), spec("off", enabled=False)) as master:
        with pytest.raises(Refused, match="web can't be removed: it is running"):
            await ask(master, "remove", workers=["off", "web"])
        assert list(master.supervisors) == ["web", "off"]
        assert await ask(master, "remove", workers=["off", "off"]) == ["off"]
        assert list(master.supervisors) == ["web"]


async def test_remove_stops_first_if_told_and_purges_logs_if_told() -> None:
    """A dependency may go with its dependents, in any order."""
    world = World()
    async with world.running(spec("db"), spec("web", depends_on={"db": "ready"}), spec("x")) as master:
        assert await ask(master, "remove", workers=["db", "web"], stop=True, purge=True) == ["db", "web"]
        assert list(master.supervisors) == ["x"]
        assert world.logs.removed == ["db", "web"]
        assert await ask(master, "remove", workers=["x"], stop=True) == ["x"]
        assert world.logs.removed == ["db", "web"]


async def test_remove_says_which_worker_did_not_stop_in_time() -> None:
    """It is still there, and still being stopped."""
    world = World()
    world.provider.stubborn.add("web")
    async with world.running(spec("web"), spec("db")) as master:
        answer = asyncio.ensure_future(ask(master, "remove", workers=["web", "db"], stop=True, timeout=2.0))
        await world.clock.run(2.0)
        with pytest.raises(Refused, match="web did not stop in time"):
            await answer
        assert states(await ask(master, "ps")) == {"web": "stopping", "db": "stopped"}


async def test_apply_tells_its_plan_and_a_dry_run_changes_nothing() -> None:
    """The same plan both times."""
    world = World()
    async with world.running() as master:
        expected = Plan(add=("web",), order=(Stage("start", ("web",)),))
        fields: dict[str, Any] = {"specs": [spec("web", origin="FILE")], "origin": "FILE"}
        assert await ask(master, "apply", dry_run=True, **fields) == Applied(expected, [])
        applied = await ask(master, "apply", **fields)
        assert (applied.plan, states(applied.workers)) == (expected, {"web": "starting"})


async def test_down_ends_the_master_when_all_have_ended() -> None:
    """And says how many there were."""
    world = World()
    async with world.running(spec("web"), spec("db")) as master:
        assert await ask(master, "down") == DownView(2, [])
        assert master.finished.is_set()


async def test_down_stays_while_a_worker_is_stuck() -> None:
    """A master that left would leave nobody to ask about it."""
    world = World()
    world.provider.stubborn.add("web")
    world.provider.gates["kill"] = asyncio.Event()
    async with world.running(spec("web"), spec("db")) as master:
        answer = asyncio.ensure_future(ask(master, "down", timeout=1.0))
        await world.clock.run(10.0)
        assert await answer == DownView(1, ["web"])
        assert not master.finished.is_set()


# --- ps, info, why, logs --------------------------------------------------------------------------------------------


async def test_ps_shows_all_or_those_that_are_named() -> None:
    """Groups as well."""
    world = World()
    async with world.running(spec("web.1"), spec("web.2"), spec("db")) as master:
        assert states(await ask(master, "ps")) == dict.fromkeys(["web.1", "web.2", "db"], "running")
        assert list(states(await ask(master, "ps", workers=["db", "web"]))) == ["db", "web.1", "web.2"]
        with pytest.raises(NotFound):
            await ask(master, "ps", workers=["nobody"])


async def test_info_tells_about_the_master_and_what_it_found() -> None:
    """Where it is, what this host allows, whether the store is well, what runs and is unknown."""
    world = World()
    world.lives("stranger", 2)
    async with world.running(spec("web")) as master:
        expected = InfoView(
            version=version("beeyard"),
            host="hive",
            master_pid=11,
            launcher_pid=12,
            pump_pid=13,
            state_dir="STATE",
            socket="STATE/master.sock",
            url=None,
            workers=1,
            store="ok",
            capabilities={
                "fake": {"whole_tree_kill": "in memory", "user_switching": False, "exact_exits": True},
            },
            orphans=["stranger (pid 102)"],
            network="off",
            pressure="ok",
            memory=2**26,
        )
        assert await ask(master, "info") == expected
        world.store.failing = "disk full"
        world.provider.exit("web")
        await settle()
        assert (await ask(master, "info")).store == "the store can't be written: disk full"


async def test_what_a_module_says_of_itself_is_told() -> None:
    """By its author and by its host; of memory, the whole of the master's where it is one of many there."""
    world = World()
    world.provider.within, world.host.own = True, 2**26
    info = Info("Echo", "1.2", "says it again", "Ann")
    offers = {"word": Offer("http", "http://127.0.0.1:1")}
    report = Report(True, info=info, offers=offers, loaded=10.0, asked=12.0, tasks=3, threads=1)
    async with world.running(spec("w", module=ModuleSpec("m:M")), spec("web")) as master:
        world.notices.say("w", 1, Word(ready=True, report=report))
        await settle()
        (shown,), (other,) = await ask(master, "show", worker="w"), await ask(master, "show", worker="web")
        assert shown.module == ModuleView(
            name="Echo",
            version="1.2",
            description="says it again",
            author="Ann",
            loaded=10.0,
            asked=12.0,
            healthy=True,
            reason="",
            offers=offers,
            tasks=3,
            threads=1,
            shared=2**26,
            uncaught=0,
            last="",
            code="",
            swaps=0,
            refused="",
        )
        assert other.module is None
        found = await ask(master, "info")
        assert (found.memory, found.modules) == (2**26, ModulesView(running=1, tasks=3, threads=1))
        world.provider.within = False
        (shown,) = await ask(master, "show", worker="w")
        assert shown.module.shared is None
        await master.stop_worker("w")
        await settle()
        (stopped,) = await ask(master, "show", worker="w")
        assert stopped.module is None
        assert (await ask(master, "info")).modules == ModulesView()


async def test_why_tells_deaths_newest_first_and_the_story_oldest_first() -> None:
    """With the last lines, and no more than asked for."""
    world = World()
    async with world.running(spec("web")) as master:
        for attempt in (1, 2):
            world.logs.write("web", f"last of {attempt}", world.clock.now().wall)
            world.provider.exit("web", Exit(code=attempt))
            await world.clock.run(2.0)
        [found] = await ask(master, "why", worker="web", story=2)
        assert isinstance(found, WhyView)
        assert [(death.cause, death.lines) for death in found.deaths] == [
            (Cause("exit", "exit code 2"), ("last of 2",)),
            (Cause("exit", "exit code 1"), ("last of 1",)),
        ]
        assert [entry.what for entry in found.story] == ["all it needs is there", "started, pid 1003"]
        [found] = await ask(master, "why", worker="web", deaths=1)
        assert [death.attempt for death in found.deaths] == [2]


async def test_why_knows_a_death_that_could_not_be_written_yet() -> None:
    """Just when the disk is full, somebody will ask."""
    world = World()
    async with world.running(spec("web")) as master:
        world.provider.exit("web", Exit(code=1))
        await world.clock.run(1.0)
        world.store.failing = "disk full"
        world.provider.exit("web", Exit(code=2))
        await settle()
        [found] = await ask(master, "why", worker="web", deaths=2)
        assert [death.attempt for death in found.deaths] == [2, 1]
        assert found.worker.exit == "exit code 2"


async def test_why_tells_what_could_not_be_written_yet_and_that_it_could_not() -> None:
    """Last lines and story from memory after those that were saved; and why nothing can be changed."""
    world = World()
    async with world.running(spec("web")) as master:
        [found] = await ask(master, "why", worker="web")
        assert found.trouble == ""
        world.store.failing = "disk full"
        world.logs.write("web", "last words", world.clock.now().wall)
        world.provider.exit("web", Exit(code=2))
        await settle()
        [found] = await ask(master, "why", worker="web", story=2)
        assert found.trouble == "the store can't be written: disk full"
        assert [(death.attempt, death.lines) for death in found.deaths] == [(1, ("last words",))]
        assert [entry.what for entry in found.story] == ["started, pid 1001", "ended: exit code 2"]


async def test_why_tells_what_it_knows_when_the_store_can_t_even_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state and the last death are in memory."""
    world = World()
    async with world.running(spec("web")) as master:
        world.provider.exit("web", Exit(code=2))
        await settle()

        async def broken(*given: object) -> list[Death]:
            raise Unavailable("store_unreadable", "the disk is gone")

        monkeypatch.setattr(world.store, "deaths", broken)
        [found] = await ask(master, "why", worker="web")
        assert ([death.attempt for death in found.deaths], found.story) == ([1], [])
        assert (found.worker.state, found.waits_for) == ("backoff", "the delay after its last end")


async def test_logs_show_both_streams_of_all_in_order_of_time() -> None:
    """Each worker once, however often it is named; after what it wrote until now can be read."""
    world = World()
    async with world.running(spec("web.1"), spec("web.2"), spec("db")) as master:
        second = world.logs.write("web.2", "b", 2.0)
        first = world.logs.write("web.1", "a", 1.0, "stderr")
        third = world.logs.write("db", "c", 3.0)
        world.calls.clear()
        assert await ask(master, "logs") == [first, second, third]
        assert world.provider.called("drain") == [("web.1",), ("web.2",), ("db",)]
        assert await ask(master, "logs", workers=["web.1", "web"]) == [first, second]
        assert await ask(master, "logs", stream="stderr") == [first]
        fourth = world.logs.write("db", "d", 4.0)
        assert await ask(master, "logs", workers=["db"], lines=1) == [fourth]
        with pytest.raises(NotFound):
            await ask(master, "logs", workers=["nobody"])


async def test_logs_follow_until_nobody_listens() -> None:
    """One stream, if that is what was asked for."""
    world = World()
    async with world.running(spec("web"), spec("db")) as master:
        world.logs.write("web", "old", 1.0)
        wanted = request("logs", workers=["web"], follow=True, stream="stdout")
        stream: Any = await master.jobs.stream(OPERATIONS["logs"], wanted, CALLER)
        assert [line.text for line in await anext(stream)] == ["old"]
        coming = asyncio.ensure_future(anext(stream))
        await settle()
        world.logs.write("web", "an error", 2.0, "stderr")
        world.logs.write("db", "another's", 2.0)
        world.logs.write("web", "new", 2.0)
        assert await coming == [LogLine("web", "stdout", 2.0, "new")]
        await stream.aclose()
        assert world.logs._followers == []


# --- packages on hold -----------------------------------------------------------------------------------------------


async def test_a_hold_is_saved_before_it_is_answered() -> None:
    """A master that is killed then takes it along; one that can't be saved is none."""
    world = World()
    async with world.running() as master:
        assert await ask(master, "package_hold", package="caddy") == ["caddy"]
        commit, durable = next(one for one in reversed(world.store.commits) if ROLLOUTS in one[0].facts)
        assert ("caddy" in commit.facts[ROLLOUTS], durable) == (True, True)
        world.store.failing = "no space left on device"
        with pytest.raises(Unavailable):
            await ask(master, "package_unhold", package="caddy")
        assert list(master.versions.holds) == ["caddy"]
        world.store.failing = ""
