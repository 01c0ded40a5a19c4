"""New code takes over in a living worker: the same in the master and in a process, as long as the code is any good."""

import http.client
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import Endpoint, ProbeSpec, WorkerSpec
from beeyard.domain.values import Duration, WorkerId
from tests.end_to_end.workers import AT_ONCE
from tests.yard import Refusal, Row, Yard, eventually

CODE = """
import asyncio
from pathlib import Path

from beeyard.sdk import Module
from part import WORD

ANSWER = f"HTTP/1.1 200 OK\\r\\nContent-Length: {len(WORD)}\\r\\nConnection: close\\r\\n\\r\\n{WORD}".encode()


class Echo(Module):
    async def initialize(self, context):
        self.context = context
        (Path(context.config["folder"]) / WORD).touch()

    async def start(self):
        print("started", WORD)
        self.server = await asyncio.start_server(self.answer, sock=self.context.socket("http"))
        if WORD == "stuck":
            await asyncio.Event().wait()
        if WORD == "broken":
            raise RuntimeError("no database")
        self.context.register("word", f"http://{WORD}")

    async def answer(self, reader, writer):
        await reader.readuntil(b"\\r\\n\\r\\n")
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    async def stop(self):
        self.server.close()
        print("stopped", WORD)
"""


def code(folder: Path, word: str) -> None:
    """From now on the code says this."""
    (folder / "echo.py").write_text(CODE)
    (folder / "part.py").write_text(f"WORD = {word!r}\n")


def serving(folder: Path, where: str) -> WorkerSpec:
    """The worker `w`, which runs there and answers with the word in its code."""
    code(folder, "old")
    asked = ProbeSpec("module", period=Duration(0.2), timeout=Duration(10.0))
    module = ModuleSpec("echo:Echo", str(folder), {"folder": str(folder)}, start_timeout=Duration(20.0))
    return WorkerSpec(
        WorkerId("w"),
        where,
        {},
        module=module,
        endpoints={"http": Endpoint("http")},
        probes={"readiness": ProbeSpec("notify"), "liveness": asked},
        restart=AT_ONCE,
    )


@pytest.fixture(params=["module", "process"])
def on(request: pytest.FixtureRequest, fresh_yard: Yard, tmp_path: Path) -> Yard:
    """A Beeyard with the worker, within the master or in a process."""
    fresh_yard.apply(serving(tmp_path, request.param))
    fresh_yard.running("w")
    eventually(lambda: registered(fresh_yard) == "http://old", "its endpoint")
    return fresh_yard


def swap(on: Yard) -> Row:
    """What became of it."""
    (view,) = on.ask("swap", workers=["w"])
    return dict(view)


def registered(on: Yard) -> str:
    """What the module registered."""
    return next((str(one["address"]) for one in on.ask("endpoint_list") if one["name"] == "word"), "")


def told(on: Yard) -> list[str]:
    """What it printed."""
    return on.log("w").decode().splitlines()


def port(on: Yard) -> int:
    """Where it listens."""
    return int(on.ps()["w"]["endpoints"]["http"].rpartition(":")[2].strip("/"))


