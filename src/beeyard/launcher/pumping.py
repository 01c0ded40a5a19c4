"""The launcher's end of the pump: starts it, reconnects to it, and tells it again what it has to copy."""

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from beeyard.launcher.connection import Connection
from beeyard.launcher.held import Held
from beeyard.launcher.keeper import Companion, say
from beeyard.launcher.loop import Loop
from beeyard.launcher.paths import Paths
from beeyard.launcher.protocol import VERSION, Message
from beeyard.launcher.shelf import Entry

Take = Callable[[Iterable[tuple[Entry, int]]], None]

RETRY = 0.01
"""Seconds between two tries to reach a pump that is starting."""
PATIENCE = 3.0
"""Seconds after which those who wait for the pump are answered without it."""


class PumpClient:
    """What has to be copied is remembered here, so that any pump can be told."""

    def __init__(self, paths: Paths, loop: Loop, argv: Sequence[str], revive: Sequence[str]) -> None:
        self.companion = Companion("pump", argv, paths.pump_lock, loop, self._connect)
        self._paths = paths
        self._loop = loop
        self._revive = list(revive)
        self._connection: Connection | None = None
        self._watched: dict[str, Mapping[str, Any]] = {}
        self._waiting: dict[int, tuple[Message, Callable[[], None]]] = {}
        self._number = 0
        self.sockets: Iterable[Held] = ()
        self._take: Take | None = None

    def watch(self, worker: str, logs: Mapping[str, Any]) -> None:
        """Copy this worker's output; harmless twice."""
        if self._watched.get(worker) != logs:
            self._watched[worker] = logs
            self._send({"type": "watch", "worker": worker, **logs})

    def unwatch(self, worker: str) -> None:
        """Copy what is there, then let go."""
        if self._watched.pop(worker, None) is not None:
            self._send({"type": "unwatch", "worker": worker})

    def keep(self, entry: Entry, fd: int) -> None:
        """Keep a duplicate of this socket for the launcher that follows us."""
        try:
            self._send({"type": "keep", **entry}, fd)
        except OSError as error:
            say(f"no duplicate of socket {entry['name']} of {entry['owner']} is kept: {error.strerror}")

    def lose(self, owner: str, name: str) -> None:
        """Keep it no longer."""
        self._send({"type": "lose", "owner": owner, "name": name})

    def recall(self, take: Take, done: Callable[[], None]) -> None:
        """Have what it kept for us, given to `take`; then, or when no pump says so in time, call `done`."""
        self._take = take
        self._ask({"type": "kept"}, done)

    def drain(self, worker: str, done: Callable[[], None]) -> None:
        """Call once what the worker wrote is on file, or when no pump says so in time."""
        self._ask({"type": "drain", "worker": worker}, done)

    def quit(self, done: Callable[[], None]) -> None:
        """End it once all is on file."""
        self.companion.release()
        if self.companion.pid is None:
            done()
        else:
            self._ask({"type": "quit"}, done)

    def disown(self) -> None:
        """It stays, but must not bring us back: somebody ended us on purpose."""
        self._send({"type": "hello", "version": VERSION, "revive": []})
        if self._connection is not None:
            self._connection.flush()

    def _ask(self, message: Message, done: Callable[[], None]) -> None:
        """Also asks a pump that is only starting: it is told when it can be reached."""
        self._number += 1
        number = self._number
        self._waiting[number] = ({**message, "id": number}, done)
        self._loop.later(PATIENCE, lambda: self._answered(number))
        self._send({**message, "id": number})

    def _answered(self, number: int) -> None:
        if waiting := self._waiting.pop(number, None):
            waiting[1]()

    def _send(self, message: Message, *files: int) -> None:
        if self._connection is not None:
            self._connection.send(message, *files)

    def _connect(self) -> None:
        if self.companion.pid is None or self._connection is not None:
            return
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(self._paths.pump_socket)
        except OSError:
            sock.close()
            self._loop.later(RETRY, self._connect)
            return
        self._connection = Connection(self._loop, sock, self._closed)
        self._number += 1
        self._send({"type": "hello", "id": self._number, "version": VERSION, "revive": self._revive})
        for worker, logs in self._watched.items():
            self._send({"type": "watch", "worker": worker, **logs})
        for held in self.sockets:
            self.keep(held.entry(), held.sock.fileno())
        for message, _ in self._waiting.values():
            self._send(message)

    def _closed(self, connection: Connection) -> None:
        self._connection = None
        for number in list(self._waiting):
            self._answered(number)
        self._loop.later(RETRY, self._connect)

    def turn(self) -> None:
        """Take what the pump answered, send what it has to know."""
        while self._connection is not None and self._connection.inbox:
            message = self._connection.inbox.popleft()
            if "error" in message:
                say(f"pump: {message['error']}")
            if self._take is not None and "sockets" in message:
                self._take([(entry, self._connection.files.popleft()) for entry in message["sockets"]])
            self._answered(message.get("re", 0))
        if self._connection is not None:
            self._connection.flush()
