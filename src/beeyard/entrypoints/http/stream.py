"""Answers that go on: one JSON object a line, or server-sent events for those who accept them.

Decides how fast and for how long: who takes nothing for a while is cut off, who is slow gets the next replies later,
and all readers together leave most of the loop to others. What is kept for a reader is one write at most; what it
missed, the operation tells it. Whoever is cut off can come back with the last cursor it got.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Any, cast

from aiohttp import web
from aiohttp.http import StreamWriter

from beeyard.entrypoints.http.wire import Wire, events, lines

BEAT = 15.0
"""Seconds of silence after which events carry a comment: a dead peer is noticed, and proxies keep the connection."""
STUCK = 30.0
"""Seconds after which a reader that took nothing is cut off."""
LAST = 0.25
"""Seconds that readers have for what was told before the master ends."""
REST = 0.0005
"""Seconds a reader rests after each batch, times the readers there are: a batch costs the loop a tenth of it."""
WRITE = 16 * 1024
"""Bytes of one write, a single reply being as long as it is."""
KERNEL = 64 * 1024
"""Bytes that the kernel buffers for one reader; it takes megabytes for a stuck one if it is let."""

_DEAD_PEERS = ((socket.TCP_USER_TIMEOUT, int(STUCK * 1000)), (socket.TCP_KEEPIDLE, int(BEAT * 4)))


class Streams:
    """All streams of one HTTP face."""

    def __init__(self, *, beat: float = BEAT, stuck: float = STUCK) -> None:
        self.ending = False
        self.stuck = stuck
        self.flowing = 0
        self._beat = beat
        self._lines, self._events = lines(), events()
        self._open: set[_Reader] = set()
        self._heart: asyncio.Task[None] | None = None

    async def answer(self, batches: AsyncIterator[list[Any]], name: str, request: web.Request) -> web.StreamResponse:
        """Write batches as they come; a reader who left ends it. `name` is the event's where a reply has no kind.

        An error before the first batch is raised: nothing has been sent yet. Where no more events will come the answer
        is 204, after which a browser does not ask again.
        """
        wire = self._events if "text/event-stream" in request.headers.get("Accept", "") else self._lines
        async with aclosing(cast(AsyncGenerator[list[Any]], batches)):
            first = await anext(batches, None)
            if first is None and wire is self._events:
                return web.Response(status=204)
            # X-Accel-Buffering: nginx would else gather a stream that is buffered by default.
            headers = {"Content-Type": wire.type, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            response = web.StreamResponse(headers=headers)
            await response.prepare(request)
            reader = _Reader(self, request, wire, name)
            self._open.add(reader)
            self.flowing += 1
            if self._heart is None and wire.comment:
                self._heart = asyncio.get_running_loop().create_task(self._beats())
            try:
                with suppress(ConnectionError):
                    await reader.run(first or [], batches)
            finally:
                self._open.discard(reader)
                self.flowing -= 1
                reader.release()
        return response

    def end(self) -> None:
        """The master ends: readers get what there is, and a word of farewell; those that take nothing are cut off."""
        self.ending = True
        if self._heart is not None:
            self._heart.cancel()
        for reader in self._open:
            reader.end()

    def rest(self) -> float:
        """Seconds that a reader leaves to others after a batch."""
        return 0.0 if self.ending else REST * self.flowing

    async def _beats(self) -> None:
        while self._open:
            await asyncio.sleep(self._beat / 2)
            for reader in list(self._open):
                with suppress(ConnectionError):
                    await reader.beat(self._beat)
                await asyncio.sleep(0)
        self._heart = None


class _Reader:
    """One connection that takes a stream."""

    def __init__(self, streams: Streams, request: web.Request, wire: Wire, name: str) -> None:
        assert request.transport is not None
        self._streams = streams
        self._wire = wire
        self._name = name
        self._protocol = request.protocol
        self._transport = request.transport
        self._writer = cast(StreamWriter, request.writer)
        self._until = asyncio.timeout(None)
        self._loop = asyncio.get_running_loop()
        self._wrote = self._loop.time()
        self._left = 0
        self._transport.set_write_buffer_limits(0)  # Any byte that the kernel did not take pauses us.
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL)
        if sock.family != socket.AF_UNIX:
            for option, value in _DEAD_PEERS:
                sock.setsockopt(socket.IPPROTO_TCP, option, value)

    @property
    def paused(self) -> bool:
        """Whether it has not taken yet what was written."""
        return self._protocol.writing_paused

    async def run(self, first: list[Any], batches: AsyncIterator[list[Any]]) -> None:
        """Write until the batches end, or `end` was called. Raises ConnectionError for one that is gone or stuck."""
        try:
            async with self._until:
                if self._wire.hello:
                    await self._put(self._wire.hello)
                    await self._taken()
                batch: list[Any] | None = first
                while batch is not None:
                    await self._write(batch)
                    if rest := self._streams.rest():
                        await asyncio.sleep(rest)
                    batch = await anext(batches, None)
        except TimeoutError:
            if not self._until.expired():
                raise
        if self._streams.ending and self._wire.farewell:
            await self._put(self._wire.farewell)
            await self._taken()

    def end(self) -> None:
        """No more than a moment from now on."""
        if self.paused:
            self._transport.abort()
        else:
            self._until.reschedule(self._loop.time() + LAST)

    def release(self) -> None:
        """The connection is for other requests again."""
        self._transport.set_write_buffer_limits()

    async def beat(self, silence: float) -> None:
        """After so long a silence, a comment; a reader that did not even take the one before is cut off in the end."""
        silent = self._loop.time() - self._wrote
        left, self._left = self._left, self._transport.get_write_buffer_size()
        if self.paused:
            if silent >= self._streams.stuck and self._left >= left:
                self._transport.abort()
        elif silent >= silence and self._wire.comment:
            await self._put(self._wire.comment)

    async def _write(self, batch: list[Any]) -> None:
        """A batch, in writes of bounded size; what was written is let go of."""
        batch.reverse()
        while batch:
            pieces, size = [], 0
            while batch and size < WRITE:
                pieces.append(self._wire.encode(self._name, batch.pop()))
                size += len(pieces[-1])
            await self._put(b"".join(pieces))
            pieces.clear()
            await self._taken()

    async def _taken(self) -> None:
        """Returns when the kernel has it all. Raises ConnectionError when it took nothing for too long."""
        if self.paused:
            self._streams.flowing -= 1
            try:
                await self._drained()
            finally:
                self._streams.flowing += 1

    async def _drained(self) -> None:
        while self.paused:
            left = self._transport.get_write_buffer_size()
            try:
                async with asyncio.timeout(self._streams.stuck):
                    await self._writer.drain()
            except TimeoutError:
                if self._transport.get_write_buffer_size() >= left:
                    self._transport.abort()
                    raise ConnectionResetError("the reader takes nothing") from None

    async def _put(self, data: bytes) -> None:
        self._wrote = self._loop.time()
        await self._writer.write(data, drain=False)
