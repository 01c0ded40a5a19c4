"""A client for a running master, for programs and for the command line: standard library only, so that it loads fast.

    client = beeyard.Client()
    for worker in client.ask(beeyard.Ps()):
        print(worker.id, worker.state)

A connection serves one request, so threads may share a client. The errors are the master's own, by their classes.
"""

import http.client
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any, Generic, TypeVar

from beeyard.application.operation import Request, Streamed
from beeyard.application.operations.job_cancel import JobCancel
from beeyard.application.operations.job_events import JobEvents
from beeyard.application.operations.job_get import JobGet
from beeyard.application.problems import from_problem
from beeyard.application.views import Event, JobView
from beeyard.domain.errors import BeeyardError
from beeyard.entrypoints.http.following import Following, Lost, unheard
from beeyard.entrypoints.http.question import (
    PAUSE,
    RETURN,
    Accepted,
    Asked,
    Tries,
    Voice,
    converted,
    decoded,
    operation_of,
    problem,
)
from beeyard.entrypoints.http.where import where

R = TypeVar("R")


class Client:
    """Asks one master, at the socket of its state folder or at its URL."""

    def __init__(
        self,
        *,
        state_dir: str | None = None,
        url: str | None = None,
        token: str | None = None,
        ca: str | None = None,
        certificate: str | None = None,
        reason: str = "",
        operator: str = "",
        returning: float = RETURN,
    ) -> None:
        """Connects to nothing yet.

        Args:
            state_dir: the master's state folder; without it and without a URL, the default one.
            url: https://HOST:PORT of a master on any host, or http:// of one on this host.
            token: who asks at a URL; else the variable BEEYARD_TOKEN.
            ca: a file with the certificate of who signed the master's; else those that the system trusts.
            certificate: a file with the client's own certificate and key, where the master wants one.
            reason: why, for the journal.
            operator: the person behind this program, for the journal.
            returning: seconds to wait for a master that its launcher is starting again.

        Raises:
            Invalid: the URL is none, or would give the token away.
        """
        self.where = where(state_dir, url, token, ca, certificate)
        self._voice = Voice(self.where.token, reason, operator)
        self._returning = returning

    def ask(self, request: Request[R], *, reason: str = "") -> R:
        """The reply.

        Raises:
            Unavailable: no master, or none that answers; any other error is the master's own.
        """
        reply: R = decoded(operation_of(request).reply, self.raw(request, reason=reason))
        return reply

    def raw(self, request: Request[Any], *, reason: str = "") -> bytes:
        """The reply's JSON, as it came. Raises as `ask` does."""
        return self._whole(self._voice.question(request, reason))

    def stream(self, request: Streamed[R], *, reason: str = "", lost: Lost = unheard) -> Generator[R, None, None]:
        """The replies as they come. A connection that breaks and a master that is started again are waited for.

        `lost` is told of each time that begins.

        Raises:
            Unavailable: no master, or none came back; any other error is the master's own.
        """
        kind = operation_of(request).reply
        for line in self.lines(request, reason=reason, lost=lost):
            yield decoded(kind, line)

    def lines(self, request: Streamed[Any], *, reason: str = "", lost: Lost = unheard) -> Generator[bytes, None, None]:
        """The same as lines of JSON, as they came."""
        following = Following(self.where, request, lost)
        while True:
            trouble = None
            try:
                with closing(self._send(self._voice.question(following.request, reason), following.known)) as answer:
                    following.answered()
                    for line in self._read(answer):
                        if following.new(line):
                            yield line
                if following.over():
                    return
            except BeeyardError as error:
                trouble = error
            time.sleep(following.lost(trouble, time.monotonic()))

    def submit(self, request: Request[R], *, key: str = "", reason: str = "") -> "Job[R]":
        """Begin a job, which goes on whether or not anybody waits for it. The same key again is the same job."""
        accepted: Accepted = decoded(Accepted, self._whole(self._voice.job(request, key, reason)))
        return Job(self, accepted.job_id, operation_of(request).reply)

    def _whole(self, asked: Asked) -> bytes:
        with closing(self._send(asked)) as answer:
            try:
                return bytes(answer.read())
            except TimeoutError:
                raise self.where.silent() from None
            except (OSError, http.client.HTTPException):
                raise self.where.gone() from None

    def _read(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        while True:
            try:
                line = answer.readline()
            except (OSError, http.client.HTTPException):
                raise self.where.gone() from None
            if not line:
                return
            if not line.endswith(b"\n"):
                raise self.where.gone()
            if line != b"\n":  # Which only says that somebody is there.
                yield line

    def _send(self, asked: Asked, once: bool = False) -> http.client.HTTPResponse:
        """The answer, its body unread. `once`: who asks tries again by himself."""
        tries = Tries(self.where, asked, 0.0 if once else self._returning)
        while True:
            connection = self.where.connection()
            try:
                connection.connect()
            except OSError as error:
                connection.close()
                tries.refused(error, time.monotonic())
                time.sleep(PAUSE)
                continue
            try:
                connection.sock.settimeout(asked.patience)
                connection.request("POST", asked.path, asked.body, {**asked.headers, "Connection": "close"})
                answer = connection.getresponse()
            except TimeoutError:
                connection.close()
                raise self.where.silent() from None
            except (OSError, http.client.HTTPException):
                connection.close()
                tries.broken(time.monotonic())
                time.sleep(PAUSE)
                continue
            if answer.status >= 300:
                with closing(answer):
                    raise problem(answer.status, answer.read())
            return answer


class Job(Generic[R]):
    """A job that was accepted, or any other by its id."""

    def __init__(self, client: Client, id: str, kind: Any) -> None:
        self._client = client
        self._kind = kind
        self.id = id

    def view(self) -> JobView:
        """How it is now. Raises NotFound once it is a day old."""
        return self._client.ask(JobGet(self.id))

    def events(self, after: str | None = None) -> Generator[Event, None, None]:
        """What it told and tells, from its beginning or after a cursor, until it ended."""
        return self._client.stream(JobEvents(self.id, after))

    def wait(self) -> R:
        """The reply, once it has ended. Raises what it failed with."""
        for event in self.events():
            if event.kind == "result":
                return self.reply(event.data)
            if event.kind == "error":
                raise from_problem(event.data)
        view = self.view()  # A master that came back knows how it ended, though not what it told.
        if view.error is not None:
            raise from_problem(view.error)
        return self.reply(view.result)

    def reply(self, data: Any) -> R:
        """What a job's `result`, as its events and its view have it, is as a reply."""
        reply: R = converted(self._kind, data)
        return reply

    def cancel(self) -> JobView:
        """End it; what it had asked of the workers by then stands. Raises Refused when it had ended."""
        return self._client.ask(JobCancel(self.id))
