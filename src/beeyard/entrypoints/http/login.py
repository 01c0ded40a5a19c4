"""The pages for browsers, and how one gets a session: by a link with a token behind its `#`, which no server sees.

Files are read once. What the page shows it asks for itself, over the same API as everybody.
"""

from importlib.resources import files
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from beeyard.application.master import Master
from beeyard.application.tokens import SESSION, Kind, Token
from beeyard.domain.access import Grant
from beeyard.domain.errors import Invalid, NotFound, Refused
from beeyard.entrypoints.http.answers import answer
from beeyard.entrypoints.http.identity import cookie_name, token_of
from beeyard.entrypoints.http.reading import body_of
from beeyard.ports.journal import Record

LONGEST = 1024
"""Bytes of a request to log in, which strangers send too."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a page may load: its own files, and nothing inline."""

KINDS = {"index.html": "text/html", "page.js": "text/javascript", "page.css": "text/css"}


class Ticket(Struct, forbid_unknown_fields=True):
    """What a link has behind its `#`."""

    token: Annotated[str, Meta(max_length=100)]


class Session(Struct):
    """Who somebody is here, and what that one may do; `expires` in wall-clock seconds."""

    name: str
    kind: Kind
    grant: Grant
    expires: float | None


class Login:
    """The handlers."""

    def __init__(self, master: Master) -> None:
        self._master = master
        folder = files("beeyard.entrypoints.http") / "page"
        self._files = {name: (folder / name).read_bytes() for name in KINDS}

    def add_to(self, app: web.Application) -> None:
        """Their routes."""
        app.router.add_get("/", self.page)
        app.router.add_get("/login", self.page)
        app.router.add_get("/static/{file}", self.file)
        app.router.add_post("/v1/login", self.login)
        app.router.add_post("/v1/logout", self.logout)
        app.router.add_get("/v1/session", self.session)

    async def page(self, request: web.Request) -> web.Response:
        """The same for all paths."""
        return self._answer("index.html")

    async def file(self, request: web.Request) -> web.Response:
        """A file of the page."""
        name = request.match_info["file"]
        if name not in KINDS:
            raise NotFound("no_such_file", "there is no {name}", name=name)
        return self._answer(name)

    async def login(self, request: web.Request) -> web.Response:
        """A session for the token of a link, which is used up by that."""
        ticket = _ticket(await body_of(request, LONGEST))
        token, text = await self._master.tokens.exchange(ticket.token)
        await self._record("login", token, request)
        response = answer(_shown(token))
        response.set_cookie(
            cookie_name(request),
            text,
            max_age=int(SESSION),
            path="/",
            httponly=True,
            samesite="Strict",
            secure=request.secure,
        )
        return response

    async def logout(self, request: web.Request) -> web.Response:
        """The session's end."""
        token = token_of(request)
        if token.kind != "session":
            hint = "beeyard token revoke takes a token back"
            raise Refused("no_session", "nobody is logged in: this is a token", hint=hint)
        await self._master.tokens.revoke(token.id)
        await self._record("logout", token, request)
        response = answer({})
        response.del_cookie(cookie_name(request), path="/", httponly=True, samesite="Strict", secure=request.secure)
        return response

    async def session(self, request: web.Request) -> web.Response:
        """Who asks, and what that one may do."""
        return answer(_shown(token_of(request)))

    def _answer(self, name: str) -> web.Response:
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
        return web.Response(body=self._files[name], content_type=KINDS[name], charset="utf-8", headers=headers)

    async def _record(self, what: str, token: Token, request: web.Request) -> None:
        at = self._master.clock.now().wall
        record = Record(at=at, what=what, who=token.name, origin=request.remote or "", outcome="ok")
        await self._master.journal.append(record, durable=False)


def _ticket(body: bytes) -> Ticket:
    try:
        return msgspec.json.decode(body, type=Ticket)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    raise Invalid("request_invalid", 'expected {"token": TOKEN}', hint="beeyard token link makes one")


def _shown(token: Token) -> Session:
    return Session(token.name, token.kind, token.grant, token.expires)
