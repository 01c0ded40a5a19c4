"""The client against a real socket: replies, errors, and a master that is not there."""

import json
from collections.abc import Callable

import pytest

from beeyard.application.operations.logs import Logs
from beeyard.application.operations.ps import Ps
from beeyard.application.operations.start import Start
from beeyard.application.views import WorkerView
from beeyard.domain.errors import BeeyardError, NotFound, Refused, Unavailable
from beeyard.entrypoints.cli.client import Client
from beeyard.entrypoints.http.problems import to_problem
from beeyard.launcher.locks import lock
from beeyard.launcher.paths import Paths
from tests.unit.entrypoints.cli.conftest import SocketMaster


def test_a_reply_comes_back_as_its_type(paths: Paths, master: SocketMaster, worker: Callable[..., WorkerView]) -> None:
    """What was sent is the request."""
    master.answers["ps"] = (200, [worker("web")])
    assert Client(paths).ask("ps", Ps(["web"])) == [worker("web")]
    assert master.asked == [("ps", {"workers": ["web"]})]


def test_an_error_comes_back_as_its_class(paths: Paths, master: SocketMaster) -> None:
    """With code, text and hint."""
    error = NotFound("no_such_worker", "there is no worker x", hint="did you mean y?")
    master.answers["ps"] = (404, to_problem(error))
    with pytest.raises(NotFound) as caught:
        Client(paths).ask("ps", Ps(["x"]))
    assert (caught.value.code, str(caught.value), caught.value.hint) == (error.code, str(error), error.hint)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]"])
def test_an_error_that_is_no_problem_document_is_our_bug(paths: Paths, master: SocketMaster, body: bytes) -> None:
    """Exit code 70, and no traceback of the decoder."""
    master.answers["ps"] = (500, body)
    with pytest.raises(BeeyardError) as caught:
        Client(paths).ask("ps", Ps())
    assert (caught.value.code, caught.value.exit) == ("unknown_answer", 70)


def test_a_reply_of_another_version_says_so(paths: Paths, master: SocketMaster) -> None:
    """Not a traceback."""
    master.answers["ps"] = (200, [{"id": "web"}])
    with pytest.raises(Unavailable, match="the master's answer can't be read"):
        Client(paths).ask("ps", Ps())


def test_no_master_says_how_to_start_one(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint can be typed as it stands."""
    with pytest.raises(Unavailable) as caught:
        Client(paths).ask("ps", Ps())
    assert (caught.value.code, caught.value.exit) == ("no_master", 5)
    assert str(caught.value) == f"no master serves {paths.state}"
    assert caught.value.hint == f"beeyard --state-dir {paths.state} up"
    monkeypatch.setenv("BEEYARD_STATE_DIR", paths.state)
    assert Client(paths).absent().hint == "beeyard up"


def test_a_master_that_its_launcher_starts_again_is_told_from_none(paths: Paths) -> None:
    """Who holds the lock is named."""
    assert lock(paths.launcher_lock) is not None
    with pytest.raises(Unavailable, match=r"does not answer; the launcher .* is starting it again") as caught:
        Client(paths, returning=0.1).ask("ps", Ps())
    assert caught.value.code == "master_away"


def test_what_keeps_the_master_from_starting_is_the_error(paths: Paths) -> None:
    """In its own words, with its own exit code."""
    assert lock(paths.launcher_lock) is not None
    with open(paths.master_error, "w", encoding="utf-8") as file:
        json.dump(to_problem(Refused("newer_store", "the store is of a later version")), file)
    with pytest.raises(Refused, match="the store is of a later version"):
        Client(paths).ask("ps", Ps())


def test_a_change_is_not_asked_twice(paths: Paths, master: SocketMaster) -> None:
    """The master may have done it before it died."""
    master.answers["start"] = (0, None)
    with pytest.raises(Unavailable) as caught:
        Client(paths).ask("start", Start(["web"]))
    assert caught.value.code == "master_gone"
    assert len(master.asked) == 1


def test_a_read_is_asked_again(paths: Paths, master: SocketMaster) -> None:
    """For a moment, in which the master may come back."""
    master.answers["ps"] = (0, None)
    with pytest.raises(Unavailable):
        Client(paths, returning=0.3).ask("ps", Ps())
    assert len(master.asked) > 1


def test_a_stream_comes_line_by_line(paths: Paths, master: SocketMaster) -> None:
    """Each a JSON object; one cut in the middle is a master that died."""
    master.answers["logs"] = (200, b'{"a":1}\n{"b":2}\n')
    assert list(Client(paths).stream("logs", Logs())) == [b'{"a":1}\n', b'{"b":2}\n']
    master.answers["logs"] = (200, b'{"a":1}\n{"b"')
    stream = Client(paths).stream("logs", Logs())
    assert next(stream) == b'{"a":1}\n'
    with pytest.raises(Unavailable):
        next(stream)
