"""A socket in front of the engine's own: it passes on what is asked and answered, and can stop at one request.

Nothing in the product knows of it. It can also be deaf: it keeps the stream of events open and passes none on.
"""

import contextlib
import re
import socket
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

PIECE = 65536


class Point(NamedTuple):
    """A request by its method and path, before the engine has it or after the engine has done it."""

    request: str
    when: str

    def __str__(self) -> str:
        return f"{self.when} {self.request}"


class Between:
    """Listens at `path` until it is closed."""

    def __init__(self, path: Path, engine: str) -> None:
        self.host = f"unix://{path}"
        self.deaf = False
        self._engine = engine.removeprefix("unix://")
        self._order: tuple[Point, Callable[[], bool]] | None = None
        self._lock = threading.Lock()
        self._server = _Server(str(path), _Connection)
        self._server.between = self
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        """No more."""
        self._server.shutdown()
        self._server.server_close()

    def at(self, point: Point, act: Callable[[], bool]) -> threading.Event:
        """Do this once that point is passed; what it gives says whether the request goes on. Set once it was done."""
        done = threading.Event()

        def then() -> bool:
            try:
                return act()
            finally:
                done.set()

        with self._lock:
            self._order = (point, then)
        return done

    def passes(self, request: str, when: str) -> bool:
        """Whether it goes on."""
        with self._lock:
            if self._order is None or self._order[0].when != when or not re.match(self._order[0].request, request):
                return True
            _, act = self._order
            self._order = None
        return act()

    def reach(self) -> socket.socket:
        """The engine."""
        there = socket.socket(socket.AF_UNIX)
        there.connect(self._engine)
        return there


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    between: Between

    def handle_error(self, *_: object) -> None:
        """Those who ask get killed: that is no news."""


class _Connection(socketserver.StreamRequestHandler):
    """One of theirs, with one of ours to the engine; requests come one after the other."""

    server: _Server

    def handle(self) -> None:
        self.between, self.current, self.answered = self.server.between, "", True
        with contextlib.suppress(OSError), self.between.reach() as there:
            threading.Thread(target=self._back, args=(there,), daemon=True).start()
            while head := self._head():
                method, path, _ = head.decode("latin-1").split(" ", 2)
                self.current = f"{method} {re.sub(r'^/v[0-9.]+', '', path)}"
                length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
                body = self.rfile.read(int(length[1])) if length else b""
                if not self.between.passes(self.current, "before"):
                    return
                self.answered = False
                there.sendall(head + body)

    def _head(self) -> bytes:
        lines = [self.rfile.readline()]
        while lines[-1] not in (b"\r\n", b""):
            lines.append(self.rfile.readline())
        return b"".join(lines) if lines[-1] else b""

    def _back(self, there: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := there.recv(PIECE):
                asked, first, self.answered = self.current, not self.answered, True
                if first and not self.between.passes(asked, "after"):
                    break
                if first or not (self.between.deaf and asked.startswith("GET /events")):
                    self.wfile.write(data)
            self.connection.shutdown(socket.SHUT_RDWR)
