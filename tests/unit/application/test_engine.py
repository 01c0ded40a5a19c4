"""Turns: taken one after the other, saved before they act, and undone as a whole if a request can't be."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from beeyard.application import records as records_module
from beeyard.application.master import Master
from beeyard.domain import lifecycle
from beeyard.domain.errors import BeeyardError, Invalid, NotFound, Refused, Unavailable
from beeyard.domain.messages import Event, Exit, Exited, Now
from beeyard.domain.restart import Outside
from beeyard.domain.spec import Backoff, Condition, ProbeSpec, RestartPolicy
from beeyard.domain.values import Duration
from beeyard.domain.worker import Down, Failed, Preparing, Running, Waiting, Worker
from beeyard.ports.store import Commit
from tests.fakes.clock import settle
from tests.fakes.world import World, phase, spec

AT_ONCE = RestartPolicy(policy="always", backoff=Backoff(delay=Duration(0.0), max_retries=None), jitter=0.0)
HINT = "workers go on and are restarted as before; ask again once it can be written"


def memory(master: Master) -> list[tuple[Worker, int]]:
    """What the master knows, as a store would tell it."""
    return [(supervisor.worker, supervisor.revision) for supervisor in master.supervisors.values()]


async def saved(world: World) -> list[tuple[Worker, int]]:
    """What the store knows."""
    return (await world.store.load()).workers


@contextmanager
def disable_logging() -> Iterator[None]:
    """A storm of warnings is expected, and costs more time than the test."""
    logging.disable()
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that does not return at once is taken to hang."""
    monkeypatch.setattr(records_module, "PATIENCE", 0.0)


# --- saved before it acts -------------------------------------------------------------------------------------------


async def test_a_worker_is_saved_before_its_effects_run() -> None:
    """Whoever wakes up knows what had been ordered."""
    world = World()
    async with world.running(spec("web")) as master:
        await master.stop_worker("web")
        await settle()
        assert [call[:3] for call in world.orders("commit", "launch", "terminate", "destroy")] == [
            ("commit", "web"),
            ("launch", "web", 1),
            ("commit", "web"),
            ("commit", "web"),
            ("terminate", "web", 1),
            ("commit", "web"),
            ("destroy", "web", 1),
        ]


async def test_nothing_is_done_while_a_commit_is_under_way() -> None:
    """Neither for a request nor for a fact."""
    world = World()
    async with world.running(spec("web"), spec("db")) as master:
        world.store.gate = asyncio.Event()
        stop = asyncio.ensure_future(master.stop_worker("web"))
        world.provider.exit("db", Exit(code=3))
        await settle()
        assert world.orders("terminate", "destroy") == []
        assert not stop.done()
        world.store.gate.set()
        await settle()
        assert [call[:3] for call in world.orders("terminate", "destroy")] == [
            ("terminate", "web", 1),
            ("destroy", "db", 1),
            ("destroy", "web", 1),
        ]


async def test_a_request_is_durable_before_it_is_answered_and_a_fact_need_not_be() -> None:
    """A wish must survive a power cut; a fact will be seen again."""
    world = World()
    async with world.running() as master:
        await master.add_worker(spec("web"))
        assert [durable for _, durable in world.store.commits] == [True]
        await settle()
        assert [durable for _, durable in world.store.commits] == [True, False]
        await master.stop_worker("web")
        assert [durable for _, durable in world.store.commits][2:] == [True]
        await settle()
        await master.remove_worker("web")
        assert world.store.commits[-1] == (Commit([], ["web"], [], [], {}), True)


async def test_facts_of_one_moment_are_saved_together() -> None:
    """A thousand ends are one commit."""
    world = World()
    async with world.running(*(spec(f"web.{n}") for n in range(1, 101))):
        before = len(world.store.commits)
        for number in range(1, 101):
            world.provider.exit(f"web.{number}", Exit(code=3))
        await settle()
        puts = [len(commit.puts) for commit, _ in world.store.commits[before:]]
        assert (sum(puts[:2]), len(puts) <= 3) == (100, True)


