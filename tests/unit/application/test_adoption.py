"""Waking up: whatever a master left, the next one goes on with it, and loses and doubles nothing."""

import asyncio
import logging
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from beeyard.domain.errors import Rejected
from beeyard.domain.lifecycle import KILL_AGAIN
from beeyard.domain.messages import Exit, Handle
from beeyard.domain.spec import Backoff, Endpoint, ProbeSpec, RestartPolicy, StopStep
from beeyard.domain.values import Duration
from beeyard.domain.worker import (
    Cause,
    Down,
    Failed,
    Phase,
    Preparing,
    Running,
    Starting,
    Stopping,
    Waiting,
    Wanted,
    Worker,
)
from beeyard.ports.provider import Occurrence
from tests.fakes.clock import settle
from tests.fakes.provider import Attempt
from tests.fakes.world import Mortal, World, handle, phase, spec

PROBED = {"readiness": ProbeSpec("tcp", target="80", period=Duration(4.0))}
RUNNING = Running(1, 3, handle(3), 900.0, 1_699_999_900.0, ready_since=900.0)
STEPS = (StopStep(wait=Duration(5.0)), StopStep(wait=Duration(7.0)))
STOPPING = Stopping(1, 3, handle(3), 900.0, Cause("operator"), 1, 1004.0)
DOWN = Wanted(on=False)
UP = Wanted(on=True)


def record(phase: Phase, wanted: Wanted = UP, **fields: object) -> Worker:
    """A worker whose third attempt was its last."""
    return replace(Worker(spec("web", stop=STEPS), wanted, phase, attempt=3, serial=8), **fields)


# --- phase by phase -------------------------------------------------------------------------------------------------


async def test_what_runs_goes_on_running() -> None:
    """The same attempt, not even touched; its files for others are there again."""
    world = World()
    await world.saved(record(RUNNING), alive=3)
    async with world.running() as master:
        assert phase(master, "web") == RUNNING
        assert world.orders("launch", "terminate", "kill", "destroy") == []
        assert world.host.published == {"web": (103, {})}
        assert world.provider.called("attach") == [("web", 3)]


async def test_a_provider_out_of_reach_holds_up_nobody() -> None:
    """What it runs is lost until it says otherwise; nothing of it is started a second time."""
    world = World()
    await world.saved(record(RUNNING), alive=3)
    world.provider.reachable = False
    async with world.running() as master:
        assert phase(master, "web") == replace(
            RUNNING, contact_lost_since=1000.0, contact_lost="the fake provider can't be reached"
        )
        world.provider.reachable = True
        world.provider.find("web")
        await settle()
        assert phase(master, "web") == RUNNING
        assert world.orders("launch", "terminate", "kill", "destroy") == []


async def test_what_ended_meanwhile_is_judged_by_its_exit() -> None:
    """The death record says how and when it was noticed; then it is restarted as ever."""
    world = World()
    await world.saved(record(RUNNING), alive=3)
    world.provider.exit("web", Exit(code=3))
    async with world.running() as master:
        assert phase(master, "web") == Waiting(1, 1001.0, "restart in 1s (1 of 2 within 1m 40s)")
        assert [death.cause for death in await world.store.deaths("web", 9)] == [Cause("exit", "exit code 3")]
        assert world.provider.called("destroy") == [("web", 3)]
        await world.clock.run(1.0)
        assert world.provider.running() == [("web", 4)]


async def test_what_is_missing_has_ended_somehow() -> None:
    """The record says that nobody saw it."""
    world = World()
    await world.saved(record(RUNNING))
    async with world.running() as master:
        assert isinstance(phase(master, "web"), Waiting)
        [death] = await world.store.deaths("web", 9)
        assert death.exit == Exit(note="it ended while nobody was there to see it")
        assert death.cause.kind == "unknown"


async def test_what_ran_within_the_master_starts_anew_whatever_its_policy() -> None:
    """It is missing because its host is, not because it failed."""
    world = World()
    world.provider.within = True
    await world.saved(record(RUNNING, spec=spec("web", restart=RestartPolicy(policy="never"))))
    async with world.running() as master:
        assert type(phase(master, "web")) is Running
        assert master.supervisors["web"].worker.attempt == 4
        assert master.supervisors["web"].worker.failures == ()


