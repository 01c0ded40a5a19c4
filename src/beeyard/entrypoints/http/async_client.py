"""The client for programs that have an event loop: the same questions and answers, over connections that are kept.

async with beeyard.AsyncClient() as client:
    async for event in client.stream(beeyard.Events()):
        print(event.kind, event.worker)
"""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Generic, Self, TypeVar

import aiohttp

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
from beeyard.entrypoints.http.where import CONNECT, Home, keep_alive, where

R = TypeVar("R")


class AsyncClient:
    """Asks one master, at the socket of its state folder or at its URL. Belongs to one event loop."""

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
        """Connects to nothing yet; the arguments are those of `Client`. Raises Invalid likewise."""
        self.where = where(state_dir, url, token, ca, certificate)
        self._voice = Voice(self.where.token, reason, operator)
        self._returning = returning
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections. Harmless twice; whoever asks again makes new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def ask(self, request: Request[R], *, reason: str = "") -> R:
        """The reply. Raises Unavailable: no master, or none that answers; any other error is the master's own."""
        reply: R = decoded(operation_of(request).reply, await self.raw(request, reason=reason))
        return reply

    async def raw(self, request: Request[Any], *, reason: str = "") -> bytes:
        """The reply's JSON, as it came. Raises as `ask` does."""
        return await self._whole(self._voice.question(request, reason))

    async def stream(self, request: Streamed[R], *, reason: str = "", lost: Lost = unheard) -> AsyncGenerator[R, None]:
        """The replies as they come. A connection that breaks and a master that is started again are waited for.

        `lost` is told of each time that begins.

        Raises:
            Unavailable: no master, or none came back; any other error is the master's own.
        """
        kind = operation_of(request).reply
        async with aclosing(self.lines(request, reason=reason, lost=lost)) as lines:
            async for line in lines:
                yield decoded(kind, line)

    async def lines(
        self, request: Streamed[Any], *, reason: str = "", lost: Lost = unheard
    ) -> AsyncGenerator[bytes, None]:
        """The same as lines of JSON, as they came."""
        following = Following(self.where, request, lost)
        while True:
            trouble = None
            try:
                asked = self._voice.question(following.request, reason)
                async with self._sent(asked, following.known) as answer:
                    following.answered()
                    async with aclosing(self._read(answer)) as lines:
                        async for line in lines:
                            if following.new(line):
                                yield line
                if following.over():
                    return
            except BeeyardError as error:
                trouble = error
            await asyncio.sleep(following.lost(trouble, time.monotonic()))

    async def submit(self, request: Request[R], *, key: str = "", reason: str = "") -> "AsyncJob[R]":
        """Begin a job, which goes on whether or not anybody waits for it. The same key again is the same job."""
        accepted: Accepted = decoded(Accepted, await self._whole(self._voice.job(request, key, reason)))
        return AsyncJob(self, accepted.job_id, operation_of(request).reply)

    async def _whole(self, asked: Asked) -> bytes:
        async with self._sent(asked) as answer:
            try:
                async with asyncio.timeout(asked.patience):
                    return await answer.read()
            except TimeoutError:
                raise self.where.silent() from None
            except (aiohttp.ClientError, OSError):
                raise self.where.gone() from None

    async def _read(self, answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
        rest = b""
        try:
            async for piece in answer.content.iter_any():
                *lines, rest = (rest + piece).split(b"\n")
                for line in filter(None, lines):  # An empty one only says that somebody is there.
                    yield line + b"\n"
        except (aiohttp.ClientError, OSError):
            raise self.where.gone() from None
        if rest:
            raise self.where.gone()

    @asynccontextmanager
    async def _sent(self, asked: Asked, once: bool = False) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, its body unread. `once`: who asks tries again by himself."""
        tries = Tries(self.where, asked, 0.0 if once else self._returning)
        url = self.where.base + asked.path
        while True:
            try:
                async with asyncio.timeout(asked.patience):
                    answer = await self._connected().post(
                        url, data=asked.body, headers=asked.headers, allow_redirects=False
                    )
                break
            except aiohttp.ClientConnectorCertificateError as error:
                tries.refused(error.certificate_error, time.monotonic())
            except aiohttp.ClientConnectorError as error:
                tries.refused(error.os_error, time.monotonic())
            except aiohttp.ConnectionTimeoutError as error:
                tries.refused(error, time.monotonic())
            except TimeoutError:
                raise self.where.silent() from None
            except (aiohttp.ClientError, OSError):
                tries.broken(time.monotonic())
            await asyncio.sleep(PAUSE)
        async with answer:
            if answer.status >= 300:
                raise problem(answer.status, await answer.read())
            yield answer

    def _connected(self) -> aiohttp.ClientSession:
        """Made with the first question: it takes a loop that runs."""
        if self._session is None:
            connector: aiohttp.BaseConnector
            if isinstance(self.where, Home):
                connector = aiohttp.UnixConnector(self.where.paths.master_socket, limit=0)
            else:
                connector = aiohttp.TCPConnector(ssl=self.where.tls or True, limit=0, socket_factory=_socket)
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self._session


class AsyncJob(Generic[R]):
    """A job that was accepted, or any other by its id."""

    def __init__(self, client: AsyncClient, id: str, kind: Any) -> None:
        self._client = client
        self._kind = kind
        self.id = id

    async def view(self) -> JobView:
        """How it is now. Raises NotFound once it is a day old."""
        return await self._client.ask(JobGet(self.id))

    def events(self, after: str | None = None) -> AsyncGenerator[Event, None]:
        """What it told and tells, from its beginning or after a cursor, until it ended."""
        return self._client.stream(JobEvents(self.id, after))

    async def wait(self) -> R:
        """The reply, once it has ended. Raises what it failed with."""
        async with aclosing(self.events()) as events:
            async for event in events:
                if event.kind == "result":
                    return self.reply(event.data)
                if event.kind == "error":
                    raise from_problem(event.data)
        view = await self.view()  # A master that came back knows how it ended, though not what it told.
        if view.error is not None:
            raise from_problem(view.error)
        return self.reply(view.result)

    def reply(self, data: Any) -> R:
        """What a job's `result`, as its events and its view have it, is as a reply."""
        reply: R = converted(self._kind, data)
        return reply

    async def cancel(self) -> JobView:
        """End it; what it had asked of the workers by then stands. Raises Refused when it had ended."""
        return await self._client.ask(JobCancel(self.id))


def _socket(address: Any) -> socket.socket:
    family, kind, protocol, _, _ = address
    sock = socket.socket(family, kind, protocol)
    sock.setblocking(False)
    keep_alive(sock)
    return sock
