"""A socket and a port that answer as a master would, and views to show."""

import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import msgspec
import pytest

from beeyard.application.views import WorkerView
from beeyard.launcher.paths import Paths

Answer = tuple[int, Any]


class FakeMaster(socketserver.ThreadingMixIn):
    """Answers each operation with a status and a body (bytes go out as they are); keeps all that it heard.

    A list holds the answers to one question after the other, the last one for all that follow. Jobs are `jobs`.
    """

    daemon_threads = True
    answers: dict[str, Answer | list[Answer]]
    asked: list[tuple[str, Any]]
    heard: list[dict[str, str]]

    def answer(self, name: str) -> Answer:
        """The next one."""
        found = self.answers[name]
        if isinstance(found, tuple):
            return found
        return found.pop(0) if len(found) > 1 else found[0]


class SocketMaster(FakeMaster, socketserver.UnixStreamServer):
    """At a socket."""

    def __init__(self, path: str) -> None:
        self.answers, self.asked, self.heard = {}, [], []
        super().__init__(path, _Handler)


class TcpMaster(FakeMaster, socketserver.TCPServer):
    """At a port of the loopback."""

    def __init__(self) -> None:
        self.answers, self.asked, self.heard = {}, [], []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Where."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """One operation."""
        server = self.server
        assert isinstance(server, FakeMaster)
        name = self.path.rpartition("/")[2]
        server.asked.append((name, msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"])))))
        server.heard.append({key.lower(): value for key, value in self.headers.items()})
        status, reply = server.answer(name)
        if status == 0:
            return  # As one that is killed while it works.
        body = reply if isinstance(reply, bytes) else msgspec.json.encode(reply)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def address_string(self) -> str:
        """A unix socket has none."""
        return "local"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A state folder with nobody in it."""
    found = Paths(str(tmp_path / "s"))
    found.create()
    return found


@pytest.fixture
def master(paths: Paths) -> Iterator[SocketMaster]:
    """Serves the state folder."""
    yield from _serving(SocketMaster(paths.master_socket))


@pytest.fixture
def tcp_master() -> Iterator[TcpMaster]:
    """Serves at a port."""
    yield from _serving(TcpMaster())


def _serving(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def worker() -> Callable[..., WorkerView]:
    """A running, ready worker, but for what is said otherwise."""

    def make(id: str, **changes: Any) -> WorkerView:
        view = WorkerView(
            id=id,
            state="running",
            ready=True,
            health="unknown",
            pid=4711,
            attempt=1,
            restarts=0,
            provider="process",
            package=None,
            endpoints={},
            wanted="up",
            since=time.time() - 3723.0,
            note="",
            exit=None,
            retry_at=None,
            origin="/etc/app/beeyard.yaml",
        )
        return msgspec.structs.replace(view, **changes)

    return make