def answer(port: int) -> str:
    """By a connection of its own. Raises OSError, or HTTPException, when it fails."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


@contextmanager
def asked(port: int) -> Iterator[Counter[str]]:
    """Clients that ask and ask while the block lasts: how often they got which answer, errors among them."""
    seen: Counter[str] = Counter()
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                seen[answer(port)] += 1
            except Exception as error:
                seen[repr(error)] += 1

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        yield seen
    finally:
        over.set()
        for client in clients:
            client.join()


def more(seen: Counter[str], word: str, than: int) -> bool:
    """Whether this was answered more often."""
    return seen[word] > than


def test_new_code_takes_over_and_no_request_fails(on: Yard, tmp_path: Path) -> None:
    """In the same attempt, one after the other, with clients that never stop asking."""
    before = on.running("w")["w"]
    with asked(port(on)) as seen:
        for word in ("new", "newer"):
            eventually(lambda: sum(seen.values()) > 20, "answers of the old one")
            code(tmp_path, word)
            view = swap(on)
            assert (view["refused"], view["attempt"]) == ("", 1)
            assert view["before"] != view["code"]
            answered = seen[word]
            eventually(partial(more, seen, word, answered + 20), "answers of the new one")
    assert set(seen) <= {"old", "new", "newer"}, seen
    assert registered(on) == "http://newer"
    after = on.running("w")["w"]
    assert (after["pid"], after["attempt"]) == (before["pid"], 1)
    lives = ["started old", "started new", "stopped old", "started newer", "stopped new"]
    eventually(lambda: told(on) == lives, f"{lives}, not {told(on)}")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("broken", "the new code did not start: RuntimeError: no database"),
        ("(", "'(' was never closed"),
        ("import sys; sys.exit(3)", "it called sys.exit(3)"),
    ],
    ids=["a start that fails", "a syntax error", "an exit while it is imported"],
)
def test_the_old_code_goes_on_where_the_new_one_is_no_good(on: Yard, tmp_path: Path, change: str, why: str) -> None:
    """And says why; nothing of the new one is left, and the next good code takes over."""
    if change == "broken":
        code(tmp_path, change)
    else:
        (tmp_path / "part.py").write_text(change)
    view = swap(on)
    assert why in view["refused"]
    assert view["before"] == view["code"]
    assert answer(port(on)) == "old"
    assert registered(on) == "http://old"
    assert on.running("w")["w"]["attempt"] == 1
    code(tmp_path, "new")
    assert swap(on)["refused"] == ""
    assert {answer(port(on)) for _ in range(9)} == {"new"}


def test_a_stop_in_the_middle_ends_both(on: Yard, tmp_path: Path) -> None:
    """The new one waits in its start for ever; neither is left when the worker has stopped."""
    job = begun(on, tmp_path)
    on.ask("stop", workers=["w"])
    job.join()
    eventually(lambda: told(on)[-1:] == ["stopped old"] and "stopped stuck" in told(on), f"two ends, not {told(on)}")
    assert on.ps()["w"]["state"] == "stopped"
    assert on.leaders("w") == []


def test_a_killed_master_in_the_middle_leaves_one(on: Yard, tmp_path: Path) -> None:
    """Within the master both end, and the next one starts what lies in the folder; a process goes on, and can be asked
    again."""
    within, at = on.ps()["w"]["provider"] == "module", port(on)
    job = begun(on, tmp_path)
    code(tmp_path, "new")
    os.kill(on.pid("master"), signal.SIGKILL)
    job.join()
    row = eventually(lambda: (rows := on.ps()) and rows["w"]["ready"] and rows["w"], "a worker that is ready again")
    assert row["attempt"] == (2 if within else 1)
    if within:
        assert {answer(port(on)) for _ in range(9)} == {"new"}
    else:
        assert answer(at) in ("old", "stuck")


def begun(on: Yard, folder: Path) -> threading.Thread:
    """A swap that waits for a new one which never is ready."""

    def ask() -> None:
        with suppress(OSError, Refusal, ValueError):
            on.ask("swap", workers=["w"])

    code(folder, "stuck")
    job = threading.Thread(target=ask)
    job.start()
    eventually(lambda: "started stuck" in told(on), "a new one that waits")
    return job


def refusal(on: Yard, **fields: Any) -> str:
    """Why this can't be asked."""
    with pytest.raises(Refusal) as refused:
        on.ask("swap", workers=["w"], **fields)
    assert refused.value.document["code"] == "not_swappable"
    return str(refused.value.document["detail"])


def test_what_runs_no_module_can_t_take_new_code(fresh_yard: Yard) -> None:
    """It is said so before anything is done."""
    fresh_yard.apply(WorkerSpec(WorkerId("w"), "process", {"executable_path": "/bin/sleep", "args": ["1000"]}))
    fresh_yard.running("w")
    assert refusal(fresh_yard) == "w can't take new code: it runs no module"
