"""Real workers that share no socket with their master: they register by a one-time token, and speak over HTTP."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import MODULE_PROBES, ProbeRole, ProbeSpec, WorkerSpec
from beeyard.domain.values import WorkerId
from tests.end_to_end.calls import Caller, listen, url_of
from tests.end_to_end.workers import program, shell
from tests.yard import Refusal, Yard, eventually, yard

READY: dict[ProbeRole, ProbeSpec] = {"readiness": ProbeSpec("notify")}
ALONE = "import os; os.environ.pop('NOTIFY_SOCKET', None)\n"
SPEAKER = (
    ALONE
    + """
import pathlib, signal, time
from beeyard.sdk.notify import notify
assert notify("STATUS=hello")
assert "BEEYARD_REGISTRATION" not in os.environ
while not pathlib.Path("go").exists():
    time.sleep(0.01)
assert notify("READY=1\\nSTATUS=serving")
while not pathlib.Path("more").exists():
    time.sleep(0.01)
notify("STATUS=still here")
signal.pause()
"""
)
MODULE = """
import os
from beeyard.sdk import Module

os.environ.pop("NOTIFY_SOCKET", None)


class Far(Module):
    async def start(self):
        self.context.register("far", "far.example:80", "tcp")

    async def initialize(self, context):
        self.context = context
"""
KEEPS = 'printf %s "$BEEYARD_REGISTRATION" > {file}; exec sleep infinity'


@pytest.fixture
def listening(fresh_yard: Yard) -> Yard:
    """A Beeyard with an address that stays."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    listen(fresh_yard, address=address)
    eventually(lambda: fresh_yard.ask("info")["url"] == f"http://{address}", "the address")
    return fresh_yard


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Yard, Caller, dict[str, str]]]:
    """A Beeyard, whoever calls it, and the tokens with which two workers of it may register."""
    folder = tmp_path_factory.mktemp("two")
    with yard(folder / "s") as made:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        listen(made, address=address)
        made.apply(*(shell(name, KEEPS.format(file=folder / name), register=True) for name in ("one", "other")))
        made.running("one", "other")
        tokens = {name: str(eventually((folder / name).read_text, name)) for name in ("one", "other")}
        yield made, Caller(url_of(made)), tokens


def note(yard: Yard, text: str, worker: str = "w") -> None:
    """Wait until this is what `ps` says of the worker."""
    eventually(lambda: yard.ps().get(worker, {}).get("note") == text, f"note {text!r}: {yard.ps()}")


def speaker(folder: Path) -> WorkerSpec:
    """A worker that says hello, is ready once there is a file `go`, and says more once there is one `more`."""
    made = program("w", sys.executable, "-c", SPEAKER, probes=READY, register=True)
    return replace(made, run={**made.run, "working_directory": str(folder)})


def test_a_worker_without_a_socket_registers_and_is_heard(listening: Yard, tmp_path: Path) -> None:
    """Its status, its readiness; who registered stands in the journal."""
    listening.apply(speaker(tmp_path))
    note(listening, "hello")
    assert listening.ps()["w"]["ready"] is False
    (tmp_path / "go").touch()
    listening.running("w")
    note(listening, "serving")
    written = [entry["record"] for entry in listening.ask("audit_log")]
    assert "worker w" in {record["who"] for record in written if record["what"] == "register"}, written


def test_a_session_outlives_the_master(listening: Yard, tmp_path: Path) -> None:
    """Nobody can register twice, so the next master has to know it."""
    (tmp_path / "go").touch()
    listening.apply(speaker(tmp_path))
    before = listening.running("w")["w"]
    master = listening.pid("master")
    os.kill(master, signal.SIGKILL)
    eventually(lambda: listening.pid("master") != master, "another master")
    (tmp_path / "more").touch()
    note(listening, "still here")
    after = listening.ps()["w"]
    assert (after["pid"], after["attempt"]) == (before["pid"], 1)