async def test_the_story_says_what_happened_and_who_asked() -> None:
    """One line for each change that anybody would ask about."""
    world = World()
    async with world.running() as master:
        await master.add_worker(spec("web"), "ann")
        await settle()
        await master.stop_worker("web", "bob")
        await settle()
        story = await world.store.story("web", 20)
        assert [(entry.what, entry.before, entry.after, entry.attempt, entry.by) for entry in story] == [
            ("added", "registered", "preparing", 0, "ann"),
            ("all it needs is there", "preparing", "starting", 1, ""),
            ("started, pid 1001", "starting", "running", 1, ""),
            ("down asked", "running", "stopping", 1, "bob"),
            ("ended: SIGTERM", "stopping", "stopped", 1, ""),
        ]


async def test_one_event_that_breaks_costs_nobody_else_theirs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged; the worker stays as it was."""
    real = lifecycle.step

    def step(worker: Worker, event: Event, now: Now, outside: Outside) -> lifecycle.Step:
        if worker.id == "cursed" and isinstance(event, Exited):
            raise ZeroDivisionError
        return real(worker, event, now, outside)

    world = World()
    async with world.running(spec("cursed"), spec("web")) as master:
        monkeypatch.setattr(lifecycle, "step", step)
        world.provider.exit("cursed", Exit(code=3))
        world.provider.exit("web", Exit(code=3))
        await settle()
        assert (type(phase(master, "cursed")), type(phase(master, "web"))) == (Running, Waiting)
        assert caplog.messages[0].startswith("cursed: Exited(attempt=1")


@pytest.mark.parametrize(
    ("error", "level"),
    [(Unavailable("gone", "the provider is gone"), logging.WARNING), (OSError("disk"), logging.ERROR)],
)
async def test_an_effect_that_breaks_ends_nothing_else(
    error: Exception, level: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An unforeseen error in one effect must not take the master with it."""
    world = World()

    async def broken(*given: object) -> None:
        raise error

    async with world.running(spec("web")) as master:
        monkeypatch.setattr(world.provider, "drain", broken)
        monkeypatch.setattr(world.provider, "destroy", broken)
        world.provider.exit("web", Exit(code=3))
        await world.clock.run(1.0)
        assert isinstance(phase(master, "web"), Running)
        assert {record.levelno for record in caplog.records} == {level}


# --- undone ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("want", ["start", "stop", "restart", "remove", "add", "apply"])
async def test_a_request_that_can_not_be_saved_is_undone(want: str) -> None:
    """Memory as before, nothing launched or ended, and whoever asked is told what to do."""
    world = World()
    async with world.running(spec("web"), spec("off", enabled=False)) as master:
        before = memory(master)
        world.calls.clear()
        world.store.failing = "disk full"
        requests = {
            "start": master.start_worker("off"),
            "stop": master.stop_worker("web"),
            "restart": master.restart_worker("web"),
            "remove": master.remove_worker("off"),
            "add": master.add_worker(spec("new")),
            "apply": master.apply([spec("web", run={"n": 2})], "FILE"),
        }
        request = requests.pop(want)
        for other in requests.values():
            other.close()
        with pytest.raises(Unavailable) as unavailable:
            await request
        assert str(unavailable.value) == "the store can't be written: the store can't be written: disk full"
        assert unavailable.value.hint == HINT
        await settle()
        assert memory(master) == before
        assert world.orders("launch", "terminate", "kill", "destroy") == []


async def test_dependents_that_a_request_moved_are_undone_with_it() -> None:
    """They were stepped in the same turn."""
    world = World()
    specs = [spec("job"), spec("web", enabled=False, depends_on={"job": "completed"})]
    async with world.running(*specs) as master:
        await master.start_worker("web")
        world.provider.exit("job", Exit(code=0))
        await settle()
        await master.stop_worker("web")
        await master.restart_worker("job")
        await settle()
        await master.start_worker("web")
        before = memory(master)
        assert isinstance(before[1][0].phase, Preparing)
        world.provider.stubborn.add("job")
        world.store.failing = "disk full"
        with pytest.raises(Unavailable):
            await master.stop_worker("job")
        assert memory(master) == before
        world.store.failing = ""
        await world.clock.run(1.0)
        await master.stop_worker("job")
        text = phase(master, "web").blocked  # type: ignore[union-attr]
        assert text == "waits for job to be completed (it is stopping)"


