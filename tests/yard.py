"""A real Beeyard in a folder of its own, for tests: real launcher, pump and master, real workers."""

import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from beeyard.domain.spec import WorkerSpec
from beeyard.launcher import kernel
from beeyard.launcher.locks import holder
from beeyard.launcher.paths import Paths
from beeyard.launcher.trees import MARK

PATIENCE = 45.0
"""Seconds until something that must happen is taken not to: no measure, only an end to waiting."""

Row = dict[str, Any]
T = TypeVar("T")


def eventually(look: Callable[[], T], what: str = "", patience: float = PATIENCE) -> T:
    """What `look` gives once it is true."""
    end = time.monotonic() + patience
    while not (seen := look()):
        assert time.monotonic() < end, f"never happened: {what or look}"
        time.sleep(0.01)
    return seen


class Refusal(Exception):
    """Raised when an operation answers with a problem; carries the document."""

    def __init__(self, document: Row) -> None:
        self.document = document
        super().__init__(document.get("detail"))


class Yard:
    """One state folder. `start` brings up launcher and master, `end` takes down whatever is left."""

    def __init__(self, state: Path) -> None:
        self.paths = Paths(str(state))

    def start(self, launcher: list[str], master: list[str]) -> None:
        """Start these programs as launcher and master; returns when the master answers."""
        self.paths.create()
        log = os.open(self.paths.daemon_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        actions = [(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
        argv = [*launcher, "--state", self.paths.state, "--", *master, self.paths.state]
        pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=actions, setsid=True)
        os.close(log)
        self.child = pid
        try:
            eventually(self.answers, "a master that answers")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()[-3000:]}") from None

    # --- asking -----------------------------------------------------------------------------------------------------

    def ask(self, operation: str, **fields: Any) -> Any:
        """One operation. Raises OSError while no master answers, Refusal for a problem."""
        connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        try:
            connection.sock.connect(self.paths.master_socket)
            connection.request("POST", f"/v1/operations/{operation}", body=msgspec.json.encode(fields))
            response = connection.getresponse()
            body = response.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()
        if response.status >= 400:
            raise Refusal(json.loads(body))
        if response.headers["Content-Type"] == "application/x-ndjson":
            return [json.loads(line) for line in body.splitlines()]
        return json.loads(body)

    def answers(self) -> bool:
        """Whether a master answers now."""
        with contextlib.suppress(OSError):
            return bool(self.ask("info"))
        return False

    def apply(self, *specs: WorkerSpec) -> None:
        """Make these the workers."""
        self.ask("apply", specs=specs, origin="test")

    def ps(self) -> dict[str, Row]:
        """All workers by name; empty while no master answers."""
        with contextlib.suppress(OSError):
            return {row["id"]: row for row in self.ask("ps")}
        return {}

    def running(self, *names: str) -> dict[str, Row]:
        """Wait until these (or all) run and are ready."""

        def look() -> dict[str, Row]:
            rows = self.ps()
            chosen = {name: rows[name] for name in names or rows if name in rows}
            done = chosen and len(chosen) == len(names or rows)
            return chosen if done and all(r["state"] == "running" and r["ready"] for r in chosen.values()) else {}

        try:
            return eventually(look)
        except AssertionError:
            raise AssertionError(
                f"not all running: {self.ps()}; {[*map(holder, self._locks())]}\n{self.said()[-3000:]}"
            ) from None

    # --- looking ----------------------------------------------------------------------------------------------------

    def leaders(self, worker: str) -> list[int]:
        """Live processes that were started as this worker, whatever Beeyard says of them."""
        prefix = f"{self.paths.identity}/{worker}/".encode()
        found = []
        for pid in kernel.processes():
            seen = kernel.stat(pid)
            if seen is not None and seen.state not in "ZX" and seen.session == pid:
                mark = kernel.environment(pid).get(MARK.encode(), b"")
                if mark.startswith(prefix) and not mark.endswith(b"/command"):
                    found.append(pid)
        return found

    def marked(self) -> list[int]:
        """Every live process that a worker of this yard started."""
        prefix = f"{self.paths.identity}/".encode()
        marks = ((pid, kernel.environment(pid).get(MARK.encode(), b"")) for pid in kernel.processes())
        return [pid for pid, mark in marks if mark.startswith(prefix)]

    def pid(self, role: str) -> int:
        """The process that is master, launcher or pump now."""
        locks = {"master": self.paths.master_lock, "launcher": self.paths.launcher_lock, "pump": self.paths.pump_lock}
        return eventually(lambda: holder(locks[role]) or 0, f"a {role}")

    def log(self, worker: str, stream: str = "stdout") -> bytes:
        """All that is on file of this stream, oldest first."""
        folder = Path(self.paths.worker_logs(worker))
        old = sorted(folder.glob(f"{stream}.log.[0-9]*"), key=lambda path: -int(path.suffix[1:]))
        return b"".join(path.read_bytes() for path in [*old, folder / f"{stream}.log"] if path.exists())

    def said(self) -> str:
        """The daemon's log."""
        with contextlib.suppress(OSError):
            return Path(self.paths.daemon_log).read_text(errors="replace")
        return ""

    # --- ending -----------------------------------------------------------------------------------------------------

    def down(self) -> Row:
        """The proper way."""
        answer: Row = self.ask("down", timeout=10)
        eventually(lambda: not any(map(holder, self._locks())), "launcher, master and pump gone")
        return answer

    def end(self) -> None:
        """Leave nothing behind, however the test went."""
        with contextlib.suppress(OSError, Refusal, AssertionError):
            self.down()
        # All three at once, several times: each of them would bring the others back.
        for _ in range(3):
            for pid in [pid for path in self._locks() if (pid := holder(path))]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        for pid in self.marked():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.waitpid(getattr(self, "child", -1), os.WNOHANG)
        with contextlib.suppress(OSError):
            self.paths.clear()

    def _locks(self) -> tuple[str, str, str]:
        return self.paths.launcher_lock, self.paths.master_lock, self.paths.pump_lock


def launcher_program() -> list[str]:
    """The real launcher's command line, up to its state folder."""
    entry = Path(kernel.__file__).parent / "__main__.py"
    return [sys.executable, "-I", "-S", str(entry), "launcher"]


def master_program() -> list[str]:
    """The real master's command line, up to its state folder."""
    return [sys.executable, "-m", "beeyard.entrypoints.daemon"]


@contextlib.contextmanager
def yard(state: Path) -> Iterator[Yard]:
    """A running Beeyard, ended with the block."""
    made = Yard(state)
    try:
        made.start(launcher_program(), master_program())
        yield made
    finally:
        made.end()
