"""Lets connections in over TCP: how many at once, and for how long who has not said who they are.

A connection is a stranger's until one of its requests had a token. Strangers have ten seconds and places of their own,
so that however many come, and whatever they send or don't, they are in nobody's way. Knows nothing of requests.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Sequence

from aiohttp import web

from beeyard.domain.address import neighbours

STRANGERS = 256
"""Connections of which it is not known whose they are; one more, and the oldest of them has to go."""
NEIGHBOURS = 64
"""The same for those of one address: whoever floods us takes places from nobody else."""
KNOWN = 4096
"""Connections of those who showed a token."""
GRACE = 10.0
"""Seconds for the handshake, a first request and its token; no stranger's answer takes longer than that either."""
IDLE = 75.0
"""Seconds that a known connection is kept between two requests, the headers of the second included."""
PAUSE = 0.5
"""Seconds until the next try to accept, where the system has no more sockets."""

log = logging.getLogger("beeyard")


class _Stranger:
    """One connection, until it is known whose it is: first it is `entering`, then it has a transport."""

    def __init__(self, home: str, leaves: asyncio.TimerHandle) -> None:
        self.home = home
        self.leaves = leaves
        self.entering: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport | None = None

    def see_out(self) -> None:
        """At once: `close` would wait until somebody has read all that was written."""
        self.leaves.cancel()
        if self.entering is not None:
            self.entering.cancel()
        if self.transport is not None:
            self.transport.abort()


class Door:
    """In front of one HTTP server; `tls` is asked anew for each connection."""

    def __init__(self, runner: web.AppRunner, tls: Callable[[], ssl.SSLContext | None]) -> None:
        self._runner = runner
        self._tls = tls
        self._listeners: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._strangers: dict[web.RequestHandler, _Stranger] = {}

    def open(self, listeners: Sequence[socket.socket]) -> None:
        """Take connections from these sockets, which are closed with the door."""
        self._listeners += listeners
        self._accepting += [asyncio.ensure_future(self._accept(listener)) for listener in listeners]

    async def close(self) -> None:
        """Take no more, and see out who has not said who they are; all others stay."""
        for task in self._accepting:
            task.cancel()
        await asyncio.wait(self._accepting)
        for listener in self._listeners:
            listener.close()
        for protocol in list(self._strangers):
            self._see_out(protocol)

    def welcome(self, protocol: web.RequestHandler) -> None:
        """This connection is a stranger's no more."""
        if stranger := self._strangers.pop(protocol, None):
            stranger.leaves.cancel()

    async def _accept(self, listener: socket.socket) -> None:
        told = ""
        while True:
            try:
                sock, name = await asyncio.get_running_loop().sock_accept(listener)
            except OSError as error:
                if told != (told := str(error.strerror)):
                    log.warning("no connection can be taken: %s", told)
                await asyncio.sleep(PAUSE)
            else:
                self._admit(sock, neighbours(name[0]))

    def _admit(self, sock: socket.socket, home: str) -> None:
        self._make_room(home)
        server = self._runner.server
        if server is None or len(server.connections) >= KNOWN + STRANGERS:
            sock.close()
            return
        protocol = server()
        leaves = asyncio.get_running_loop().call_later(GRACE, self._see_out, protocol)
        stranger = self._strangers[protocol] = _Stranger(home, leaves)
        stranger.entering = asyncio.ensure_future(self._enter(protocol, stranger, sock))

    async def _enter(self, protocol: web.RequestHandler, stranger: _Stranger, sock: socket.socket) -> None:
        tls = self._tls()
        timeout = None if tls is None else GRACE
        loop = asyncio.get_running_loop()
        try:
            stranger.transport, _ = await loop.connect_accepted_socket(
                lambda: protocol, sock, ssl=tls, ssl_handshake_timeout=timeout, ssl_shutdown_timeout=timeout
            )
        except OSError:  # What strangers do wrong in a handshake is for them to know: here it would fill the log.
            self.welcome(protocol)
        finally:
            stranger.entering = None

    def _make_room(self, home: str) -> None:
        """Forget those who leave, and if that is not enough, see out whoever stands there longest."""
        for protocol, stranger in list(self._strangers.items()):
            if stranger.transport is not None and stranger.transport.is_closing():
                self._see_out(protocol)
        same = [protocol for protocol, stranger in self._strangers.items() if stranger.home == home]
        if len(same) >= NEIGHBOURS:
            self._see_out(same[0])
        elif len(self._strangers) >= STRANGERS:
            self._see_out(next(iter(self._strangers)))

    def _see_out(self, protocol: web.RequestHandler) -> None:
        if stranger := self._strangers.pop(protocol, None):
            stranger.see_out()


DOOR = web.AppKey("door", Door)
