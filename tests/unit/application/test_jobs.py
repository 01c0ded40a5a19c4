"""The one gate: who may, what is written down, and what becomes of it, over a master among fakes."""

import asyncio
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from beeyard.application.feed import Event
from beeyard.application.job_records import KEPT, new_id
from beeyard.application.jobs import RECENT, JobView
from beeyard.application.master import Master
from beeyard.application.operation import Call, Caller, Operation, Request
from beeyard.application.operations import OPERATIONS
from beeyard.application.operations.down import Down
from beeyard.application.operations.job_cancel import JobCancel
from beeyard.application.operations.job_list import JobList
from beeyard.application.operations.ps import Ps
from beeyard.application.operations.restart import Restart
from beeyard.application.operations.rollout_abort import RolloutAbort
from beeyard.application.operations.rollout_pause import RolloutPause
from beeyard.application.operations.rollout_resume import RolloutResume
from beeyard.application.operations.start import Start
from beeyard.application.operations.stop import Stop
from beeyard.application.operations.token_create import TokenCreate
from beeyard.domain.access import EVERYTHING, Grant
from beeyard.domain.errors import BeeyardError, Denied, Invalid, NotFound, Refused, Unavailable
from beeyard.domain.failures import AT_ONCE, WINDOW
from beeyard.domain.spec import StopStep
from beeyard.domain.values import Duration
from beeyard.ports.journal import Record
from beeyard.ports.store import Document
from tests.fakes.clock import settle
from tests.fakes.store import a_commit
from tests.fakes.world import World, spec


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A master that ends does not wait for jobs that will not end."""
    monkeypatch.setattr("beeyard.application.jobs.PATIENCE", 0.01)


ANN = Caller("ann", EVERYTHING, "bob", "socket, pid 7", "disk swap")
VIEWER = Caller("eve", Grant())
STUBBORN = (StopStep(wait=Duration(5.0)),)


async def told(master: Master, job: JobView, after: str | None = None, caller: Caller = ANN) -> list[Event]:
    """All that a job tells, until it ends."""
    return [event async for batch in await master.jobs.events(job.id, after, caller) for event in batch]


def kinds(events: list[Event]) -> list[str]:
    """In order."""
    return [event.kind for event in events]


def written(world: World) -> list[tuple[Any, ...]]:
    """The journal, in short."""
    return [(r.what, r.who, r.outcome, r.ref) for r in world.journal.records()]


# --- who may --------------------------------------------------------------------------------------------------------


async def test_who_may_not_is_told_why_and_it_is_written_down() -> None:
    """Nothing else happens."""
    world = World()
    async with world.running(spec("web")) as master:
        with pytest.raises(Denied, match="eve may not stop: it takes the role operator, and this one is viewer"):
            await master.jobs.ask(OPERATIONS["stop"], Stop(["web"]), VIEWER)
        assert master.supervisors["web"].worker.wanted.up
        assert written(world) == [("stop", "eve", "not_allowed", 0)]


async def test_who_asks_again_and_again_does_not_fill_the_journal() -> None:
    """Ten times a minute is enough to be noticed; another's first time is noticed as well."""
    world = World()
    async with world.running(spec("web")) as master:
        for _ in range(AT_ONCE + 5):
            with pytest.raises(Denied):
                await master.jobs.ask(OPERATIONS["stop"], Stop(["web"]), VIEWER)
        with pytest.raises(Denied):
            await master.jobs.ask(OPERATIONS["stop"], Stop(["web"]), Caller("mallory", Grant()))
        assert [record.who for record in world.journal.records()] == ["eve"] * AT_ONCE + ["mallory"]
        await world.clock.run(WINDOW)
        with pytest.raises(Denied):
            await master.jobs.ask(OPERATIONS["stop"], Stop(["web"]), VIEWER)
        assert len(world.journal.records()) == AT_ONCE + 2


