"""What is made of an engine's answers that come late, out of order or not at all; the engine is a scripted one."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from beeyard.adapters.copying import Copying, Desk
from beeyard.adapters.ledger import Ledger, Page
from beeyard.adapters.means import Means
from beeyard.adapters.occurrences import Occurrences
from beeyard.adapters.providers.docker import following, output, place
from beeyard.adapters.providers.docker.engine import unreachable
from beeyard.adapters.providers.docker.following import Following
from beeyard.adapters.providers.docker.output import Output
from beeyard.adapters.providers.docker.provider import DockerProvider
from beeyard.adapters.providers.docker.pulling import Pulling
from beeyard.adapters.providers.docker.section import DockerSection
from beeyard.adapters.providers.docker.starting import Starting
from beeyard.adapters.providers.docker.stopping import Stopping
from beeyard.adapters.providers.docker.where import Where
from beeyard.domain.errors import NotFound, Refused, Unavailable
from beeyard.domain.messages import Exit, Handle
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.values import WorkerId
from beeyard.ports.provider import Occurrence
from tests.fakes.docker import FakeEngine, frame
from tests.fakes.invitations import FakeInvitations
from tests.fakes.notify import FakeNotices
from tests.fakes.pipes import Pipes
from tests.fakes.secrets import FakeSecrets

WEB = ("web", 1)
SPEC = WorkerSpec(id=WorkerId("web"), provider="docker", run={"image": "x"})
HANDLE = Handle("docker", 1, {"id": "a"}, {})


class Bench:
    """One engine, and all that follows it."""

    def __init__(self, folder: Path) -> None:
        self.engine = FakeEngine()
        self.pipes = Pipes(folder)
        self.ledger = Ledger(str(folder / "containers"))
        self.desk = Desk(self.pipes.client, self.ledger)
        self.occurrences = Occurrences()
        self.following = Following(self.engine, "me", self.desk, self.occurrences)
        self.stopping = Stopping(self.engine, self.following, self.ledger)
        self.starting = Starting(self.engine, "me", self.following, self.desk, Pulling(self.engine))
        self._told = self.occurrences.batches()

    async def next(self) -> list[Occurrence]:
        """What was told since."""
        return await asyncio.wait_for(anext(self._told), 10)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """While it is in touch."""
        task = asyncio.create_task(self.following.run())
        await self.following.ready()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def on(tmp_path: Path) -> AsyncIterator[Bench]:
    """A bench with one container that runs."""
    made = Bench(tmp_path)
    made.engine.has("a")
    yield made
    made.pipes.close()


async def until(condition: Callable[[], bool]) -> None:
    """Within ten seconds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def fails(error: Exception) -> Callable[[], Any]:
    """An answer of the engine's."""

    async def answer() -> Any:
        raise error

    return answer


async def test_one_that_cannot_be_looked_at_is_not_gone(on: Bench) -> None:
    """A list that could not be gone through says nothing of what it names: it is asked for again."""
    on.engine.once("GET containers/a/json", fails(unreachable("it restarts")))
    task = asyncio.create_task(on.following.run())
    try:
        known = await on.following.sought(WEB, HANDLE)
        assert known is not None
        assert known.lives
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_answer_older_than_the_removal_is_of_nobody(on: Bench) -> None:
    """One that was removed meanwhile is not met a second time."""
    async with on.served():
        asked, go = asyncio.Event(), asyncio.Event()

        async def late() -> Any:
            asked.set()
            found = on.engine.seen("a")
            await go.wait()
            return found | {"State": found["State"] | {"Status": "exited", "Running": False}}

        on.engine.once("GET containers/a/json", late)
        await on.engine.happens("pause", "a")
        await asked.wait()
        await on.engine.happens("die", "a", exitCode="3")
        on.engine.ends("a", 3)
        assert await on.next() == [Occurrence(*WEB, "exited", Exit(code=3))]
        await on.stopping.destroy(*WEB)
        assert WEB not in on.following.known
        go.set()
        await until(lambda: not on.following._tasks)
        assert WEB not in on.following.known


async def test_it_is_removed_once_the_engine_says_it_is_not_there(on: Bench) -> None:
    """What can't be removed just now is there: its page is kept, and it is tried again."""
    on.ledger.write(*WEB, Page())
    async with on.served():
        await on.engine.happens("die", "a", exitCode="0")
        on.engine.ends("a")
        await on.next()
        pages: list[bool] = []

        async def refused() -> Any:
            pages.append(on.ledger.page(*WEB) is not None and WEB in on.following.known)
            raise Refused("engine_conflict", "removal is already in progress")

        async def gone() -> Any:
            pages.append(on.ledger.page(*WEB) is not None and WEB in on.following.known)
            raise NotFound("engine_not_found", "no such container")

        on.engine.once("DELETE containers/a", refused, refused, gone)
        await on.stopping.destroy(*WEB)
        assert pages == [True, True, True]
        assert on.ledger.page(*WEB) is None
        assert WEB not in on.following.known


async def test_a_death_during_the_launch_is_not_missed(on: Bench) -> None:
    """Whoever launches has an answer from before it: what was heard meanwhile is looked after."""
    on.engine.containers.clear()
    async with on.served():

        async def made() -> Any:
            on.engine.has("b")
            return {"Id": "b"}

        async def uninvited() -> dict[str, str]:
            return {}

        async def before() -> Any:
            found = on.engine.seen("b")
            on.engine.ends("b", 7)
            await on.engine.happens("die", "b", exitCode="7")
            return found

        on.engine.once("POST containers/create", made)
        on.engine.once("GET containers/b/json", before)
        await on.starting.launch(SPEC, DockerSection("x"), 1, {}, {}, "", uninvited)
        assert await on.next() == [Occurrence(*WEB, "exited", Exit(code=7))]


