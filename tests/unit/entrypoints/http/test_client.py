"""Both clients, against a real socket and a real port: replies, errors, streams that go on, jobs."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import pytest

import beeyard
from beeyard import AsyncClient, Client, Events, Logs, Ps, Start, WorkerView
from beeyard.application.problems import to_problem
from beeyard.domain.errors import BeeyardError, Denied, Invalid, NotFound, Refused, Unavailable
from beeyard.entrypoints.http import following
from beeyard.launcher.locks import lock
from beeyard.launcher.paths import Paths
from tests.unit.entrypoints.conftest import SocketMaster, TcpMaster

Make = Callable[..., WorkerView]
T = TypeVar("T")


class Sync:
    """The blocking client, as it is."""

    def __init__(self, **options: Any) -> None:
        self.client = Client(**options)

    def ask(self, request: Any, **options: Any) -> Any:
        """The reply."""
        return self.client.ask(request, **options)

    def stream(self, request: Any, count: int | None = None, lost: Any = following.unheard) -> list[Any]:
        """The first replies, or all."""
        with closing(self.client.stream(request, lost=lost)) as replies:
            return list(replies) if count is None else [next(replies) for _ in range(count)]

    def work(self, request: Any, key: str = "") -> Any:
        """The reply of a job."""
        return self.client.submit(request, key=key).wait()


class Async:
    """The other one, each question in an event loop of its own."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def ask(self, request: Any, **options: Any) -> Any:
        """The reply."""
        return self._run(lambda client: client.ask(request, **options))

    def stream(self, request: Any, count: int | None = None, lost: Any = following.unheard) -> list[Any]:
        """The first replies, or all."""

        async def collect(client: AsyncClient) -> list[Any]:
            replies = client.stream(request, lost=lost)
            if count is None:
                return [reply async for reply in replies]
            found = [await anext(replies) for _ in range(count)]
            await replies.aclose()
            return found

        return self._run(collect)

    def work(self, request: Any, key: str = "") -> Any:
        """The reply of a job."""

        async def work(client: AsyncClient) -> Any:
            return await (await client.submit(request, key=key)).wait()

        return self._run(work)

    def _run(self, use: Callable[[AsyncClient], Coroutine[Any, Any, T]]) -> T:
        async def within() -> T:
            async with AsyncClient(**self.options) as client:
                return await use(client)

        return asyncio.run(within())


Either = type[Sync] | type[Async]


@pytest.fixture(params=[Sync, Async])
def either(request: pytest.FixtureRequest) -> Either:
    """What holds for the one holds for the other."""
    kind: Either = request.param
    return kind


def event(number: int, kind: str = "worker", data: Any = None) -> bytes:
    """One line of a stream."""
    return json.dumps({"cursor": f"e-{number}", "kind": kind, "at": 0.0, "worker": None, "data": data}).encode() + b"\n"


def test_a_reply_comes_back_as_its_type(either: Either, paths: Paths, master: SocketMaster, worker: Make) -> None:
    """What was sent is the request."""
    web = worker("web")
    master.answers["ps"] = (200, [web])
    assert either(state_dir=paths.state).ask(Ps(["web"])) == [web]
    assert master.asked == [("ps", {"workers": ["web"], "limit": None, "after": None})]


def test_who_and_why_go_along(either: Either, paths: Paths, master: SocketMaster) -> None:
    """Percent-encoded, whatever characters they have; a reason for one question goes before that for all."""
    master.answers["start"] = (200, [])
    asker = either(state_dir=paths.state, operator="jörg", reason="all day")
    asker.ask(Start(["web"]), reason="nächtliche Wartung\n")
    assert unquote(master.heard[-1]["beeyard-reason"]) == "nächtliche Wartung\n"
    assert unquote(master.heard[-1]["beeyard-operator"]) == "jörg"
    asker.ask(Start(["web"]))
    assert unquote(master.heard[-1]["beeyard-reason"]) == "all day"


