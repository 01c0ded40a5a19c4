"""A process that registers, against a master of a few lines, which says what the test wants."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any

import pytest

from beeyard.sdk.registered import MOST, Registered
from tests.yard import PATIENCE

notifying: Any = import_module("beeyard.sdk.notify")
"""The module: its package has a function of that name."""

Asked = tuple[str, str, str]
"""(operation, token, text)"""


class FakeMaster:
    """Answers with what `says` returns: a status, after which 200 stands for the proper answer."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.says: Callable[[Asked], int] = lambda asked: 200
        self.changed = threading.Condition()
        master = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                fields = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked = (self.path.rpartition("/")[2], self.headers["Authorization"], str(fields.get("text", "")))
                with master.changed:
                    master.asked.append(asked)
                    master.changed.notify_all()
                status = master.says(asked)
                body: Any = {"token": "session"} if status == 200 else {"detail": "the master says no"}
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def end(self) -> None:
        """No more answers."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def until(self, reached: Callable[[list[Asked]], bool]) -> None:
        """Wait until what it was asked is so."""
        with self.changed:
            assert self.changed.wait_for(lambda: reached(self.asked), PATIENCE), self.asked

    def texts(self) -> list[str]:
        """What was said, in order."""
        return [text for operation, _, text in self.asked if operation == "report"]


@pytest.fixture
def master() -> Iterator[FakeMaster]:
    """One for each test."""
    made = FakeMaster()
    yield made
    made.end()


def test_it_registers_once_and_speaks_in_order(master: FakeMaster) -> None:
    """By the token it was given, and from then on by the one it got for that."""
    voice = Registered(master.url, "once")
    for text in ("STATUS=a", "READY=1", "STOPPING=1"):
        assert voice.say(text)
    assert voice.flush(PATIENCE)
    first, *rest = master.asked
    assert first == ("register", "Bearer once", "")
    assert rest == [("report", "Bearer session", text) for text in ("STATUS=a", "READY=1", "STOPPING=1")]


def test_what_cannot_be_sent_is_tried_again_and_nothing_is_lost(master: FakeMaster) -> None:
    """Neither a registration nor a word; and there is but one registration."""
    troubles = iter([503, 429, 200, 500, 503])
    master.says = lambda asked: next(troubles, 200)
    voice = Registered(master.url, "once", first=0.001)
    voice.say("READY=1")
    assert voice.flush(PATIENCE)
    assert [operation for operation, _, _ in master.asked] == ["register"] * 3 + ["report"] * 3
    assert master.texts() == ["READY=1"] * 3


def test_of_what_waits_only_the_newest_of_a_kind_is_sent(master: FakeMaster) -> None:
    """But a trigger of the watchdog is no sign of life, and what was said in between keeps its place."""
    go = threading.Event()
    master.says = lambda asked: 200 if go.wait(PATIENCE) else 500
    voice = Registered(master.url, "once")
    voice.say("STATUS=first")
    master.until(lambda asked: len(asked) == 1)
    for number in range(1000):
        voice.say(f"STATUS={number}\nREADY=1")
    for text in ("WATCHDOG=trigger", "WATCHDOG=1", "WATCHDOG=1", "STATUS=last"):
        voice.say(text)
    go.set()
    assert voice.flush(PATIENCE)
    assert master.texts() == ["STATUS=first", "STATUS=999\nREADY=1", "WATCHDOG=trigger", "WATCHDOG=1", "STATUS=last"]


def test_while_the_master_is_away_no_word_on_whether_it_is_ready_is_lost(master: FakeMaster) -> None:
    """Of more than can wait those go that a later one says anew, and then the oldest on how it is; all in order."""
    go = threading.Event()
    master.says = lambda asked: 200 if go.wait(PATIENCE) else 500
    voice = Registered(master.url, "once")
    voice.say("STATUS=loading")
    voice.say("READY=1")
    voice.say("WATCHDOG=trigger")
    for number in range(MOST):
        voice.say(f"STATUS={number}")
        voice.say("WATCHDOG=1")
    kept = [f"RELOADING=1\nX_{number}=1" for number in range(MOST - 4)]
    for text in (*kept, "STOPPING=1"):
        voice.say(text)
    go.set()
    assert voice.flush(PATIENCE)
    texts = ["READY=1", "WATCHDOG=trigger", "WATCHDOG=1", *kept, "STOPPING=1"]
    assert [text for text in master.texts() if text != "STATUS=loading"] == texts


def test_words_that_no_other_can_replace_all_wait(master: FakeMaster) -> None:
    """Whether it is ready is never guessed, however many such words there are; others make room for them."""
    go = threading.Event()
    master.says = lambda asked: 200 if go.wait(PATIENCE) else 500
    voice = Registered(master.url, "once")
    kept = [f"READY=1\nX_{number}=1" for number in range(MOST + 1)]
    for text in ("X_STATE=1", *kept):
        voice.say(text)
    go.set()
    assert voice.flush(PATIENCE)
    assert [text for text in master.texts() if text != "X_STATE=1"] == kept


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_no_is_final(master: FakeMaster, status: int) -> None:
    """A token that is used up does not get better by being shown again."""
    master.says = lambda asked: status
    voice = Registered(master.url, "once", first=0.001)
    voice.say("READY=1")
    assert voice.flush(PATIENCE)
    assert not voice.say("STATUS=anybody there?")
    assert [operation for operation, _, _ in master.asked] == ["register"]


def test_a_word_that_is_not_understood_is_left_out(master: FakeMaster) -> None:
    """The next one is sent all the same."""
    master.says = lambda asked: 400 if asked[2] == "nonsense" else 200
    voice = Registered(master.url, "once")
    voice.say("nonsense")
    voice.say("READY=1")
    assert voice.flush(PATIENCE)
    assert master.texts() == ["nonsense", "READY=1"]


def test_the_environment_says_which_way(master: FakeMaster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket comes first; a registration is taken out, so that no child tries it; with neither, nobody hears."""
    monkeypatch.setattr(notifying, "_registered", [])
    monkeypatch.setenv("BEEYARD_REGISTRATION", "once")
    monkeypatch.setenv("BEEYARD_URL", master.url)
    assert not notifying.notify("READY=1", {})
    assert not notifying.notify("READY=1", {**os.environ, "NOTIFY_SOCKET": "/nowhere"})
    assert notifying.notify("READY=1", {**os.environ, "NOTIFY_SOCKET": ""})
    assert "BEEYARD_REGISTRATION" not in os.environ
    assert notifying.notify("READY=1", os.environ)
    master.until(lambda asked: len(asked) >= 2)
    assert master.asked[0] == ("register", "Bearer once", "")