async def test_an_answer_older_than_the_end_starts_nothing_again(on: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """It ran when the engine looked, and ended before the answer was here: nobody started it again."""
    async with on.served():
        asked, go = asyncio.Event(), asyncio.Event()

        async def late() -> Any:
            found = on.engine.seen("a")
            asked.set()
            await go.wait()
            return found

        on.engine.once("GET containers/a/json", late)
        await on.engine.happens("unpause", "a")
        await asked.wait()
        await on.engine.happens("die", "a", exitCode="3")
        with caplog.at_level(logging.WARNING, "beeyard"):
            go.set()
            await until(lambda: not on.following._tasks)
        assert not caplog.records
        assert "POST containers/a/kill" not in on.engine.asked


async def test_one_that_was_started_again_is_killed(on: Bench) -> None:
    """Its end was told: what runs now is nobody's."""
    async with on.served():
        await on.engine.happens("die", "a", exitCode="3")
        await on.engine.happens("start", "a")
        await until(lambda: "POST containers/a/kill" in on.engine.asked)


async def test_one_whose_second_start_was_not_heard_of_is_found_by_the_next_list(on: Bench) -> None:
    """It could never be removed otherwise."""
    async with on.served():
        await on.engine.happens("die", "a", exitCode="3")
        await on.following.watching._look()
        await until(lambda: "POST containers/a/kill" in on.engine.asked)


async def test_an_invitation_is_made_after_the_image_came(on: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not good for long, and a pull may take longer: each request for the container has one of its own."""
    on.engine.containers.clear()
    steps: list[str] = []

    async def invite() -> dict[str, str]:
        steps.append("invited")
        return {"TOKEN": str(steps.count("invited"))}

    async def pull(self: Pulling, image: str, worker: str = "") -> None:
        steps.append("pulled")

    async def made() -> Any:
        on.engine.has("b")
        return {"Id": "b"}

    monkeypatch.setattr(Pulling, "pull", pull)
    async with on.served():
        on.engine.once("POST containers/create", fails(NotFound("engine_not_found", "no such image")), made)
        await on.starting.launch(SPEC, DockerSection("x"), 1, {}, {}, "", invite)
    assert steps == ["invited", "pulled", "invited"]
    assert "TOKEN=2" in on.engine.bodies[1]["Env"]


async def test_nobody_is_invited_while_the_engine_is_away(on: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A launch that can't begin is tried again, and would leave one behind each time."""
    monkeypatch.setattr(following, "PATIENCE", 0.01)
    invitations = FakeInvitations()
    spec = replace(SPEC, register=True)
    monkeypatch.setattr(place, "Engine", FakeEngine)
    provider = DockerProvider(Means(on.pipes.client, FakeSecrets(), FakeNotices(), invitations))
    with pytest.raises(Unavailable):
        await provider.launch(spec, 1, {})
    assert not invitations.invited


async def test_an_engine_that_is_away_hides_none_of_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Those that pages name are asked, all at once, and no other; none that answers is as good as no answer."""
    monkeypatch.setattr(following, "PATIENCE", 1.0)
    pipes = Pipes(tmp_path)
    made: dict[str, FakeEngine] = {}

    def engine(where: Where) -> FakeEngine:
        one = made[where.host] = FakeEngine(where, pipes.paths.identity)
        if where.host == "tcp://b":
            one.has("b", "web")
        else:
            one.once("GET containers/json", *[fails(unreachable("it is away"))] * 100)
        return one

    monkeypatch.setattr(place, "Engine", engine)
    ledger = Ledger(pipes.paths.containers)
    ledger.write("web", 1, Page(where={"host": "tcp://b"}))
    ledger.write("api", 1, Page(where={"host": "tcp://a"}))
    provider = DockerProvider(Means(pipes.client, FakeSecrets(), FakeNotices(), FakeInvitations()))
    task = asyncio.create_task(provider.serve())
    try:
        await until(lambda: bool(made))
        [owned] = await provider.list_owned()
        assert (owned.worker, owned.attempt, set(made)) == ("web", 1, {"tcp://a", "tcp://b"})
        assert "the Docker Engine at tcp://a is not known yet" in caplog.text
        del provider._places[Where("tcp://b")]
        with pytest.raises(Unavailable):
            await provider.list_owned()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        pipes.close()


async def test_a_stream_that_is_dead_ends_with_its_container(on: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """No word comes over a connection that was dropped: what it wrote is asked for once more, and is all here."""
    monkeypatch.setattr(output, "HEARD", 0.05)
    await on.desk.begin(SPEC, 1)
    on.engine.written["a"] = frame(b"one\n")
    on.engine.silent = True
    copy = Output(on.engine, "a", "web", Copying(on.desk, *WEB))
    task = asyncio.create_task(copy.run())
    try:
        await until(lambda: "GET containers/a/logs" in on.engine.asked)
        on.engine.ends("a")
        copy.over.set()
        await asyncio.wait_for(task, 10)
        assert on.pipes.logged("web") == b"one\n"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