async def test_an_exit_that_is_told_twice_counts_once() -> None:
    """By the look at it, and again by the provider's events."""
    world = World()
    await world.saved(record(RUNNING), alive=3)
    world.provider.exit("web", Exit(code=3))
    async with world.running() as master:
        assert len(master.supervisors["web"].worker.failures) == 1


@pytest.mark.parametrize("began", [True, False])
async def test_a_launch_that_was_ordered_is_ordered_again_with_the_same_number(began: bool) -> None:
    """Whether or not it had come to it."""
    world = World()
    await world.saved(record(Starting(1, 3, 999.0)), alive=3 if began else None)
    async with world.running() as master:
        assert world.provider.called("launch") == [("web", 3)]
        assert isinstance(phase(master, "web"), Running)
        assert world.provider.running() == [("web", 3)]


async def test_a_stop_goes_on_where_it_was() -> None:
    """Its last step is repeated, and the next is due when it was due."""
    world = World()
    world.provider.stubborn.add("web")
    await world.saved(record(STOPPING, DOWN), alive=3)
    async with world.running() as master:
        assert world.clock.pending() == [1004.0]
        await world.clock.run(4.0)
        assert world.clock.pending() == [1011.0]
        await world.clock.run(7.0)
        assert [call[:3] for call in world.orders("terminate", "kill")] == [
            ("terminate", "web", 3),
            ("terminate", "web", 3),
            ("kill", "web", 3),
        ]
        assert phase(master, "web") == Down(1, "stays down, as asked")


async def test_a_stop_that_had_come_to_kill_kills_again() -> None:
    """And again, until the end is seen."""
    world = World()
    await world.saved(record(replace(STOPPING, step=3, deadline=1000.0 + KILL_AGAIN), DOWN), alive=3)
    async with world.running() as master:
        assert world.orders("terminate", "kill") == [("kill", "web", 3)]
        assert phase(master, "web") == Down(1, "stays down, as asked")


@pytest.mark.parametrize("how", ["ended", "missing"])
async def test_a_stop_that_came_true_meanwhile_is_over(how: str) -> None:
    """As it was asked."""
    world = World()
    await world.saved(record(STOPPING, DOWN), alive=3 if how == "ended" else None)
    if how == "ended":
        world.provider.exit("web", Exit(signal=15))
    async with world.running() as master:
        assert phase(master, "web") == Down(1, "stays down, as asked")
        assert world.clock.pending() == []


@pytest.mark.parametrize(
    ("waiting", "due"),
    [(Waiting(1, 1004.0, "because"), 4.0), (Waiting(1, 990.0, "because"), 0.0), (Failed(1, "because", 1004.0), 4.0)],
)
async def test_a_delay_ends_when_it_would_have_ended(waiting: Phase, due: float) -> None:
    """At once if that is past; a delay starts no process early."""
    world = World()
    await world.saved(record(waiting))
    async with world.running() as master:
        if due:
            await world.clock.run(due - 0.1)
            assert phase(master, "web") == waiting
        await world.clock.run(due and 0.1)
        assert world.provider.running() == [("web", 4)]


@pytest.mark.parametrize(
    ("rest", "wanted"),
    [(Down(1, "done"), UP), (Down(1, "stays down, as asked"), DOWN), (Failed(1, "max_retries is 0"), UP)],
)
async def test_what_is_at_rest_stays_at_rest(rest: Phase, wanted: Wanted) -> None:
    """Until it is asked."""
    world = World()
    await world.saved(record(rest, wanted))
    async with world.running() as master:
        assert (phase(master, "web"), world.clock.pending(), world.provider.running()) == (rest, [], [])
        await master.start_worker("web")
        await settle()
        assert world.provider.running() == [("web", 4)]


async def test_what_was_about_to_start_starts() -> None:
    """Or goes on waiting for what it needs."""
    world = World()
    await world.saved(record(Preparing(1)))
    needy = replace(record(Preparing(1, "because")), spec=spec("needy", depends_on={"web": "completed"}))
    await world.saved(needy)
    async with world.running() as master:
        assert world.provider.running() == [("web", 4)]
        assert phase(master, "needy") == Preparing(1, "waits for web to be completed (it is running)")


async def test_probes_go_on_spread_over_their_period() -> None:
    """A woken master does not ask everybody at once, and believes what was known."""
    world = World()
    await world.saved(replace(record(RUNNING), spec=spec("web", probes=PROBED)), alive=3)
    async with world.running() as master:
        assert world.clock.pending() == [1002.0]
        assert phase(master, "web") == RUNNING