@pytest.mark.parametrize("request_of", [RolloutAbort, RolloutPause, RolloutResume])
async def test_a_rollout_is_for_who_may_steer_all_of_the_group(request_of: type[RolloutAbort]) -> None:
    """To name one of it is not enough: all of them go."""
    world = World()
    operation = next(one for one in OPERATIONS.values() if one.request is request_of)
    async with world.running(spec("web.1"), spec("web.2")) as master:
        with pytest.raises(Denied, match=r"it is about web, and this only about web\.1"):
            await master.jobs.ask(operation, request_of("web.1"), Caller("eve", Grant("operator", workers=("web.1",))))
        with pytest.raises(Refused, match="web"):
            await master.jobs.ask(operation, request_of("web.1"), Caller("eve", Grant("operator", workers=("web",))))


async def test_who_may_not_look_leaves_no_entry() -> None:
    """Only what would change something is worth a line."""
    world = World()
    async with world.running(spec("web"), spec("db")) as master:
        with pytest.raises(Denied, match="it is about db, and this only about web"):
            await master.jobs.ask(OPERATIONS["ps"], Ps(["db"]), Caller("eve", Grant(workers=("web",))))
        assert written(world) == []


async def test_a_scope_is_all_that_is_seen() -> None:
    """Of a list, of what happens, of the jobs of others."""
    world = World()
    async with world.running(spec("web.1"), spec("db")) as master:
        scoped = Caller("eve", Grant("operator", workers=("web",)))
        events = await master.jobs.stream(OPERATIONS["events"], OPERATIONS["events"].request(), scoped)
        coming = asyncio.ensure_future(anext(events))
        await settle()
        db = await master.jobs.accept(OPERATIONS["restart"], Restart(["db"]), ANN)
        web = await master.jobs.accept(OPERATIONS["restart"], Restart(["web"]), ANN)
        await told(master, db)
        await told(master, web)
        seen = await coming
        while not seen:
            seen = await anext(events)
        assert {event.worker for event in seen} == {"web.1"}
        assert [view.id for view in await master.jobs.ask(OPERATIONS["ps"], Ps(), scoped)] == ["web.1"]
        assert [view.id for view in await master.jobs.newest(9, None, scoped)] == [web.id]
        with pytest.raises(NotFound):
            await master.jobs.get(db.id, scoped)
        with pytest.raises(NotFound):
            await told(master, db, caller=scoped)


# --- what is written down -------------------------------------------------------------------------------------------


async def test_a_change_is_written_down_before_and_after() -> None:
    """Durably before; with who, the person behind it, from where and why."""
    world = World()
    async with world.running(spec("web")) as master:
        await master.jobs.ask(OPERATIONS["stop"], Stop(["web"], timeout=9.0), ANN)
        at = world.clock.now().wall
        assert world.journal.records() == [
            Record(
                at=at,
                what="stop",
                who="ann",
                operator="bob",
                origin="socket, pid 7",
                reason="disk swap",
                asked={"workers": ["web"], "timeout": 9.0},
            ),
            Record(
                at=at, what="stop", who="ann", operator="bob", origin="socket, pid 7", reason="disk swap",
                outcome="ok", ref=1,
            ),
        ]  # fmt: skip
        assert world.journal.durable == [1]
        assert (await world.store.story("web", 9))[-2].by == "ann (bob): disk swap"


async def test_a_change_that_fails_is_written_down_with_its_error() -> None:
    """By its code."""
    world = World()
    async with world.running(spec("web")) as master:
        with pytest.raises(NotFound):
            await master.jobs.ask(OPERATIONS["stop"], Stop(["wbe"]), ANN)
        assert written(world) == [("stop", "ann", "", 0), ("stop", "ann", "no_such_worker", 1)]


async def test_what_cant_be_written_down_is_not_done() -> None:
    """Looking goes on."""
    world = World()
    async with world.running(spec("web")) as master:
        world.journal.failing = "full"
        with pytest.raises(Unavailable, match="the journal can't be written"):
            await master.jobs.ask(OPERATIONS["stop"], Stop(["web"]), ANN)
        assert master.supervisors["web"].worker.wanted.up
        assert [view.id for view in await master.jobs.ask(OPERATIONS["ps"], Ps(), ANN)] == ["web"]
        assert await master.jobs.newest(9, None, ANN) == []


