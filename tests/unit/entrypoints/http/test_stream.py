"""Streams over real sockets, on both loops: what stands in them, and what becomes of readers that don't keep up."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiohttp import web
from msgspec import Raw

from beeyard.application.feed import Event, Feed
from beeyard.domain.errors import NotFound
from beeyard.entrypoints.http import stream as module
from beeyard.entrypoints.http.stream import Streams
from beeyard.ports.logs import LogLine

EVENTS = {"Accept": "text/event-stream"}
Batches = Callable[[], AsyncIterator[list[Any]]]


def on_both_loops(test: Callable[[Path], Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """The two loops buffer in ways of their own."""

    @pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
    def run(loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path) -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(test(tmp_path))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


class Peer:
    """One connection that asked for the stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        self.reader, self._writer = reader, writer
        self.status, self.head = int(head.split()[1]), head.decode()

    async def chunk(self) -> bytes:
        """The next write of the other side; b"" at the proper end."""
        size = int(await self.reader.readline(), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def rest(self) -> bytes:
        """All there is to come, to the proper end."""
        found = []
        while chunk := await self.chunk():
            found.append(chunk)
        return b"".join(found)

    def close(self) -> None:
        """Leave."""
        self._writer.close()


class Face:
    """A server with one stream, and those who ask for it."""

    def __init__(self, path: str, streams: Streams, runner: web.AppRunner) -> None:
        self.path, self.streams, self.runner = path, streams, runner
        self.peers: list[Peer] = []

    async def peer(self, **headers: str) -> Peer:
        """Ask, and read the answer's head; nothing else is read unless the test does."""
        reader, writer = await asyncio.open_unix_connection(self.path, limit=4096)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        self.peers.append(Peer(reader, writer, await reader.readuntil(b"\r\n\r\n")))
        return self.peers[-1]


@asynccontextmanager
async def face(folder: Path, batches: Batches, **options: float) -> AsyncIterator[Face]:
    """What `batches` makes, served as the master serves it."""
    streams = Streams(**options)

    async def handler(request: web.Request) -> web.StreamResponse:
        return await streams.answer(batches(), "name", request)

    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=30)
    await runner.setup()
    await web.UnixSite(runner, str(folder / "s")).start()
    made = Face(str(folder / "s"), streams, runner)
    try:
        yield made
    finally:
        for peer in made.peers:
            peer.close()
        streams.end()
        await runner.cleanup()


def follow(feed: Feed) -> Batches:
    """Everybody from the oldest event on."""
    return lambda: feed.read("")


def tell(feed: Feed, count: int, size: int = 10) -> None:
    """So many things happen."""
    for _ in range(count):
        feed.tell("worker", 1.0, lambda: "x" * size, "web")


async def until(reached: Callable[[], bool]) -> None:
    """Wait for it."""
    end = asyncio.get_running_loop().time() + 30
    while not reached():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.001)


@on_both_loops
async def test_events_have_id_kind_and_data_and_begin_with_when_to_come_back(tmp_path: Path) -> None:
    """As browsers read them; nothing on the way may keep them or hold them back."""
    feed = Feed("e")
    async with face(tmp_path, follow(feed)) as served:
        peer = await served.peer(**EVENTS)
        assert "Content-Type: text/event-stream\r\n" in peer.head
        assert "Cache-Control: no-store\r\n" in peer.head
        assert "X-Accel-Buffering: no\r\n" in peer.head
        assert await peer.chunk() == b"retry: 1000\n\n"
        feed.tell("worker", 1.5, lambda: {"text": "a\nb\r\nc"}, "web")
        data = b'{"cursor":"e-1","kind":"worker","at":1.5,"worker":"web","data":{"text":"a\\nb\\r\\nc"}}'
        assert await peer.chunk() == b"id: e-1\nevent: worker\ndata: " + data + b"\n\n"


@on_both_loops
async def test_lines_are_replies_and_nothing_else(tmp_path: Path) -> None:
    """However long the silence between them."""
    feed = Feed("e")
    tell(feed, 2)
    async with face(tmp_path, follow(feed), beat=0.001) as served:
        peer, other = await served.peer(), await served.peer(**EVENTS)
        assert "Content-Type: application/x-ndjson\r\n" in peer.head
        while await other.chunk() != b":\n\n":
            pass
        feed.end()
        assert [json.loads(line)["cursor"] for line in (await peer.rest()).splitlines()] == ["e-1", "e-2"]