# --- the host, the database, and others -----------------------------------------------------------------------------


async def test_after_a_reboot_what_was_wanted_starts_anew_and_nothing_else() -> None:
    """In order, outside the budget; nothing of before is looked for, and the new boot is written down."""
    world = World()
    await world.saved(record(RUNNING, failures=(999.0, 999.5)), boot="another")
    await world.saved(replace(record(STOPPING, DOWN), spec=spec("off")), boot="another")
    await world.saved(
        replace(record(Waiting(1, 5000.0, "")), spec=spec("sick", depends_on={"web": "ready"})), boot="another"
    )
    async with world.running() as master:
        assert world.provider.called("attach") == []
        assert world.provider.running() == [("web", 4), ("sick", 4)]
        assert isinstance(phase(master, "off"), Down)
        assert master.supervisors["web"].worker.failures == ()
        assert [death.cause for death in await world.store.deaths("web", 9)] == [Cause("host", "the host restarted")]
        assert (await world.store.load()).facts == {"boot": "first boot"}


ELSEWHERE = Handle("fake", 1, {"pod": "web-3"})


async def test_what_runs_elsewhere_outlives_a_boot_of_this_host() -> None:
    """It goes on as it was, by the clock on the wall, while what ran here starts anew: each as its provider says."""
    world = World()
    world.provider.elsewhere = True
    long = replace(RUNNING, handle=ELSEWHERE, since=5e6, since_wall=1_699_999_400.0, ready_since=5e6 + 100)
    await world.saved(record(long), boot="another")
    world.provider.attempts["web", 3] = Attempt("web", 3, ELSEWHERE)
    await world.saved(replace(record(RUNNING), spec=spec("here")), boot="another")
    await world.saved(replace(record(Waiting(1, 5e6, "")), spec=spec("sick")), boot="another")
    async with world.running() as master:
        seen = phase(master, "web")
        assert (seen.attempt, seen.since, seen.ready_since) == (3, 400.0, 500.0)  # type: ignore[union-attr]
        assert world.provider.running() == [("web", 3), ("here", 4), ("sick", 4)]
        assert [death.cause for death in await world.store.deaths("web", 9)] == []


async def test_what_can_not_be_seen_after_a_boot_is_not_started_beside_itself() -> None:
    """The cluster is away: contact is lost, and that is all that is known."""
    world = World()
    world.provider.elsewhere, world.provider.reachable = True, False
    await world.saved(record(replace(RUNNING, handle=ELSEWHERE)), boot="another")
    stopping = Stopping(1, 3, ELSEWHERE, 5e6, Cause("operator"), 1, 5e6)
    await world.saved(replace(record(stopping, DOWN), spec=spec("off")), boot="another")
    async with world.running() as master:
        assert (phase(master, "web").attempt, phase(master, "off").attempt) == (3, 3)  # type: ignore[union-attr]
        assert "contact lost" in master.get_worker_state_with_diagnostics("web").note
        assert world.provider.called("launch") == []


async def test_a_launch_that_went_elsewhere_is_asked_again_after_a_boot() -> None:
    """By its number, so that it is not made twice."""
    world = World()
    world.provider.elsewhere = True
    await world.saved(record(Starting(1, 3, 5e6)), boot="another")
    async with world.running():
        assert world.provider.called("launch") == [("web", 3)]


async def test_a_process_that_outlived_its_record_is_taken_over_by_its_number() -> None:
    """A restored database is older than what runs; what runs is believed, and saved."""
    world = World()
    await world.saved(record(Down(1, "done"), UP), alive=5)
    async with world.running() as master:
        assert phase(master, "web") == Running(1, 5, handle(5), 1000.0, 1_700_000_000.0, ready_since=1000.0)
        assert world.provider.running() == [("web", 5)]
        [(saved, _)] = (await world.store.load()).workers
        assert (saved.attempt, saved.phase) == (5, phase(master, "web"))


async def test_a_process_that_outlived_its_record_and_is_wanted_down_is_stopped() -> None:
    """The wish of the record holds."""
    world = World()
    await world.saved(record(Down(1, "stays down, as asked"), DOWN), alive=5)
    async with world.running() as master:
        assert phase(master, "web") == Down(1, "stays down, as asked")
        assert world.provider.running() == []


