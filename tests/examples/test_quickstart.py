"""The quickstart as `make run` starts it: real Caddy, real node exporter where there is one, real kills."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.yard import Row, Yard, eventually

ROOT = Path(__file__).parents[2]
RUN = ROOT / "examples/quickstart/run"
BIN = Path(sys.executable).parent


class Quickstart(Yard):
    """The example under a state folder and ports of its own."""

    def __init__(self, state: Path, path: str | None = None) -> None:
        super().__init__(state)
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
            for sock in sockets:
                sock.bind(("127.0.0.1", 0))
            self.port, metrics_port = [sock.getsockname()[1] for sock in sockets]
        home = state.parent / "home"
        home.mkdir()
        self.home = home
        self.environment = {
            "PATH": f"{BIN}{os.pathsep}{path or os.environ['PATH']}",
            "HOME": str(home),
            "BEEYARD_STATE_DIR": str(state),
            "QUICKSTART_PORT": str(self.port),
            "QUICKSTART_METRICS_PORT": str(metrics_port),
        }
        self.output = state.parent / "output.txt"
        self.launch()

    def launch(self) -> None:
        """As `make run` does."""
        with self.output.open("wb") as output:
            self.up = subprocess.Popen([RUN], env=self.environment, stdout=output, stderr=output)

    def expected(self) -> set[str]:
        """The workers there should be on this machine."""
        node = {"node"} if shutil.which("prometheus-node-exporter", path=self.environment["PATH"]) else set()
        return {"hello.1", "hello.2", "caddy"} | node

    def ready(self) -> dict[str, Row]:
        """All workers, once they are ready."""
        eventually(lambda: self.up.poll() is not None or self.ps(), "a master that answers", 60)
        assert self.up.poll() is None, self.output.read_text()
        return self.running(*self.expected())

    def pids(self) -> dict[str, int]:
        """Worker -> pid, once all are ready."""
        return {name: row["pid"] for name, row in self.ready().items()}

    def get(self, path: str) -> str:
        """A page through Caddy; empty while it does not answer."""
        url = f"http://127.0.0.1:{self.port}{path}"
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError),
            urllib.request.urlopen(url, timeout=10) as answer,
        ):
            return str(answer.read().decode())
        return ""

    def cli(self, *words: str) -> str:
        """What `beeyard WORDS` prints."""
        done = subprocess.run(
            [BIN / "beeyard", *words], env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def end(self) -> None:
        """Leave nothing behind."""
        if self.up.poll() is None:
            self.up.kill()
        super().end()
        self.up.wait()


@pytest.fixture
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quickstart]:
    """Up and ready."""
    made = Quickstart(tmp_path_factory.mktemp("q") / "state")
    try:
        made.ready()
        yield made
    finally:
        made.end()


def test_both_instances_answer_through_caddy(quickstart: Quickstart) -> None:
    """Requests are spread over the group; each instance has a port of its own as well."""
    answers = {quickstart.get("/") for _ in range(6)}
    pids = quickstart.pids()
    assert answers == {f"Hello from {name}, pid {pids[name]}.\n" for name in ("hello.1", "hello.2")}
    for name in ("hello.1", "hello.2"):
        url = quickstart.ps()[name]["endpoints"]["http"]
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.read().decode() == f"Hello from {name}, pid {pids[name]}.\n"
    if "node" in pids:
        assert "node_cpu_seconds_total" in quickstart.get("/metrics")


def test_a_killed_instance_comes_back_while_the_other_answers(quickstart: Quickstart) -> None:
    """`kill -9` costs one process and no request; `why` tells of it."""
    before = quickstart.pids()
    os.kill(before["hello.1"], signal.SIGKILL)
    answers = [quickstart.get("/") for _ in range(20)]
    assert all(answers), answers
    eventually(lambda: quickstart.ps().get("hello.1", {}).get("pid") not in (None, before["hello.1"]), "a new pid")
    after = quickstart.pids()
    assert {name for name in before if before[name] != after[name]} == {"hello.1"}
    why = quickstart.cli("why", "hello.1")
    assert "SIGKILL, not sent by Beeyard" in why
    assert f"pid {before['hello.1']}, " in why
    assert "decision  restart in " in why


@pytest.mark.parametrize("role", ["master", "launcher", "pump"])
def test_workers_outlive_whatever_of_beeyard_is_killed(quickstart: Quickstart, role: str) -> None:
    """Same pids, no request lost, and another master, launcher or pump in its place."""
    before, old = quickstart.pids(), quickstart.pid(role)
    os.kill(old, signal.SIGKILL)
    assert all(quickstart.get("/") for _ in range(20))
    eventually(lambda: quickstart.pid(role) != old, f"another {role}")
    assert quickstart.pids() == before
    assert quickstart.up.poll() is None


def test_caddy_runs_from_a_package_and_a_second_run_finds_it(quickstart: Quickstart) -> None:
    """Its version is Caddy's own; started again over the same state, all of it is there as before."""
    (package,) = json.loads(quickstart.cli("package", "list", "--json"))
    assert (package["name"], package["state"], package["workers"]) == ("caddy", "installed", ["caddy"])
    assert f"v{package['version']} " in subprocess.check_output([BIN / "caddy", "version"], text=True)
    quickstart.up.send_signal(signal.SIGINT)
    assert quickstart.up.wait(30) == 0, quickstart.output.read_text()
    quickstart.launch()
    quickstart.ready()
    assert json.loads(quickstart.cli("package", "list", "--json"))[0]["digest"] == package["digest"]


def test_ctrl_c_leaves_nothing(quickstart: Quickstart) -> None:
    """All processes end well, and Caddy wrote nothing into the home directory."""
    pids = quickstart.pids()
    quickstart.up.send_signal(signal.SIGINT)
    assert quickstart.up.wait(30) == 0, quickstart.output.read_text()
    assert f"{len(pids)} workers ended" in quickstart.output.read_text()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids.values())
    assert quickstart.marked() == []
    assert list(quickstart.home.iterdir()) == []
    assert b"hello.1 ends\n" in quickstart.log("hello.1")


def test_down_leaves_nothing(quickstart: Quickstart) -> None:
    """The same from another terminal; the foreground notices and ends."""
    pids = quickstart.pids()
    quickstart.cli("down")
    assert quickstart.up.wait(30) == 0, quickstart.output.read_text()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids.values())
    assert quickstart.marked() == []


def test_without_node_exporter_it_says_so_and_runs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A machine where it can't be had: one line, three workers."""
    folder = tmp_path_factory.mktemp("q")
    tools = folder / "bin"
    tools.mkdir()
    for name in ("sh", "cat", "cp", "dirname", "id", "env", "ln", "mkdir", "python3", "sed"):
        (tools / name).symlink_to(str(shutil.which(name)))
    made = Quickstart(folder / "state", path=str(tools))
    try:
        assert set(made.ready()) == {"hello.1", "hello.2", "caddy"}
        assert "without /metrics: prometheus-node-exporter is not installed" in made.output.read_text()
    finally:
        made.end()
