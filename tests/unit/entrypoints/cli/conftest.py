"""A socket that answers as a master would, and views to show."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import msgspec
import pytest

from beeyard.application.views import WorkerView
from beeyard.launcher.paths import Paths

Answers = dict[str, tuple[int, Any]]


class SocketMaster(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Answers each operation with a status and a body (bytes go out as they are); keeps what it was asked."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        self.answers: Answers = {}
        self.asked: list[tuple[str, Any]] = []
        super().__init__(path, _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """One operation."""
        server = self.server
        assert isinstance(server, SocketMaster)
        name = self.path.rpartition("/")[2]
        server.asked.append((name, msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"])))))
        status, reply = server.answers[name]
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
    server = SocketMaster(paths.master_socket)
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
            uptime=3723.0,
            note="",
            exit=None,
            retry_in=None,
            origin="/etc/app/beeyard.yaml",
        )
        return msgspec.structs.replace(view, **changes)

    return make