async def test_after_a_lost_database_the_file_finds_its_workers_running() -> None:
    """They are not started twice; they are watched, and their ports are known."""
    world = World()
    http = {"http": Endpoint("http")}
    world.provider.attempts["web", 7] = Attempt("web", 7, handle(7, http=20123))
    async with world.running() as master:
        assert [owned.worker for owned in master.orphans()] == ["web"]
        await master.apply([spec("web", origin="FILE", probes=PROBED, endpoints=http)], "FILE")
        await settle()
        assert master.orphans() == []
        assert world.provider.running() == [("web", 7)]
        assert world.provider.called("attach") == [("web", 7)]
        assert master.get_worker_state_with_diagnostics("web").endpoints == {"http": "http://127.0.0.1:20123"}
        await world.clock.run(4.0)
        assert master.get_worker_state_with_diagnostics("web").ready
        await master.restart_worker("web")
        await settle()
        assert world.provider.running() == [("web", 8)]


async def test_what_is_in_no_record_is_reported_and_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """It may be somebody's; its end is taken note of all the same."""
    world = World()
    world.lives("stranger", 2)
    async with world.running() as master:
        assert [owned.worker for owned in master.orphans()] == ["stranger"]
        assert caplog.messages == ["stranger (attempt 2) runs and is in no record: left alone"]
        assert world.orders("terminate", "kill", "destroy") == []
        world.provider.exit("stranger")
        await settle()
        assert master.orphans() == []
        assert world.provider.called("destroy") == [("stranger", 2)]


async def test_an_exit_that_was_saved_long_ago_is_only_swept_up() -> None:
    """The master that saved it died before it could say so."""
    world = World()
    await world.saved(record(Down(1, "done")), alive=3)
    world.provider.exit("web", Exit(code=0))
    async with world.running() as master:
        assert phase(master, "web") == Down(1, "done")
        assert world.provider.called("destroy") == [("web", 3)]
        assert await world.store.deaths("web", 9) == []