async def test_a_journal_that_hangs_holds_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for is not done, and the rest goes on."""
    world = World()
    async with world.running(spec("web")) as master:
        monkeypatch.setattr("beeyard.application.audit.STALLED", 0.01)

        async def hang(record: Record, *, durable: bool) -> int:
            await asyncio.get_running_loop().create_future()
            return 0

        monkeypatch.setattr(world.journal, "append", hang)
        with pytest.raises(Unavailable, match="takes longer than"):
            await master.jobs.ask(OPERATIONS["stop"], Stop(["web"]), ANN)
        assert master.supervisors["web"].worker.wanted.up


async def test_what_a_rehearsal_and_a_look_do_is_not_written_down() -> None:
    """They do nothing."""
    world = World()
    async with world.running(spec("web")) as master:
        apply = OPERATIONS["apply"]
        await master.jobs.ask(apply, apply.request([spec("web")], "FILE", dry_run=True), ANN)
        await master.jobs.ask(OPERATIONS["ps"], Ps(), ANN)
        assert written(world) == []


async def test_specs_and_environments_stay_out_of_the_journal() -> None:
    """Only the ids of what was added."""
    world = World()
    async with world.running() as master:
        add = OPERATIONS["add"]
        await master.jobs.ask(add, add.request([spec("web", run={"environment": {"PASSWORD": "hunter2"}})]), ANN)
        assert world.journal.records()[0].asked == {"specs": ["web"]}
        assert b"hunter2" not in b"".join(world.journal.lines)


# --- jobs -----------------------------------------------------------------------------------------------------------


async def test_a_job_runs_when_accepted_and_is_read_by_anyone_at_any_time() -> None:
    """From its beginning or from a cursor; while it runs, after it, and by the next master."""
    world = World()
    async with world.running(spec("web.1"), spec("web.2")) as master:
        job = await master.jobs.accept(OPERATIONS["restart"], Restart(["web"]), ANN)
        assert (job.state, job.by, job.workers, job.reason) == ("running", "ann (bob)", ["web"], "disk swap")
        first = await told(master, job)
        assert kinds(first) == ["accepted", "progress", "progress", "result", "done"]
        assert [event.data for event in first[1:3]] == [
            {"done": 1, "of": 2, "worker": "web.1", "state": "running"},
            {"done": 2, "of": 2, "worker": "web.2", "state": "running"},
        ]
        assert first[-1].data == {"state": "done"}
        assert await told(master, job) == first
        assert await told(master, job, first[2].cursor) == first[3:]
        view = await master.jobs.get(job.id, ANN)
        assert [row["id"] for row in view.result] == ["web.1", "web.2"]
        await settle()
    async with world.running() as master:
        assert await told(master, job) == first
        assert await told(master, job, first[2].cursor) == first[3:]
        assert await master.jobs.get(job.id, ANN) == view


async def test_a_job_that_fails_says_why() -> None:
    """As a problem, in its record and among its events."""
    world = World()
    async with world.running() as master:
        job = await master.jobs.accept(OPERATIONS["stop"], Stop(["web"]), ANN)
        events = await told(master, job)
        assert kinds(events) == ["accepted", "error", "done"]
        view = await master.jobs.get(job.id, ANN)
        assert view.state == "failed"
        assert view.error == events[1].data
        assert view.error is not None
        assert (view.error["code"], view.error["type"]) == ("no_such_worker", "NotFound")


async def test_a_bug_ends_the_job_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever waits for it hears that it was one."""

    class Odd(Request[None]):
        """Nothing."""

    async def odd(master: Any, request: Odd, call: Call) -> None:
        """Break."""
        raise RuntimeError("a bug")

    world = World()
    async with world.running(spec("web")) as master:
        with pytest.raises(BeeyardError, match="error in Beeyard: RuntimeError") as caught:
            await master.jobs.ask(Operation("odd", Odd, odd, changes=True), Odd(), ANN)
        assert caught.value.code == "internal"
        assert "odd failed in an unforeseen way" in caplog.text
        assert written(world)[-1] == ("odd", "ann", "internal", 1)
        await master.jobs.ask(OPERATIONS["stop"], Stop(["web"]), ANN)