async def test_a_new_dependency_is_undone_with_its_request() -> None:
    """Nobody is told afterwards of what a worker no longer waits for."""
    world = World()
    web, db = spec("web", enabled=False), spec("db", enabled=False)
    async with world.running(web, db) as master:
        world.store.failing = "disk full"
        with pytest.raises(Unavailable):
            await master.apply([spec("web", enabled=False, depends_on={"db": "ready"}), db], "FILE")
        world.store.failing = ""
        await world.clock.run(1.0)
        await master.remove_worker("db")
        assert list(master.supervisors) == ["web"]


async def test_requests_behind_one_that_failed_fail_as_well_and_leave_no_trace() -> None:
    """All of one turn; nothing of them is in the story later."""
    world = World()
    async with world.running(spec("web"), spec("db")) as master:
        world.store.failing = "disk full"
        asked = await asyncio.gather(
            master.stop_worker("web", "ann"), master.stop_worker("db", "bob"), return_exceptions=True
        )
        assert [type(answer) for answer in asked] == [Unavailable, Unavailable]
        world.store.failing = ""
        await world.clock.run(1.0)
        assert [entry.by for name in ("web", "db") for entry in await world.store.story(name, 20)] == [""] * 6
        assert [type(phase(master, name)) for name in ("web", "db")] == [Running, Running]


async def test_a_request_that_fails_undoes_no_fact() -> None:
    """Last lines that came in, and the boot that is written beside the workers, are saved later."""
    world = World()
    async with world.running() as master:
        world.store.failing = "disk full"
        with pytest.raises(Unavailable):
            await master.add_worker(spec("web"))
        world.store.failing = ""
        await world.clock.run(1.0)
        assert (await world.store.load()).facts == {"boot": "first boot"}
        await master.add_worker(spec("web"))
        await settle()
        world.provider.gates["drain"] = asyncio.Event()
        world.provider.exit("web", Exit(code=3))
        await settle()
        world.logs.write("web", "alas", world.clock.now().wall)
        world.store.failing = "disk full"
        stop = asyncio.ensure_future(master.stop_worker("web"))
        world.provider.gates["drain"].set()
        await settle()
        assert isinstance(stop.exception(), Unavailable)
        world.store.failing = ""
        await world.clock.run(1.0)
        assert [death.lines for death in await world.store.deaths("web", 9)] == [("alas",)]


# --- while the store can't be written -------------------------------------------------------------------------------


async def test_restarts_go_on_while_nothing_can_be_written() -> None:
    """From memory, the whole policy included."""
    world = World()
    async with world.running(spec("web")) as master:
        world.store.failing = "disk full"
        for attempt, delay in [(1, 1.0), (2, 2.0)]:
            world.provider.exit("web", Exit(code=3))
            await world.clock.run(delay)
            assert world.provider.running() == [("web", attempt + 1)]
        world.provider.exit("web", Exit(code=3))
        await settle()
        assert isinstance(phase(master, "web"), Failed)


async def test_requests_are_refused_until_a_retry_succeeds() -> None:
    """The retry comes by the clock, and then everything is there: workers, stories, deaths, whatever revision."""
    world = World()
    async with world.running(spec("web"), spec("db")) as master:
        world.store.failing = "disk full"
        world.provider.exit("web", Exit(code=3))
        await settle()
        assert master.records.unwritable == "the store can't be written: disk full"
        assert (await saved(world))[0][0].phase == Running(
            1,
            1,
            world.provider.attempts["db", 1].handle.__class__("fake", 1, {"pid": 1001}),
            1000.0,
            1.7e9,
            ready_since=1000.0,
        )
        with pytest.raises(Unavailable) as unavailable:
            await master.stop_worker("db")
        assert (unavailable.value.code, unavailable.value.hint) == ("store_unwritable", HINT)
        tried = world.store.refused
        await world.clock.run(0.9)
        assert world.store.refused == tried
        await world.clock.run(0.1)
        assert world.store.refused == tried + 1
        world.store.failing = ""
        await world.clock.run(1.0)
        assert master.records.unwritable == ""
        assert await saved(world) == memory(master)
        assert [entry.what for entry in await world.store.story("web", 3)] == [
            "delay over",
            "all it needs is there",
            "started, pid 1003",
        ]
        assert [death.attempt for death in await world.store.deaths("web", 9)] == [1]
        await master.stop_worker("db")