def test_a_token_goes_to_a_url_and_never_to_a_socket(
    either: Either, paths: Paths, master: SocketMaster, tcp_master: TcpMaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said, or found in BEEYARD_TOKEN."""
    monkeypatch.setenv("BEEYARD_TOKEN", "bee_env")
    master.answers["ps"] = tcp_master.answers["ps"] = (200, [])
    either(state_dir=paths.state).ask(Ps())
    assert "authorization" not in master.heard[-1]
    either(url=tcp_master.url).ask(Ps())
    assert tcp_master.heard[-1]["authorization"] == "Bearer bee_env"
    either(url=tcp_master.url, token="bee_said").ask(Ps())
    assert tcp_master.heard[-1]["authorization"] == "Bearer bee_said"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://example.org:8600", "url_unsafe"),
        ("http://127.0.0.1.example.org", "url_unsafe"),
        ("ftp://127.0.0.1", "url_invalid"),
        ("127.0.0.1:8600", "url_invalid"),
        ("http://127.0.0.1:99999", "url_invalid"),
        ("https://user:secret@127.0.0.1", "url_invalid"),
        ("http://127.0.0.1/v1", "url_invalid"),
        ("", "url_invalid"),
    ],
)
def test_urls_that_are_none_or_give_the_token_away_are_refused(either: Either, url: str, code: str) -> None:
    """Before anything is sent."""
    with pytest.raises(Invalid) as caught:
        either(url=url, token="secret").ask(Ps())
    assert caught.value.code == code


def test_a_socket_and_a_url_at_once_are_refused(either: Either) -> None:
    """Nobody could say which was meant."""
    with pytest.raises(Invalid, match="not at both"):
        either(url="https://h", state_dir="/s").ask(Ps())


def test_a_redirect_is_not_followed(either: Either, tcp_master: TcpMaster) -> None:
    """It would take the token along."""
    tcp_master.answers["ps"] = (307, b"")
    with pytest.raises(BeeyardError, match="307"):
        either(url=tcp_master.url, token="secret").ask(Ps())
    assert len(tcp_master.asked) == 1


def test_an_error_comes_back_as_its_class(either: Either, paths: Paths, master: SocketMaster) -> None:
    """With code, text and hint."""
    error = NotFound("no_such_worker", "there is no worker x", hint="did you mean y?")
    master.answers["ps"] = (404, to_problem(error))
    with pytest.raises(NotFound) as caught:
        either(state_dir=paths.state).ask(Ps(["x"]))
    assert (caught.value.code, str(caught.value), caught.value.hint) == (error.code, str(error), error.hint)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"type": 1'])
def test_an_error_that_is_no_problem_document_is_our_bug(
    either: Either, paths: Paths, master: SocketMaster, body: bytes
) -> None:
    """Exit code 70, and no traceback of the decoder."""
    master.answers["ps"] = (500, body)
    with pytest.raises(BeeyardError) as caught:
        either(state_dir=paths.state).ask(Ps())
    assert (caught.value.code, caught.value.exit) == ("unknown_answer", 70)


def test_a_reply_of_another_version_says_so(either: Either, paths: Paths, master: SocketMaster) -> None:
    """Not a traceback."""
    master.answers["ps"] = (200, [{"id": "web"}])
    with pytest.raises(Unavailable, match="the master's answer can't be read"):
        either(state_dir=paths.state).ask(Ps())


def test_no_master_says_how_to_start_one(either: Either, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint can be typed as it stands."""
    with pytest.raises(Unavailable) as caught:
        either(state_dir=paths.state).ask(Ps())
    assert (caught.value.code, caught.value.exit) == ("no_master", 5)
    assert str(caught.value) == f"no master serves {paths.state}"
    assert caught.value.hint == f"beeyard --state-dir {paths.state} up"
    monkeypatch.setenv("BEEYARD_STATE_DIR", paths.state)
    with pytest.raises(Unavailable) as caught:
        either().ask(Ps())
    assert caught.value.hint == "beeyard up"


def test_nobody_at_a_url_says_so(either: Either, tcp_master: TcpMaster) -> None:
    """Whether one will be there in a moment can't be told from afar."""
    url = tcp_master.url.replace("127.0.0.1", "127.0.0.9")
    with pytest.raises(Unavailable, match=f"nobody answers at {url}: ") as caught:
        either(url=url).ask(Ps())
    assert caught.value.code == "no_master"


def test_a_master_that_its_launcher_starts_again_is_told_from_none(either: Either, paths: Paths) -> None:
    """Who holds the lock is named."""
    assert lock(paths.launcher_lock) is not None
    with pytest.raises(Unavailable, match=r"does not answer; the launcher .* is starting it again") as caught:
        either(state_dir=paths.state, returning=0.1).ask(Ps())
    assert caught.value.code == "master_away"


def test_what_keeps_the_master_from_starting_is_the_error(either: Either, paths: Paths) -> None:
    """In its own words, with its own exit code."""
    assert lock(paths.launcher_lock) is not None
    with open(paths.master_error, "w", encoding="utf-8") as file:
        json.dump(to_problem(Refused("newer_store", "the store is of a later version")), file)
    with pytest.raises(Refused, match="the store is of a later version"):
        either(state_dir=paths.state).ask(Ps())


def test_a_change_is_not_asked_twice(either: Either, paths: Paths, master: SocketMaster) -> None:
    """The master may have done it before it died."""
    master.answers["start"] = (0, None)
    with pytest.raises(Unavailable) as caught:
        either(state_dir=paths.state).ask(Start(["web"]))
    assert caught.value.code == "master_gone"
    assert len(master.asked) == 1


def test_a_read_is_asked_again(either: Either, paths: Paths, master: SocketMaster) -> None:
    """In the moment in which the master comes back."""
    master.answers["ps"] = [(0, None), (0, None), (200, [])]
    assert either(state_dir=paths.state).ask(Ps()) == []
    assert len(master.asked) == 3


def test_a_job_is_begun_once_however_often_it_is_asked(either: Either, paths: Paths, master: SocketMaster) -> None:
    """By a key, which it has whether one was given or not."""
    master.answers["jobs"] = [(0, None), (202, {"job_id": "job-1", "state": "running", "sse_url": "/"})]
    master.answers["job_events"] = (200, event(1, "accepted") + event(2, "result", []) + event(3, "done"))
    assert either(state_dir=paths.state).work(Start(["web"])) == []
    assert [name for name, _ in master.asked] == ["jobs", "jobs", "job_events"]
    assert master.asked[0] == master.asked[1] == ("jobs", {"operation": "start", **master.asked[0][1]})
    assert master.heard[0]["idempotency-key"] == master.heard[1]["idempotency-key"] != ""
    either(state_dir=paths.state).work(Start(["web"]), key="täglich")
    assert unquote(master.heard[-2]["idempotency-key"]) == "täglich"
    with pytest.raises(Invalid, match="at most 128 characters"):
        either(state_dir=paths.state).work(Start(["web"]), key="ü" * 22)


def test_a_job_that_failed_raises_its_error(either: Either, paths: Paths, master: SocketMaster) -> None:
    """As the same class."""
    master.answers["jobs"] = (202, {"job_id": "job-1", "state": "running", "sse_url": "/"})
    error = to_problem(Denied("not_allowed", "no"))
    master.answers["job_events"] = (200, event(1, "accepted") + event(2, "error", error) + event(3, "done"))
    with pytest.raises(Denied, match="no"):
        either(state_dir=paths.state).work(Start(["web"]))


def test_a_job_without_an_end_is_read_on_from_where_it_broke(
    either: Either, paths: Paths, master: SocketMaster
) -> None:
    """Behind the last cursor."""
    master.answers["jobs"] = (202, {"job_id": "job-1", "state": "running", "sse_url": "/"})
    master.answers["job_events"] = [(200, event(1, "accepted")), (200, event(2, "result", []) + event(3, "done"))]
    assert either(state_dir=paths.state).work(Start(["web"])) == []
    assert [body["after"] for name, body in master.asked if name == "job_events"] == [None, "e-1"]


def test_a_stream_goes_on_behind_the_last_cursor(either: Either, paths: Paths, master: SocketMaster) -> None:
    """Over an end, a break in the middle of a line, and a master that answers nothing; it is told once for each."""
    assert lock(paths.launcher_lock) is not None
    lost: list[str] = []
    master.answers["events"] = [
        (200, event(1) + event(2)),
        (0, None),
        (200, event(3) + event(4)[:-9]),
        (200, event(4) + b"\n" + event(5)),
    ]
    found = either(state_dir=paths.state).stream(Events(), 5, lambda error: lost.append(error.code))
    assert [event.cursor for event in found] == ["e-1", "e-2", "e-3", "e-4", "e-5"]
    assert [body["after"] for _, body in master.asked] == [None, "e-2", "e-2", "e-3"]
    assert lost == ["master_gone", "master_gone"]


def test_a_stream_ends_when_nobody_will_come_back(either: Either, paths: Paths, master: SocketMaster) -> None:
    """Nothing of Beeyard is left: someone went down."""
    master.answers["events"] = (200, event(1))

    def gone(error: BeeyardError) -> None:
        master.shutdown()
        master.server_close()

    with pytest.raises(Unavailable) as caught:
        either(state_dir=paths.state).stream(Events(), 2, gone)
    assert caught.value.code == "no_master"


def test_a_stream_that_can_not_be_resumed_says_that_it_broke(
    either: Either, paths: Paths, master: SocketMaster
) -> None:
    """What came of an export is no export."""
    master.answers["audit_export"] = (200, b'{"seq":1}\n{"seq"')
    with pytest.raises(Unavailable) as caught:
        either(state_dir=paths.state).stream(beeyard.AuditExport())
    assert caught.value.code == "master_gone"


def test_an_error_before_the_first_reply_is_raised(either: Either, paths: Paths, master: SocketMaster) -> None:
    """And not asked again."""
    master.answers["logs"] = (404, to_problem(NotFound("no_such_worker", "there is no worker x")))
    with pytest.raises(NotFound):
        either(state_dir=paths.state).stream(Logs(["x"], follow=True))
    assert len(master.asked) == 1


def line(at: float | None, text: str, cursor: str = "") -> bytes:
    """One line of a log."""
    said = {"worker": "web", "stream": "stdout", "at": at, "text": text} | ({"cursor": cursor} if cursor else {})
    return json.dumps(said).encode() + b"\n"


def test_followed_logs_go_on_without_repeating_themselves(either: Either, paths: Paths, master: SocketMaster) -> None:
    """Behind the last cursor; lines after that one had none, and come again. Twins of one moment are told apart."""
    b = line(2.0, "b")
    master.answers["logs"] = [
        (200, line(1.0, "a", "e-1") + b + b),
        (200, b + b + b + line(2.0, "c", "e-2") + b),
        (200, b + line(3.0, "d")),
    ]
    found = either(state_dir=paths.state).stream(Logs(["web"], lines=3, follow=True), 7)
    assert [line.text for line in found] == ["a", "b", "b", "b", "c", "b", "d"]
    assert [(body["after"], body["lines"]) for _, body in master.asked] == [(None, 3), ("e-1", 3), ("e-2", 3)]


def test_logs_of_too_many_for_cursors_go_on_as_well(either: Either, paths: Paths, master: SocketMaster) -> None:
    """The newest are asked for again, and those that came already are left out."""
    master.answers["logs"] = [
        (200, line(1.0, "a") + line(2.0, "b")),
        (200, line(0.5, "before") + line(1.0, "a") + line(2.0, "b") + line(3.0, "c")),
    ]
    found = either(state_dir=paths.state).stream(Logs(lines=2, follow=True), 4)
    assert [line.text for line in found] == ["a", "b", "before", "c"]
    assert [body["lines"] for _, body in master.asked] == [2, following.CAUGHT_UP]


def test_logs_that_are_not_followed_end(either: Either, paths: Paths, master: SocketMaster) -> None:
    """With their last line, however long it is."""
    long = "x" * 300_000
    master.answers["logs"] = (200, line(None, "a") + line(None, long))
    assert [line.text for line in either(state_dir=paths.state).stream(Logs())] == ["a", long]


def test_a_lost_master_is_given_up_in_the_end(paths: Paths, master: SocketMaster) -> None:
    """By the time since it was lost, not by the number of tries."""
    where = Client(state_dir=paths.state).where
    told: list[str] = []
    follow = following.Following(where, Events(), lambda error: told.append(error.code))
    follow.answered()
    assert [follow.lost(where.gone(), now) for now in (100.0, 100.1, 159.0)] == [0.1, 0.2, 0.4]
    with pytest.raises(Unavailable):
        follow.lost(where.gone(), 100.0 + following.BACK)
    assert told == ["master_gone"]


def test_what_is_no_request_is_an_error_of_the_program(either: Either, paths: Paths) -> None:
    """Not one of the master."""
    with pytest.raises(TypeError, match="str is no request"):
        either(state_dir=paths.state).ask("ps")


def test_threads_may_share_a_client(paths: Paths, master: SocketMaster) -> None:
    """Each question has a connection of its own."""
    master.answers["ps"] = (200, [])
    client = Client(state_dir=paths.state)
    threads = [threading.Thread(target=client.ask, args=(Ps(),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(master.asked) == 8


async def test_connections_are_kept(paths: Paths, master: SocketMaster) -> None:
    """By the asynchronous client, as long as the other side keeps them; closed, it may be used again."""
    master.answers["ps"] = (200, [])
    client = AsyncClient(state_dir=paths.state)
    assert await client.ask(Ps()) == []
    await client.close()
    await client.close()
    assert await client.ask(Ps()) == []
    await client.close()


SNIPPET = """
from typing import assert_type
import beeyard

def blocking(client: beeyard.Client) -> None:
    assert_type(client.ask(beeyard.Start(["web"])), list[beeyard.WorkerView])
    assert_type(client.ask(beeyard.Info()), beeyard.InfoView)
    job = client.submit(beeyard.Restart(["web"]), key="k")
    assert_type(job.wait(), list[beeyard.WorkerView])
    for event in client.stream(beeyard.Events()):
        assert_type(event, beeyard.Event)
    for line in client.stream(beeyard.Logs(["web"], follow=True)):
        assert_type(line, beeyard.LogLine)
    client.ask(beeyard.Events())  # type: ignore[arg-type]

async def asynchronous() -> None:
    async with beeyard.AsyncClient(url="https://h", token="t") as client:
        assert_type(await client.ask(beeyard.Why("web")), list[beeyard.WhyView])
        job = await client.submit(beeyard.Remove(["web"]))
        assert_type(await job.wait(), list[str])
        async for event in job.events():
            assert_type(event, beeyard.Event)
"""


def test_replies_have_types(tmp_path: Any) -> None:
    """As mypy --strict sees them."""
    file = tmp_path / "snippet.py"
    file.write_text(SNIPPET)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.stdout.strip(), done.returncode) == ("Success: no issues found in 1 source file", 0)


def test_every_public_name_is_there() -> None:
    """Each loads from where the table says."""
    assert sorted(beeyard.__all__) == sorted(set(beeyard.__all__))
    for name in beeyard.__all__:
        assert getattr(beeyard, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        beeyard.Nonsense  # noqa: B018


@pytest.mark.parametrize(
    "use",
    [
        "import beeyard; beeyard.Client",
        "import beeyard.entrypoints.cli.main",
        "from beeyard.entrypoints.cli.main import cli; cli.main(['ps'], standalone_mode=False)",
    ],
)
def test_the_blocking_client_and_the_command_line_are_quick_to_load(
    paths: Paths, master: SocketMaster, monkeypatch: pytest.MonkeyPatch, use: str
) -> None:
    """No event loop and no HTTP library comes along: `ps` is to answer in a blink."""
    master.answers["ps"] = (200, [])
    monkeypatch.setenv("BEEYARD_STATE_DIR", paths.state)
    code = f"import sys; {use}; print({{'asyncio', 'aiohttp', 'rich', 'ruamel'}} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_who_can_not_be_let_in_just_now_asks_again(tmp_path: Path) -> None:
    """A socket with as many at its door as the system lets wait is no sign that nobody is behind it."""
    state = tmp_path / "s"
    paths = Paths(str(state))
    paths.create()
    with socket.socket(socket.AF_UNIX) as door, contextlib.ExitStack() as waiting:
        door.bind(paths.master_socket)
        door.listen(0)
        for _ in range(2):
            one = waiting.enter_context(socket.socket(socket.AF_UNIX))
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(paths.master_socket)
        with pytest.raises(Unavailable, match="is asked by too many at once"):
            Client(state_dir=str(state), returning=0.05).ask(Ps())