@on_both_loops
async def test_a_line_of_a_log_is_an_event_and_so_is_a_gap_in_it(tmp_path: Path) -> None:
    """A line without a cursor leaves the last one standing; what is no struct is named like what was asked."""

    async def lines() -> AsyncIterator[list[Any]]:
        yield [LogLine("web", "stdout", 1.0, "hello"), LogLine("web", "stdout", None, "lost", "c", True), Raw(b"{}")]

    async with face(tmp_path, lines) as served:
        assert await (await served.peer(**EVENTS)).rest() == (
            b"retry: 1000\n\n"
            b'event: line\ndata: {"worker":"web","stream":"stdout","at":1.0,"text":"hello"}\n\n'
            b'id: c\nevent: gap\ndata: {"worker":"web","stream":"stdout","at":null,"text":"lost",'
            b'"cursor":"c","gap":true}\n\n'
            b"event: name\ndata: {}\n\n"
        )


@on_both_loops
async def test_silence_is_broken_by_comments(tmp_path: Path) -> None:
    """Again and again, so that a peer that died is noticed."""
    async with face(tmp_path, follow(Feed("e")), beat=0.001) as served:
        peer = await served.peer(**EVENTS)
        assert [await peer.chunk() for _ in range(3)] == [b"retry: 1000\n\n", b":\n\n", b":\n\n"]


@on_both_loops
async def test_whoever_has_it_all_is_told_not_to_come_back(tmp_path: Path) -> None:
    """A browser would else ask for an ended job once a second for ever; who reads lines gets none."""
    feed = Feed("e")
    feed.end()
    async with face(tmp_path, follow(feed)) as served:
        assert (await served.peer(**EVENTS)).status == 204
        peer = await served.peer()
        assert (peer.status, await peer.rest()) == (200, b"")


@on_both_loops
async def test_an_error_before_the_first_batch_is_raised(tmp_path: Path) -> None:
    """Nothing has been sent, so it can be answered as what it is."""

    async def none() -> AsyncIterator[list[Any]]:
        for _ in ():
            yield []
        raise NotFound("gone", "it is gone")

    raised = []

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            return await Streams().answer(none(), "name", request)
        except NotFound as error:
            raised.append(error.code)
            return web.Response(status=404)

    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "s")).start()
    peer = await Face(str(tmp_path / "s"), Streams(), runner).peer()
    assert (peer.status, raised) == (404, ["gone"])
    peer.close()
    await runner.cleanup()


@on_both_loops
async def test_a_reader_that_takes_nothing_is_cut_off_and_the_others_go_on(tmp_path: Path) -> None:
    """Its connection breaks; with its cursor it could come back."""
    feed = Feed("e", kept=10**5)
    async with face(tmp_path, follow(feed), stuck=0.05) as served:
        await served.peer()
        good = await served.peer()
        reading = asyncio.ensure_future(good.rest())
        tell(feed, 500, 4000)
        await until(lambda: len(served.streams._open) == 1)
        tell(feed, 1)
        feed.end()
        assert len((await reading).splitlines()) == 501


@on_both_loops
async def test_a_reader_stuck_at_a_comment_is_cut_off(tmp_path: Path) -> None:
    """Nothing else may ever be written to it."""
    feed = Feed("e")
    async with face(tmp_path, follow(feed), beat=0.0005, stuck=0.05) as served:
        peer = await served.peer(**EVENTS)
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: not served.streams._open)


@on_both_loops
async def test_a_reader_that_is_merely_slow_is_told_what_it_missed_and_goes_on(tmp_path: Path) -> None:
    """It is not cut off as long as it takes anything."""
    feed = Feed("e", kept=200)
    async with face(tmp_path, follow(feed)) as served:
        peer = await served.peer()
        await until(lambda: bool(served.streams._open))
        for _ in range(20):
            tell(feed, 100, 4000)
            await asyncio.sleep(0)
        await until(lambda: served.streams.flowing == 0)
        tell(feed, 1000)
        feed.end()
        found = [json.loads(line) for line in (await peer.rest()).splitlines()]
    number = 0
    for event in found:
        number += event["data"]["missed"] if event["kind"] == "gap" else 1
        assert event["cursor"] == f"e-{number}"
    assert number == feed.told
    assert any(event["kind"] == "gap" for event in found)