@pytest.mark.parametrize("want", ["start", "remove"])
async def test_a_retry_comes_although_nothing_happens(want: str) -> None:
    """A request that failed is enough; so is a removal."""
    world = World()
    async with world.running(spec("web", enabled=False)) as master:
        world.store.failing = "disk full"
        with pytest.raises(Unavailable):
            await (master.start_worker("web") if want == "start" else master.remove_worker("web"))
        await settle()
        world.store.failing = ""
        await world.clock.run(1.0)
        assert master.records.unwritable == ""


@pytest.mark.usefixtures("impatient")
async def test_a_commit_that_hangs_holds_nobody_up() -> None:
    """It may still succeed; what is written once it is back is memory."""
    world = World()
    async with world.running(spec("web"), spec("db")) as master:
        world.store.gate = asyncio.Event()
        world.provider.exit("web", Exit(code=3))
        await world.clock.run(1.0)
        assert world.provider.running() == [("db", 1), ("web", 2)]
        with pytest.raises(Unavailable, match="the store can't be written: an earlier write has not come back yet"):
            await master.stop_worker("db")
        await world.clock.run(5.0)
        world.store.gate.set()
        await world.clock.run(1.0)
        assert await saved(world) == memory(master)
        assert [death.attempt for death in await world.store.deaths("web", 9)] == [1]


@pytest.mark.usefixtures("impatient")
async def test_a_request_whose_commit_comes_back_too_late_is_taken_back_in_the_store_too() -> None:
    """Whoever asked was told that nothing changed, so nothing has: not even after the next wake."""
    world = World()
    async with world.running(spec("web"), spec("off", enabled=False)) as master:
        world.store.gate = asyncio.Event()
        with pytest.raises(Unavailable, match="a write takes longer than 0"):
            await master.add_worker(spec("new"))
        world.store.gate.set()
        await settle()
        assert "new" in [worker.id for worker, _ in await saved(world)]
        await world.clock.run(1.0)
        assert await saved(world) == memory(master)
        world.store.gate = asyncio.Event()
        with pytest.raises(Unavailable):
            await master.remove_worker("off")
        world.store.gate.set()
        await world.clock.run(1.0)
        assert await saved(world) == memory(master)
        assert list(master.supervisors) == ["web", "off"]


async def test_memory_is_right_when_somebody_else_wrote() -> None:
    """What runs is what counts; the other writer's record is overwritten after the refusal."""
    world = World()
    async with world.running(spec("web")) as master:
        master.supervisors["web"].revision = 77
        with pytest.raises(Unavailable, match="web is at revision 2 in the store, not at 77"):
            await master.stop_worker("web")
        await world.clock.run(1.0)
        assert await saved(world) == memory(master)
        await master.stop_worker("web")