def test_a_module_is_one_as_anywhere(listening: Yard, tmp_path: Path) -> None:
    """Ready, healthy, with what it offers, and its story; all of it over HTTP."""
    (tmp_path / "far.py").write_text(MODULE)
    run = {"environment": {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}}
    probes = dict(MODULE_PROBES)
    module = ModuleSpec("far:Far", str(tmp_path))
    listening.apply(WorkerSpec(WorkerId("w"), "process", run, module=module, probes=probes, register=True))
    listening.running("w")
    eventually(lambda: listening.ps()["w"]["health"] == "healthy", "healthy")
    (endpoint,) = listening.ask("endpoint_list", workers=["w"])
    assert (endpoint["name"], endpoint["address"]) == ("far", "far.example:80")


def test_a_token_is_good_for_one_registration(two: tuple[Yard, Caller, dict[str, str]]) -> None:
    """Another one, once the first has said anything, is refused and written down; the first goes on."""
    made, caller, tokens = two
    session = caller.operate("register", tokens["one"]).body
    assert (session["worker"], session["attempt"]) == ("one", 1)
    assert caller.operate("report", session["token"], text="STATUS=here").status == 200
    again = caller.operate("register", tokens["one"])
    assert (again.status, again.code) == (401, "registration_used")
    denied = [entry["record"] for entry in made.ask("audit_log") if entry["record"]["what"] == "denied"]
    assert "registration_used" in [record["outcome"] for record in denied]
    assert caller.operate("report", session["token"], text="STATUS=mine").status == 200
    note(made, "mine", "one")
    assert made.ps()["other"]["note"] != "mine"


def test_what_a_worker_has_is_good_for_nothing_else(two: tuple[Yard, Caller, dict[str, str]]) -> None:
    """Neither to look nor to change, nor one in place of the other; and nobody else may speak for a worker."""
    made, caller, tokens = two
    admin = str(made.ask("token_create", name="admin", role="admin", install=True)["token"])
    session = str(caller.operate("register", tokens["other"]).body["token"])
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("ps", session, {}),
        ("stop", session, {"workers": ["other"]}),
        ("register", session, {}),
        ("register", admin, {}),
        ("report", admin, {"text": "READY=1"}),
    ]
    for operation, token, fields in asked:
        answer = caller.operate(operation, token, **fields)
        assert (operation, answer.status, answer.code) == (operation, 403, "not_allowed")
    stranger = f"bee_{'0' * 8}_{'a' * 43}"
    assert caller.operate("report", stranger, text="READY=1").code == "token_unknown"
    assert caller.operate("report", session, text="").status == 400


def test_a_session_ends_with_its_attempt(listening: Yard, tmp_path: Path) -> None:
    """The next attempt has a token of its own; that of the one before, used or not, is nobody's."""
    file = tmp_path / "token"
    listening.apply(shell("w", KEEPS.format(file=file), register=True))
    listening.running("w")
    caller = Caller(url_of(listening))
    first = str(eventually(file.read_text, "a token"))
    session = str(caller.operate("register", first).body["token"])
    file.unlink()
    listening.ask("restart", workers=["w"])
    second = str(eventually(lambda: file.exists() and file.read_text(), "another token"))
    assert first != second
    assert caller.operate("report", session, text="READY=1").code == "token_unknown"
    assert caller.operate("register", first).code == "token_unknown"
    assert caller.operate("register", second).body["attempt"] == 2


def test_without_an_address_that_stays_it_is_refused(fresh_yard: Yard) -> None:
    """Before anything runs: its workers would not find the master again."""
    with pytest.raises(Refusal) as refused:
        fresh_yard.apply(shell("w", "sleep infinity", register=True))
    assert str(refused.value.document["detail"]) == (
        "w.register: found true, with the master's `listen: any port`, "
        "expected a `listen` that stays the same, as HOST:PORT (master: {listen: HOST:PORT})"
    )
    assert fresh_yard.ps() == {}
