"""A server of one file on loopback, which answers as it should, unless a trick is next in line."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from ssl import SSLContext
from typing import NamedTuple

from beeyard.ports.repository import Source


class Request(NamedTuple):
    """What a client asked for."""

    path: str
    headers: dict[str, str]
    certified: bool = False  # by a certificate of the client

    @property
    def span(self) -> tuple[int, int] | None:
        """The range asked for; its end is not in it."""
        if (text := self.headers.get("range", "").removeprefix("bytes=")) == "":
            return None
        begin, end = text.split("-")
        return int(begin), int(end) + 1


Trick = Callable[["FileServer", Request, asyncio.StreamWriter], Awaitable[None]]


class FileServer:
    """Remembers what it was asked, and how many bytes of the file it gave."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.etag = '"one"'
        self.ranges = True
        self.tricks: deque[Trick] = deque()
        self.always: Trick | None = None
        self.asked: list[Request] = []
        self.gave = 0
        self.most = 0  # requests under way at once
        self._open = 0
        self.scheme = "http"
        self.port = 0

    @property
    def origin(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/files/caddy.tar.zst"

    @property
    def source(self) -> Source:
        return Source(self.url)

    @property
    def digest(self) -> str:
        return sha256(self.data).hexdigest()

    async def right(self, request: Request, writer: asyncio.StreamWriter, stop: int | None = None) -> None:
        """The right answer; `stop`: broken off before this byte of the file."""
        span, told = request.span, request.headers.get("if-range", self.etag)
        begin, end = span if span and self.ranges and told == self.etag else (0, len(self.data))
        lines = [f"Content-Length: {end - begin}"] + ([f"ETag: {self.etag}"] if self.etag else [])
        if span and self.ranges and told == self.etag:
            lines.append(f"Content-Range: bytes {begin}-{end - 1}/{len(self.data)}")
            head(writer, 206, *lines)
        else:
            head(writer, 200, *lines)
        body = self.data[begin : end if stop is None else min(end, stop)]
        self.gave += len(body)
        writer.write(body)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        self.most = max(self.most, self._open)
        try:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.split(": ", 1) for line in lines if line)
            headers = {name.lower(): value for name, value in pairs}
            request = Request(first.split(" ")[1], headers, bool(writer.get_extra_info("peercert")))
            self.asked.append(request)
            trick = self.tricks.popleft() if self.tricks else self.always
            await (trick(self, request, writer) if trick else self.right(request, writer))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # The client went away.
        finally:
            self._open -= 1
            writer.close()


def head(writer: asyncio.StreamWriter, status: int, *lines: str) -> None:
    """Status line and headers."""
    writer.write("\r\n".join([f"HTTP/1.1 {status} X", "Connection: close", *lines, "", ""]).encode())


def answers(status: int, *lines: str, body: bytes = b"") -> Trick:
    """Just that."""

    async def trick(server: FileServer, request: Request, writer: asyncio.StreamWriter) -> None:
        head(writer, status, *lines, f"Content-Length: {len(body)}")
        writer.write(body)

    return trick


def cuts(stop: int) -> Trick:
    """Breaks off before this byte of the file."""

    async def trick(server: FileServer, request: Request, writer: asyncio.StreamWriter) -> None:
        await server.right(request, writer, stop)

    return trick


@asynccontextmanager
async def serving(data: bytes, tls: SSLContext | None = None) -> AsyncIterator[FileServer]:
    """One that listens."""
    served = FileServer(data)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0, ssl=tls)
    served.scheme = "https" if tls else "http"
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