async def test_whoever_asks_may_leave_and_the_job_goes_on() -> None:
    """A client that is killed leaves nothing half done."""
    world = World()
    world.provider.stubborn.add("web")
    async with world.running(spec("web", stop=STUBBORN)) as master:
        asking = asyncio.ensure_future(master.jobs.ask(OPERATIONS["stop"], Stop(["web"]), ANN))
        await settle()
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        assert [view.state for view in await master.jobs.newest(9, None, ANN)] == ["running"]
        await world.clock.run(5.0)
        assert [view.state for view in await master.jobs.newest(9, None, ANN)] == ["done"]


async def test_a_cancelled_job_ends_at_once_and_what_it_asked_for_stands() -> None:
    """Cancelled twice it is cancelled; one that ended otherwise can't be."""
    world = World()
    world.provider.stubborn.add("web")
    async with world.running(spec("web", stop=STUBBORN)) as master:
        job = await master.jobs.accept(OPERATIONS["stop"], Stop(["web"]), ANN)
        await settle()
        for _ in range(2):
            view = await master.jobs.ask(OPERATIONS["job_cancel"], JobCancel(job.id), ANN)
            assert (view.id, view.state) == (job.id, "cancelled")
        assert kinds(await told(master, job)) == ["accepted", "error", "done"]
        assert not master.supervisors["web"].worker.wanted.up
        done = await master.jobs.accept(OPERATIONS["stop"], Stop(["web"], wait=False), ANN)
        await settle()
        with pytest.raises(Refused, match="can't be cancelled: it is done"):
            await master.jobs.cancel(done.id, ANN)


async def test_who_may_not_ask_for_it_may_not_cancel_it() -> None:
    """A viewer that learns an id can't stop what an operator began."""
    world = World()
    world.provider.stubborn.add("web")
    async with world.running(spec("web", stop=STUBBORN)) as master:
        job = await master.jobs.accept(OPERATIONS["stop"], Stop(["web"]), ANN)
        with pytest.raises(BeeyardError):
            await master.jobs.ask(OPERATIONS["job_cancel"], JobCancel(job.id), VIEWER)
        assert (await master.jobs.get(job.id, ANN)).state == "running"


async def test_the_same_key_gives_the_same_job() -> None:
    """Also after the master was started anew; another's key is another's."""
    world = World()
    async with world.running(spec("web")) as master:
        job = await master.jobs.accept(OPERATIONS["restart"], Restart(["web"]), ANN, "k")
        again = await master.jobs.accept(OPERATIONS["restart"], Restart(["web"]), ANN, "k")
        other = await master.jobs.accept(OPERATIONS["restart"], Restart(["web"]), Caller("bea", EVERYTHING), "k")
        assert job.id == again.id != other.id
        await settle()
    async with world.running() as master:
        assert (await master.jobs.accept(OPERATIONS["restart"], Restart(["web"]), ANN, "k")).id == job.id


async def test_a_job_that_can_not_be_saved_is_not_begun() -> None:
    """202 means that it will be carried out."""
    world = World()
    async with world.running(spec("web")) as master:
        world.store.failing = "full"
        with pytest.raises(Unavailable):
            await master.jobs.accept(OPERATIONS["stop"], Stop(["web"]), ANN)
        assert master.supervisors["web"].worker.wanted.up
        assert await master.jobs.newest(9, None, ANN) == []
        assert written(world)[-1] == ("stop", "ann", "store_unwritable", 1)


async def test_a_job_that_ran_when_the_master_died_is_failed_and_says_so() -> None:
    """What it had asked for is wanted still."""
    world = World()
    world.provider.stubborn.add("web")
    async with world.running(spec("web", stop=STUBBORN)) as master:
        job = await master.jobs.accept(OPERATIONS["stop"], Stop(["web"]), ANN)
        await settle()
        saved = await world.store.document("job", job.id)
    world.store.reopen()
    await world.store.commit(a_commit(documents=[Document("job", job.id, saved)]), durable=True)
    async with world.master().running() as master:
        view = await master.jobs.get(job.id, ANN)
        assert (view.state, view.error and view.error["code"]) == ("failed", "master_ended")
        assert not master.supervisors["web"].worker.wanted.up