async def test_what_is_kept_while_nothing_can_be_written_is_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The newest entries stay, and it is said how many do not."""
    monkeypatch.setattr(records_module, "MOST_UNWRITTEN", 3)
    world = World()
    async with world.running(spec("web", restart=AT_ONCE)) as master:
        world.store.failing = "disk full"
        for _ in range(6):
            world.provider.exit("web")
            await settle()
        world.store.failing = ""
        await world.clock.run(1.0)
        assert master.records.unwritable == ""
        assert [death.attempt for death in await world.store.deaths("web", 9)] == [6, 5, 4]
        assert "1 records were dropped while nothing could be written" in caplog.messages


async def test_errors_of_a_request_are_told_to_whoever_asked_alone() -> None:
    """The next request is taken as if nothing had been."""
    world = World()
    async with world.running(spec("web")) as master:
        asked = await asyncio.gather(
            master.remove_worker("web"),
            master.add_worker(spec("x", provider="?")),
            master.stop_worker("web"),
            return_exceptions=True,
        )
        assert [type(answer) for answer in asked] == [Refused, Invalid, type(None)]
        assert all(answer is None or isinstance(answer, BeeyardError) for answer in asked)


async def test_nobody_waits_for_an_answer_that_nobody_wants() -> None:
    """A request whose asker went away is carried out all the same."""
    world = World()
    async with world.running(spec("web", probes={"liveness": ProbeSpec("tcp", target="1")})) as master:
        asking = asyncio.ensure_future(master.stop_worker("web"))
        await asyncio.sleep(0)
        asking.cancel()
        await settle()
        assert isinstance(phase(master, "web"), Down)
        assert world.clock.pending() == []


# --- on every path --------------------------------------------------------------------------------------------------

NAMES = ("web", "db", "new")


REQUESTS = ("start", "stop", "restart", "remove", "add", "apply", "needy")
EVENTS = ("end", "fail", "hang", "heal", "wait", "words")


class Act(NamedTuple):
    """One thing that happens, to the `which`th of those it can happen to, and how far the loop gets before the next."""

    what: str
    which: int
    steps: int


ACTS = st.builds(Act, st.sampled_from(REQUESTS + 2 * EVENTS), st.integers(0, 2), st.sampled_from([0, 1, 3, 30]))


class Storm:
    """Requests, ends and a store that fails and hangs as it likes; each answer is one that was promised."""

    def __init__(self, world: World, master: Master) -> None:
        self.world, self.master = world, master
        self.asked: list[asyncio.Future[None]] = []
        self.to_remove: set[str] = set()

    async def act(self, act: Act) -> None:
        """One thing happens."""
        name = NAMES[act.which]
        match act.what:
            case "end" if running := self.world.provider.running():
                worker, attempt = running[act.which % len(running)]
                self.world.provider.exit(worker, Exit(code=act.steps % 2), attempt)
            case "fail":
                self.world.store.failing = "disk full"
            case "hang" if self.world.store.gate is None:
                self.world.store.gate = asyncio.Event()
            case "heal":
                self.heal()
            case "wait":
                await self.world.clock.run((0.5, 1.0, 5.0)[act.which])
            case "words":
                self.world.logs.write(name, "alas", self.world.clock.now().wall)
            case what if what in REQUESTS:
                self.asked.append(asyncio.ensure_future(self._request(what, name)))
        for _ in range(act.steps):
            await asyncio.sleep(0)

    async def _request(self, what: str, name: str) -> None:
        with suppress(Unavailable, Refused, NotFound, Invalid):
            match what:
                case "start":
                    await self.master.start_worker(name)
                case "stop":
                    await self.master.stop_worker(name)
                case "restart":
                    await self.master.restart_worker(name)
                case "remove":
                    self.to_remove.add(name)
                    await self.master.remove_worker(name)
                case "add":
                    await self.master.add_worker(spec(name))
                case _:
                    needs: dict[str, Condition] = {"db": "ready"} if what == "needy" else {}
                    await self.master.apply([spec("web", depends_on=needs), spec("db", run={"n": name})], "FILE")

    def heal(self) -> None:
        """The store is well again; what hung comes back."""
        self.world.store.failing = ""
        if self.world.store.gate is not None:
            self.world.store.gate.set()
            self.world.store.gate = None

    async def calm(self) -> None:
        """All is well for a while, and everybody got an answer."""
        self.heal()
        await self.world.clock.run(3.0)
        await settle()  # What was due at that very moment is saved as well.
        await asyncio.gather(*self.asked)


@pytest.mark.usefixtures("impatient")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ACTS, max_size=30))
def test_once_the_store_is_well_again_it_holds_what_memory_holds(acts: list[Act]) -> None:
    """After any storm: the same workers at the same revisions, the newest death of each, and the boot."""

    async def play() -> None:
        world = World()
        async with world.running(spec("web"), spec("db")) as master:
            storm = Storm(world, master)
            for act in acts:
                await storm.act(act)
            await storm.calm()
            assert sorted(await saved(world), key=lambda row: row[0].id) == sorted(
                memory(master), key=lambda row: row[0].id
            )
            # A removal that was given up and comes back late takes the past with it; the worker itself is written anew.
            for name in master.supervisors.keys() - storm.to_remove:
                supervisor = master.supervisors[name]
                death = supervisor.worker.death
                found = await world.store.deaths(name, 1)
                assert [replace(death, lines=found[0].lines)] == found if death else not found
            assert (await world.store.load()).facts == {"boot": "first boot"}
            alive = [(n, s.attempt()) for n, s in master.supervisors.items() if s.attempt() is not None]
            assert sorted(world.provider.running()) == sorted(alive)

    with disable_logging():
        asyncio.run(play())