@on_both_loops
async def test_what_is_kept_for_a_stuck_reader_does_not_grow(tmp_path: Path) -> None:
    """One write at most, however much is told: neither in the transport, nor events that the feed let go of."""
    feed = Feed("e", kept=100)
    made: list[int] = []
    async with face(tmp_path, follow(feed)) as served:
        for _ in range(5):
            await served.peer()
        await until(lambda: len(served.streams._open) == 5)
        for _ in range(200):
            tell(feed, 50, 3000)
            await asyncio.sleep(0)
        await until(lambda: served.streams.flowing == 0)
        for reader in served.streams._open:
            sock = reader._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * module.KERNEL
            made.append(reader._transport.get_write_buffer_size())
        assert max(made) <= module.WRITE + 4096


@on_both_loops
async def test_an_event_is_encoded_once_for_all_readers(tmp_path: Path) -> None:
    """And once more in the other form."""
    feed, encoded = Feed("e"), []

    def counted(write: Callable[[str, Any], bytes]) -> Callable[[str, Any], bytes]:
        def counting(name: str, reply: Any) -> bytes:
            encoded.append(reply)
            return write(name, reply)

        return counting

    async with face(tmp_path, follow(feed)) as served:
        for wire in (served.streams._lines, served.streams._events):
            wire._write = counted(wire._write)
        peers = [await served.peer(**headers) for headers in (EVENTS, {}, EVENTS, {})]
        tell(feed, 3)
        feed.end()
        assert [(await peer.rest()).count(b'"cursor"') for peer in peers] == [3, 3, 3, 3]
    assert len(encoded) == 6


@on_both_loops
async def test_encoded_events_are_not_kept_for_ever(tmp_path: Path) -> None:
    """A bounded number of them, and the right one even where an address in memory is used again."""
    wire = Streams()._lines
    for number in range(5000):
        event = Event(f"e-{number}", "worker", 1.0, None, number)
        assert json.loads(wire.encode("name", event))["data"] == number
    assert len(wire._known) <= 1024


@on_both_loops
async def test_readers_leave_most_of_the_loop_to_others(tmp_path: Path) -> None:
    """After each batch one rests the longer, the more there are; stuck ones don't count."""
    feed = Feed("e", kept=10)
    async with face(tmp_path, follow(feed)) as served:
        assert served.streams.rest() == 0.0
        for _ in range(3):
            await served.peer()
        await until(lambda: served.streams.flowing == 3)
        assert served.streams.rest() == 3 * module.REST
        for _ in range(100):
            tell(feed, 10, 20_000)
            await asyncio.sleep(0.001)
        await until(lambda: served.streams.flowing == 0)
        assert served.streams.rest() == 0.0


@on_both_loops
async def test_the_end_is_told_after_all_there_is(tmp_path: Path) -> None:
    """Events get a word of farewell; lines end properly; who takes nothing is cut off at once."""
    feed = Feed("e")
    quiet = Feed("q")

    async def both() -> AsyncIterator[list[Any]]:
        async for batch in feed.read(""):
            yield batch
        async for batch in quiet.read(None):  # Which has no end, as a log has none.
            yield batch

    async with face(tmp_path, both, stuck=1e6) as served:
        events, lines, stuck = await served.peer(**EVENTS), await served.peer(), await served.peer()
        assert await events.chunk() == b"retry: 1000\n\n"
        reading = asyncio.ensure_future(events.rest()), asyncio.ensure_future(lines.rest())
        tell(feed, 100, 20_000)
        await until(lambda: served.streams.flowing == 2)
        feed.end()
        served.streams.end()
        told, written = await reading[0], await reading[1]
        assert told.count(b"event: worker") == written.count(b"\n") == 100
        assert told.endswith(b'event: end\ndata: {"reason":"closing","hint":"come back with the last id"}\n\n')
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError, ValueError)):
            await stuck.rest()
        await served.runner.cleanup()


@on_both_loops
async def test_whoever_leaves_ends_what_was_made_for_it(tmp_path: Path) -> None:
    """The operation is told, and nothing is kept."""
    left = asyncio.Event()

    async def endless() -> AsyncIterator[list[Any]]:
        try:
            yield [1]
            await asyncio.Event().wait()
        finally:
            left.set()

    async with face(tmp_path, endless) as served:
        (await served.peer()).close()
        await asyncio.wait_for(left.wait(), 30)
        await until(lambda: served.streams.flowing == 0 and not served.streams._open)