async def test_a_master_that_ends_lets_its_jobs_end() -> None:
    """Those that do not in time say that the master ended."""
    world = World()
    world.provider.stubborn.add("web")
    async with world.running(spec("web", stop=STUBBORN)) as master:
        waiting = asyncio.ensure_future(master.jobs.ask(OPERATIONS["stop"], Stop(["web"]), ANN))
        await settle()
        jobs = master.jobs
        ending = asyncio.ensure_future(jobs.close())
        with pytest.raises(Unavailable, match="the master ended while this ran"):
            await waiting
        await ending
    assert written(world)[-1] == ("stop", "ann", "master_ended", 1)


async def test_what_is_told_once_is_no_job() -> None:
    """A token stands in no record, whoever asks for it how."""
    world = World()
    async with world.running() as master:
        create = OPERATIONS["token_create"]
        with pytest.raises(Invalid, match="token_create is no job"):
            await master.jobs.accept(create, TokenCreate("ci"), ANN)
        made = await master.jobs.ask(create, TokenCreate("ci"), ANN)
        await settle()
        assert await master.jobs.ask(OPERATIONS["job_list"], JobList(), ANN) == []
        assert all(made.token.encode() not in (d.body or b"") for d in await world.store.documents("token"))
        assert made.token.encode() not in b"".join(world.journal.lines)


async def test_nobody_gives_more_than_they_have() -> None:
    """An admin who may not install makes no token that may."""
    world = World()
    async with world.running() as master:
        with pytest.raises(Denied, match="nobody gives more than they have"):
            await master.jobs.ask(
                OPERATIONS["token_create"], TokenCreate("ci", install=True), Caller("eve", Grant("admin"))
            )
        assert master.tokens.all() == []


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if operation.streams])
async def test_what_streams_is_no_job(name: str) -> None:
    """It may have no end, and what workers write is kept in their logs alone."""
    world = World()
    async with world.running(spec("web")) as master:
        asked = msgspec.convert({"id": new_id(1.0)} if name == "job_events" else {}, OPERATIONS[name].request)
        with pytest.raises(Invalid, match=f"{name} is no job"):
            await master.jobs.accept(OPERATIONS[name], asked, ANN)


async def test_the_end_of_everything_is_a_job_that_ends_well() -> None:
    """`down` is answered and written down before the master goes."""
    world = World()
    async with world.running(spec("web")) as master:
        view = await master.jobs.ask(OPERATIONS["down"], Down(), ANN)
        assert (view.ended, view.stuck) == (1, [])
    assert written(world)[-1] == ("down", "ann", "ok", 1)


async def test_jobs_are_listed_newest_first_and_in_pages() -> None:
    """Those under way, those at hand and those in the store alike; each once."""
    world = World()
    async with world.running(spec("web")) as master:
        ids = []
        for _ in range(RECENT + 20):
            ids.append((await master.jobs.accept(OPERATIONS["start"], Start(["web"], wait=False), ANN)).id)
            world.clock.advance(0.002)
            await settle()
        seen: list[str] = []
        while page := await master.jobs.newest(50, seen[-1] if seen else None, ANN):
            seen += [view.id for view in page]
        assert seen == ids[::-1]


async def test_a_job_is_forgotten_after_a_day() -> None:
    """Here and in the store."""
    world = World()
    async with world.running(spec("web")) as master:
        old = await master.jobs.accept(OPERATIONS["start"], Start(["web"]), ANN)
        await settle()
        await world.clock.run(KEPT + 1)
        new = await master.jobs.accept(OPERATIONS["start"], Start(["web"]), ANN)
        await settle()
        assert [view.id for view in await master.jobs.newest(9, None, ANN)] == [new.id]
        with pytest.raises(NotFound):
            await master.jobs.get(old.id, ANN)
        assert [document.key for document in await world.store.documents("job")] == [new.id]


def test_ids_sort_by_time_and_are_uuids() -> None:
    """Version 7, variant 1."""
    import uuid

    early, late = new_id(1000.0), new_id(1000.001)
    assert early < late
    found = uuid.UUID(early.removeprefix("job-"))
    assert (found.version, found.variant, found.int >> 80) == (7, uuid.RFC_4122, 1_000_000)
    assert new_id(1000.0, b"") <= early
