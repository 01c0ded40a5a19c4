"""Who asks: on the socket the kernel says so, over TCP a token or a browser's session does."""

import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, TypeVar, cast
from urllib.parse import unquote

from aiohttp import web

from beeyard.application.master import Master
from beeyard.application.operation import Caller
from beeyard.application.tokens import SHOWN, Token
from beeyard.domain.errors import Denied, Unidentified
from beeyard.entrypoints.http.door import DOOR
from beeyard.entrypoints.http.guard import Guard
from beeyard.entrypoints.http.peer import operator, peer, printable

OPEN = frozenset({"/", "/healthz", "/openapi.json", "/login", "/v1/login", "/static/{file}"})
"""Routes for everybody."""

COOKIE = "beeyard_session"
"""How the cookie's name begins."""

T = TypeVar("T")

_CALLER = web.RequestKey("caller", Caller)
_TOKEN = web.RequestKey("token", Token)


class Identity:
    """Finds out who asks, once a request."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self.guard = Guard(master)

    def caller(self, request: web.Request) -> Caller:
        """Whoever asks. Only on routes that are not open to everybody."""
        return request[_CALLER]

    @web.middleware
    async def middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Before every handler. Raises Denied."""
        # By the route that was found, not by the path: there are many ways to write a path.
        resource = request.match_info.route.resource
        is_open = resource is not None and resource.canonical in OPEN
        sock = request.transport.get_extra_info("socket") if request.transport is not None else None
        if sock is not None and sock.family == socket.AF_UNIX:
            if not is_open:
                request[_CALLER] = peer(sock, _told(request, "Operator", 64), _told(request, "Reason", 500))
            return cast(web.StreamResponse, await handler(request))
        try:
            self.guard.check(request, session="Authorization" not in request.headers and bool(_cookie(request)))
            if is_open:
                return cast(web.StreamResponse, await handler(request))
            await self._authenticate(request)
        except Denied as error:
            raise await self.guard.refused(request, error) from None
        return cast(web.StreamResponse, await handler(request))

    async def while_known(self, request: web.Request, batches: AsyncIterator[T]) -> AsyncGenerator[T]:
        """What comes for this caller, until the token that was shown is good for nothing any more."""
        token = request.get(_TOKEN)
        async with aclosing(cast(AsyncGenerator[T], batches)):
            async for batch in batches:
                if token is not None and not self._master.tokens.good(token.id):
                    return
                yield batch

    async def _authenticate(self, request: web.Request) -> None:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            token = await self._master.tokens.authenticate(text.strip(), SHOWN)
        elif cookie := _cookie(request):
            token = await self._master.tokens.authenticate(cookie, ("session",))
        else:
            hint = "beeyard token create NAME, then Authorization: Bearer TOKEN"
            raise Unidentified("token_missing", "this takes a token", hint=hint)
        said = operator(token.holder, "", _told(request, "Operator", 64))
        request[_TOKEN] = token
        origin, reason = _origin(request), _told(request, "Reason", 500)
        request[_CALLER] = Caller(token.holder, token.grant, said, origin, reason, token.attempt)
        if door := request.app.get(DOOR):
            door.welcome(request.protocol)


def token_of(request: web.Request) -> Token:
    """The token, or session, that was shown. Only over TCP, on routes that are not open."""
    return request[_TOKEN]


def is_stranger(request: web.Request) -> bool:
    """Whether it was not found out who asks, be it that nobody wanted to know."""
    return _CALLER not in request


def cookie_name(request: web.Request) -> str:
    """The session's cookie: of this port, since cookies belong to a host, and several masters may serve on one."""
    name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return f"{COOKIE}_{name[1]}" if name else COOKIE


def _cookie(request: web.Request) -> str:
    return request.cookies.get(cookie_name(request), "")


def _origin(request: web.Request) -> str:
    """The address, and whom a client's certificate names."""
    certificate = request.get_extra_info("peercert") or {}
    names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return ", ".join([request.remote or "", *(f"certificate {printable(name)}" for name in names)])


def _told(request: web.Request, what: str, longest: int) -> str:
    """What a client tells in a header, percent-encoded; without control characters, and not too long."""
    return printable(unquote(request.headers.get(f"Beeyard-{what}", ""), errors="replace"))[:longest]