async def test_nothing_is_listened_to_before_the_records_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exit would be taken for that of a worker nobody knows, and destroyed unseen."""
    world = World()
    await world.saved(record(RUNNING), alive=3)
    load, events = world.store.load, world.provider.events

    async def loads() -> object:
        world.calls.append(("load",))
        return await load()

    def listens() -> object:
        world.calls.append(("events",))
        return events()

    monkeypatch.setattr(world.store, "load", loads)
    monkeypatch.setattr(world.provider, "events", listens)
    async with world.running():
        assert [call[0] for call in world.orders("load", "list_owned", "attach", "events")] == [
            "load",
            "list_owned",
            "attach",
            "events",
        ]


async def test_lost_contact_is_shown_and_forgotten_when_it_is_found() -> None:
    """Nothing is done about it."""
    world = World()
    async with world.running(spec("web")) as master:
        world.provider.lose("web")
        await world.clock.run(2.0)
        assert phase(master, "web").contact_lost_since == 1000.0  # type: ignore[union-attr]
        world.provider.find("web")
        await settle()
        assert phase(master, "web").contact_lost_since is None  # type: ignore[union-attr]
        assert world.orders("terminate", "kill") == []


async def test_an_event_about_nobody_changes_nothing() -> None:
    """A provider may be late with it."""
    world = World()
    async with world.running(spec("web")) as master:
        before = master.supervisors["web"].worker
        queue = world.provider._queue
        assert queue is not None
        queue.put_nowait([Occurrence("nobody", 1, "lost"), Occurrence("web", 9, "found"), Occurrence("web", 9, "lost")])
        await settle()
        assert master.supervisors["web"].worker is before


# --- killed anywhere ------------------------------------------------------------------------------------------------

ALWAYS = RestartPolicy(policy="always", backoff=Backoff(delay=Duration(0.0), max_retries=None), jitter=0.0)
QUICK = (StopStep(wait=Duration(1.0)),)
FLOCK = (
    spec("db", restart=ALWAYS, stop=QUICK),
    spec("web", restart=ALWAYS, stop=QUICK, probes=PROBED, depends_on={"db": "ready"}),
    spec("job", stop=QUICK),
)
WISHES = ("start", "stop", "restart")
EVENTS = ("kill", "end", "wait", "stubborn", "refuse")


class Act(NamedTuple):
    """One thing that happens, to the `which`th worker, and how far the loop gets before the next."""

    what: str
    which: int
    steps: int


ACTS = st.builds(Act, st.sampled_from(WISHES + 2 * EVENTS), st.integers(0, 2), st.integers(0, 24))


class Doom:
    """A world that goes on while its masters are killed; and what is known to be wished of each worker."""

    def __init__(self) -> None:
        self.world = World()
        self.world.store.steps = 2
        self.mortal = Mortal(self.world)
        self.asking: list[asyncio.Task[None]] = []
        self.wished: dict[str, set[bool]] = {spec.id: {True} for spec in FLOCK}
        self.unanswered: list[tuple[str, bool]] = []

    async def begin(self) -> None:
        """The flock is added."""
        await settle()
        await self.mortal.master.add_workers(FLOCK)

    async def act(self, act: Act) -> None:
        """One thing happens, and nothing is ever doubled."""
        name = FLOCK[act.which].id
        match act.what:
            case "kill":
                await self.kill()
            case "end" if any(worker == name for worker, _ in self.world.provider.running()):
                self.world.provider.exit(name, Exit(code=act.steps % 2))
            case "wait":
                await self.world.clock.run(float(act.steps))
            case "stubborn":
                self.world.provider.stubborn ^= {name}
            case "refuse":
                self.world.provider.fail_next_launch(Rejected("no", "not today"))
            case what if what in WISHES and name in self.mortal.master.supervisors:
                self.asking.append(asyncio.create_task(self._ask(what, name)))
        for _ in range(act.steps):
            await asyncio.sleep(0)
            self.check()

    async def _ask(self, what: str, name: str) -> None:
        master, up = self.mortal.master, what != "stop"
        ask = {"start": master.start_worker, "stop": master.stop_worker, "restart": master.restart_worker}[what]
        self.wished[name].add(up)  # Until there is an answer, either may come true.
        self.unanswered.append((name, up))
        try:
            await ask(name)
        finally:
            self.unanswered.remove((name, up))
        self.wished[name] = {up} | {other for asked, other in self.unanswered if asked == name}

    async def kill(self) -> None:
        """The master is gone; the next one wakes up."""
        for task in self.asking:
            task.cancel()
        await asyncio.gather(*self.asking, return_exceptions=True)
        self.asking.clear()
        await self.mortal.kill()
        self.mortal = Mortal(self.world)

    def check(self) -> None:
        """No worker runs twice."""
        names = [worker for worker, _ in self.world.provider.running()]
        assert len(names) == len(set(names)), names

    async def calm(self) -> None:
        """Nothing ends by itself any more, nobody asks, nobody is killed."""
        await settle()
        await asyncio.gather(*self.asking)
        self.world.provider.stubborn.clear()
        self.world.provider.forgive()
        for _ in range(12):  # The loop gets on between two moments as well.
            await self.world.clock.run(5.0)
            await settle()


@settings(max_examples=300, deadline=None)
@given(st.lists(ACTS, max_size=25))
def test_however_often_masters_are_killed_no_worker_is_lost_or_doubled_and_wishes_come_true(acts: list[Act]) -> None:
    """In the end each runs exactly if it is wanted, and the store knows what memory knows."""

    async def play() -> None:
        doom = Doom()
        await doom.begin()
        for act in acts:
            await doom.act(act)
        await doom.calm()
        supervisors = doom.mortal.master.supervisors
        assert list(supervisors) == [spec.id for spec in FLOCK]
        assert {name: s.worker.wanted.on in doom.wished[name] for name, s in supervisors.items()} == dict.fromkeys(
            supervisors, True
        )
        assert sorted(doom.world.provider.attempts) == sorted(
            (name, s.attempt()) for name, s in supervisors.items() if isinstance(s.worker.phase, Running)
        )
        for name, supervisor in supervisors.items():
            worker = supervisor.worker
            done = isinstance(worker.phase, Down) and worker.phase.generation == worker.wanted.generation
            needy = name == "web" and not supervisors["db"].worker.wanted.up
            expected = Preparing | Running if needy else Down if name == "job" and done else Running
            assert isinstance(worker.phase, expected if worker.wanted.up else Down), worker
        saved = (await doom.world.store.load()).workers
        assert saved == [(s.worker, s.revision) for s in supervisors.values()]
        await doom.kill()
        await doom.mortal.kill()

    logging.disable()
    try:
        asyncio.run(play())
    finally:
        logging.disable(logging.NOTSET)
