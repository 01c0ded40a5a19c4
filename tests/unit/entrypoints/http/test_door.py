"""Connections over TCP: strangers have few places and little time, and neither is others' loss."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from beeyard.entrypoints.http import door as doors
from beeyard.entrypoints.http.door import DOOR, Door

ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class House:
    """A server behind a door. Whoever asks for / is known from then on."""

    def __init__(self, port: int, door: Door) -> None:
        self.door = door
        self._port = port
        self._writers: dict[asyncio.StreamReader, asyncio.StreamWriter] = {}

    async def knock(self, say: bytes = b"", home: str = "127.0.0.1") -> asyncio.StreamReader:
        """Connect from there, and say this."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(home, 0))
        self._writers[reader] = writer
        writer.write(say)
        return reader

    async def enter(self) -> asyncio.StreamReader:
        """Connect, and be known."""
        reader = await self.knock()
        await self.ask(reader)
        return reader

    async def ask(self, reader: asyncio.StreamReader) -> None:
        """Be answered on this connection."""
        self._writers[reader].write(ASK)
        assert (await reader.readuntil(b"welcome")).startswith(b"HTTP/1.1 200 OK")

    def leave(self) -> None:
        """Close all connections."""
        for writer in self._writers.values():
            writer.close()


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    """While the block runs."""

    async def welcome(request: web.Request) -> web.Response:
        request.app[DOOR].welcome(request.protocol)
        return web.Response(text="welcome")

    app = web.Application()
    app.router.add_get("/", welcome)
    runner = web.AppRunner(app)
    door = app[DOOR] = Door(runner, lambda: None)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    door.open([listener])
    made = House(listener.getsockname()[1], door)
    try:
        yield made
    finally:
        made.leave()
        await door.close()
        await runner.cleanup()


async def end(reader: asyncio.StreamReader) -> bool:
    """Wait until the other side has hung up."""
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


async def test_one_stranger_too_many_and_the_oldest_has_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who are known take no stranger's place."""
    monkeypatch.setattr(doors, "STRANGERS", 2)
    async with house() as made:
        known = await made.enter()
        first, second, third = [await made.knock() for _ in range(3)]
        assert await end(first)
        assert not second.at_eof()
        assert not third.at_eof()
        assert not known.at_eof()
        await made.enter()


async def test_a_flood_takes_places_from_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one address there may be so many; one more, and the oldest of these has to go."""
    monkeypatch.setattr(doors, "NEIGHBOURS", 2)
    async with house() as made:
        other = await made.knock(home="127.0.0.2")
        flood = [await made.knock() for _ in range(10)]
        assert [await end(reader) for reader in flood[:-2]] == [True] * 8
        assert not other.at_eof()
        assert not any(reader.at_eof() for reader in flood[-2:])


async def test_whoever_says_nothing_has_to_go_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """As has who says half a request."""
    monkeypatch.setattr(doors, "GRACE", 0.05)
    async with house() as made:
        known = await made.enter()
        silent, slow = await made.knock(), await made.knock(ASK[:-2])
        assert await end(silent)
        assert await end(slow)
        assert not known.at_eof()


async def test_there_is_an_end_to_the_known_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """The master has other uses for its files."""
    monkeypatch.setattr(doors, "GRACE", 3600.0)
    monkeypatch.setattr(doors, "KNOWN", 1)
    monkeypatch.setattr(doors, "STRANGERS", 1)
    async with house() as made:
        known = [await made.enter(), await made.enter()]
        assert await end(await made.knock())
        assert not any(reader.at_eof() for reader in known)


async def test_a_closed_door_leaves_in_peace_who_is_known() -> None:
    """Strangers go, and nobody comes any more."""
    async with house() as made:
        known, stranger = await made.enter(), await made.knock()
        await made.door.close()
        assert await end(stranger)
        await made.ask(known)
        with pytest.raises(ConnectionRefusedError):
            await made.knock()
