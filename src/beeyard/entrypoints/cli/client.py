"""The master's socket, asked in plain HTTP: one request a connection, replies as JSON or one JSON object a line.

A master that is being started again is waited for; where none is, the error says what to do about it.
"""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec

from beeyard.application.operations import OPERATIONS
from beeyard.domain.errors import BeeyardError, Denied, Unavailable
from beeyard.entrypoints.cli.place import command, last_word, running
from beeyard.entrypoints.http.problems import from_problem
from beeyard.launcher.paths import Paths

RETURN = 5.0
"""Seconds in which a launcher brings its master back, as a rule."""
PATIENCE = 30.0
"""Seconds for an answer, beyond those that the request itself asks the master to wait."""


class Client:
    """Asks one master. `returning` is how long it waits for one that the launcher is starting again."""

    def __init__(self, paths: Paths, returning: float = RETURN) -> None:
        self.paths = paths
        self.returning = returning

    def ask(self, name: str, request: Any) -> Any:
        """The reply, as the operation's reply type."""
        return decoded(name, self.raw(name, request))

    def raw(self, name: str, request: Any) -> bytes:
        """The reply's JSON.

        Raises:
            Unavailable: no master, or none that answers; any other error is the master's own.
        """
        with closing(self._answer(name, request)) as answer:
            try:
                return bytes(answer.read())
            except (OSError, http.client.HTTPException):
                raise self._gone() from None

    def stream(self, name: str, request: Any) -> Iterator[bytes]:
        """The replies of a streaming operation, each as JSON. Raises Unavailable when the master ends meanwhile."""
        with closing(self._answer(name, request, endless=True)) as answer:
            while True:
                try:
                    line = answer.readline()
                except (OSError, http.client.HTTPException):
                    raise self._gone() from None
                if not line:
                    return
                if not line.endswith(b"\n"):
                    raise self._gone()
                yield line

    def _answer(self, name: str, request: Any, *, endless: bool = False) -> http.client.HTTPResponse:
        body = msgspec.json.encode(request)
        patience = None if endless else _patience(name, request)
        deadline = time.monotonic() + self.returning
        while True:
            connection = _Connection(self.paths.master_socket, patience)
            try:
                connection.connect()
            except PermissionError:
                raise Denied(
                    "not_your_master",
                    "the master of {state} belongs to another user",
                    state=self.paths.state,
                    hint="ask as that user, or as root",
                ) from None
            except OSError:
                connection.close()
                absent = self.absent()
                if absent.code != "master_away" or time.monotonic() >= deadline:
                    raise absent from None
                time.sleep(0.05)
                continue
            try:
                connection.request(
                    "POST", f"/v1/operations/{name}", body, {"Content-Type": "application/json", "Connection": "close"}
                )
                answer = connection.getresponse()
            except TimeoutError:
                raise Unavailable(
                    "master_silent",
                    "the master of {state} did not answer in time",
                    state=self.paths.state,
                    hint=f"see {self.paths.daemon_log}",
                ) from None
            except (OSError, http.client.HTTPException):
                connection.close()
                if not OPERATIONS[name].changes and time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                raise self._gone() from None
            if answer.status >= 400:
                raise _problem(answer)
            return answer

    def absent(self) -> BeeyardError:
        """Why nobody answers: `no_master`, `master_away` while it is started again, or what keeps it from that."""
        left = running(self.paths)
        if not left:
            text = "no master serves {state}"
            return Unavailable("no_master", text, state=self.paths.state, hint=command(self.paths, "up"))
        if (word := last_word(self.paths)) is not None:
            return word
        if "launcher" not in left:
            text = "the master of {state} does not answer, and no launcher is there to start it again"
            return Unavailable("master_away", text, state=self.paths.state, hint=command(self.paths, "up"))
        who = f"the launcher (pid {left['launcher']})"
        return Unavailable(
            "master_away",
            "the master of {state} does not answer; {who} is starting it again",
            state=self.paths.state,
            who=who,
            hint=f"see {self.paths.daemon_log}",
        )

    def _gone(self) -> Unavailable:
        text = "the master of {state} ended before it had answered"
        return Unavailable("master_gone", text, state=self.paths.state, hint=f"see {self.paths.daemon_log}; ask again")


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.sock.close()
            raise


def decoded(name: str, reply: bytes) -> Any:
    """A reply as its operation's type. Raises Unavailable for one that this version can't read."""
    try:
        return msgspec.json.decode(reply, type=OPERATIONS[name].reply)
    except msgspec.DecodeError as error:
        raise Unavailable(
            "master_differs",
            "the master's answer can't be read: {reason}",
            reason=str(error),
            hint="command and master are of different versions: beeyard down and up, or use --json",
        ) from None


def _patience(name: str, request: Any) -> float | None:
    if name in {"apply", "down"}:
        return None  # They take as long as the workers take to stop.
    return float(getattr(request, "timeout", 0.0)) + PATIENCE


def _problem(answer: http.client.HTTPResponse) -> BeeyardError:
    text = answer.read()
    try:
        return from_problem(json.loads(text))
    except (ValueError, AttributeError):
        return BeeyardError(
            "unknown_answer", "{status}: {text}", status=answer.status, text=text[:200].decode("latin1")
        )
