"""What a request over TCP must be like, whoever sends it: meant for this host, and not sent by a foreign page.

Refuses to know who may do what. Strangers who fail are slowed down and written into the journal, within bounds.
"""

import re
import socket
from collections.abc import Collection
from contextlib import suppress

from aiohttp import web

from beeyard.application.master import Master
from beeyard.domain import address
from beeyard.domain.errors import BeeyardError, Denied, Limited
from beeyard.domain.failures import Failures
from beeyard.ports.journal import Record

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(:[0-9]{1,5})?")

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

JOURNALLED = 60
"""Failures of all strangers together that are written down in a minute: a network has many addresses, a disk an end."""


class Guard:
    """Looks at requests before anybody asks who sent them."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._failures = Failures()
        self._written = Failures(JOURNALLED)
        self._own = names_of_this_host()

    def check(self, request: web.Request, *, session: bool) -> None:
        """Raises Denied.

        Args:
            session: the request says who it is from by a cookie, which a browser adds whoever made it send that.
        """
        given = request.headers.getall("Host", [])
        listen = self._master.listening.wish
        known = {*self._own, *listen.hosts, local_address(request)}
        for called in (listen.address, listen.advertise):
            with suppress(ValueError):
                known.add(address.address(called).host)
        if len(given) != 1 or not is_known(given[0], known):
            # DNS rebinding: a name of somebody's own that leads here makes his page one of the same origin.
            text, hint = "this host is not known as {host}", "master: {hosts: [NAME]} in the worker file makes it known"
            raise Denied("host_unknown", text, host=", ".join(given)[:253] or "nothing", hint=hint)
        if request.method not in SAFE and is_foreign(request, session=session):
            raise Denied("foreign_page", "a page of another origin may not ask for this")

    async def refused(self, request: web.Request, error: Denied) -> BeeyardError:
        """The error for a stranger: the one given, or Limited for one who failed too often.

        Only what fails gets here. Whoever has a token is let in however often a neighbour of the same address failed:
        there is nothing to guess in 256 random bits, so the limit is there for noise, journal and processor alone, and
        locking out would only be a means to lock out others.
        """
        now = self._master.clock.now()
        wait = self._failures.take(address.neighbours(request.remote or ""), now.mono)
        if wait > 0:
            text = "too many failures from {address}"
            return Limited("too_many_failures", text, address=request.remote, retry_after=wait, hint="wait")
        if self._written.take("", now.mono) == 0:
            record = Record(
                at=now.wall,
                what="denied",
                who="stranger",
                origin=request.remote or "",
                asked={"method": request.method, "path": request.path[:200]},
                outcome=error.code,
            )
            with suppress(BeeyardError):
                await self._master.journal.append(record, durable=False)
        return error


def is_known(host: str, known: Collection[str]) -> bool:
    """Whether a Host header names this host. The port may be any: who forwards one has another."""
    match = _HOST.fullmatch(host)
    try:
        name = address.host(match[1]) if match else ""
    except ValueError:
        return False
    return name in known or address.is_loopback(name)


def is_foreign(request: web.Request, *, session: bool) -> bool:
    """Whether a page of another origin had a browser send this. Ports count: other programs serve on this host too."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        return True
    origin = request.headers.get("Origin")
    if origin is not None:
        # Not the scheme: what ends TLS in front of us changes it, and one port has only one.
        return origin.lower().partition("://")[2] != request.headers["Host"].lower()
    return session and site is None


def local_address(request: web.Request) -> str:
    """The address that the client called."""
    name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return str(name[0]).partition("%")[0].removeprefix("::ffff:") if name else ""


def names_of_this_host() -> set[str]:
    """As the kernel has it; a name server is not asked, for it may not answer."""
    name = socket.gethostname().lower()
    return {name, name.partition(".")[0]}
