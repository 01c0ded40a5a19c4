"""Where the master is served: always on its socket, and over TCP as the worker file wishes.

An address that can't be had is tried again every few seconds; meanwhile the socket serves and the reason is told. What
is let in there is for others to decide.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from beeyard.application.master import Master
from beeyard.domain.master import ListenSpec
from beeyard.entrypoints.http.app import application
from beeyard.entrypoints.http.binding import WAITING, Unbound, bind, port_of, url
from beeyard.entrypoints.http.door import DOOR, IDLE, Door
from beeyard.entrypoints.http.headers import finish
from beeyard.entrypoints.http.login import Login
from beeyard.entrypoints.http.server import Runner
from beeyard.entrypoints.http.tls import Certificates, Unusable

LOOK = 5.0
"""Seconds between two tries to get an address, and between two looks at the files of the certificate."""
DRAIN = 2.0
"""Seconds that requests under way have to end, when their address is given up or the master ends."""
LINGER = 2.0
"""Seconds in which the rest of a request is read that was answered before its end."""
PORT = "port"
"""The fact that says which port was the last: links and bookmarks outlive the master."""

log = logging.getLogger("beeyard")


@asynccontextmanager
async def serving(master: Master, path: str) -> AsyncIterator[None]:
    """Serve on this socket, and over TCP, while the block runs; requests under way get a moment to end."""
    with suppress(FileNotFoundError):
        os.unlink(path)
    runner = Runner(application(master), access_log=None, shutdown_timeout=DRAIN, handler_cancellation=True)
    await runner.setup()
    before = os.umask(0o177)
    try:
        await web.UnixSite(runner, path, backlog=WAITING).start()
    finally:
        os.umask(before)
    network = Network(master)
    following = asyncio.ensure_future(network.follow())
    try:
        yield
    finally:
        master.ending = True
        following.cancel()
        await asyncio.wait({following})
        await asyncio.gather(runner.cleanup(), network.leave())
        with suppress(FileNotFoundError):
            os.unlink(path)


def face(master: Master) -> web.Application:
    """What is served over TCP: the API and the pages."""
    app = application(master)
    Login(master).add_to(app)
    app.on_response_prepare.append(finish)
    return app


class Network:
    """The master's address on the network, kept as it is wished."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._listening = master.listening
        self._listening.network = "changing"
        self._taken: ListenSpec | None = None
        self._certificates: Certificates | None = None
        self._door: Door | None = None
        self._runner: Runner | None = None
        self._draining: set[asyncio.Task[None]] = set()

    async def follow(self) -> None:
        """For as long as the master serves."""
        while True:
            self._listening.changed.clear()
            try:
                await self._take(self._listening.wish)
            except Exception:
                log.exception("the address on the network could not be changed: this is a bug in Beeyard")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._listening.changed.wait()

    async def leave(self) -> None:
        """Give the address up. Returns when nobody is served there any more."""
        await self._leave()
        await asyncio.gather(*self._draining)

    async def _take(self, wish: ListenSpec) -> None:
        if self._door is None or self._taken is None or _bound(wish) != _bound(self._taken):
            await self._move(wish)
        elif self._certificates is not None:
            self._renew(self._certificates)
        self._taken = wish

    async def _move(self, wish: ListenSpec) -> None:
        """Away from where we are, to where we are wished."""
        await self._leave()
        if wish.address == "none":
            self._listening.tell(None, "off")
            return
        try:
            certificates = Certificates(wish) if wish.certificate else None
            last = self._master.records.facts.get(PORT, "")
            listeners = await bind(wish, int(last) if last.isdecimal() else 0)
        except (Unbound, Unusable) as error:
            if self._listening.network != str(error):
                log.error("not served on the network: %s; trying again", error)
            self._listening.tell(None, str(error))
            return
        app = face(self._master)
        self._runner = Runner(
            app,
            access_log=None,
            shutdown_timeout=DRAIN,
            handler_cancellation=True,
            keepalive_timeout=IDLE,
            lingering_time=LINGER,
        )
        self._certificates = certificates
        self._door = app[DOOR] = Door(self._runner, lambda: None if certificates is None else certificates.context)
        await self._runner.setup()
        self._door.open(listeners)
        self._master.records.fact(PORT, str(port_of(listeners)))
        self._listening.tell(url(wish, port_of(listeners)), "ok")
        log.info("served at %s", self._listening.url)

    def _renew(self, certificates: Certificates) -> None:
        if certificates.renew():
            log.info("the certificate was renewed")
        if certificates.trouble and self._listening.network != certificates.trouble:
            log.error("the old certificate stays: %s", certificates.trouble)
        self._listening.tell(self._listening.url, certificates.trouble or "ok")

    async def _leave(self) -> None:
        """Take no more connections, and let requests under way end beside everything else."""
        if self._door is None or self._runner is None:
            return
        self._listening.tell(None, "changing")
        await self._door.close()
        draining = asyncio.ensure_future(self._runner.cleanup())
        self._draining.add(draining)
        draining.add_done_callback(self._draining.discard)
        self._door = self._runner = None


def _bound(wish: ListenSpec) -> tuple[str, ...]:
    """What of a wish takes another listener; names are looked up with each request."""
    return wish.address, wish.certificate, wish.key, wish.client_ca
