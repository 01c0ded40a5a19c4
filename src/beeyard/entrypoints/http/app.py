"""Routes from OPERATIONS: `POST /v1/operations/NAME` for each, and the plain route that an operation names.

A reply is JSON; a streaming operation answers one JSON object a line, or server-sent events to those who accept them.
What this decides is which handler answers a request and with which headers; `/openapi.json` describes all of it.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import ETag, web

from beeyard.application.master import Master
from beeyard.application.operation import Operation
from beeyard.application.operations import OPERATIONS
from beeyard.domain import access
from beeyard.entrypoints.http import openapi
from beeyard.entrypoints.http.answers import answer, errors, translated
from beeyard.entrypoints.http.identity import Identity
from beeyard.entrypoints.http.reading import (
    LARGE,
    SMALL,
    body_of,
    from_body,
    from_query,
    idempotency_key,
    job_from_body,
    operation_of,
)
from beeyard.entrypoints.http.serving import Files
from beeyard.entrypoints.http.stream import Streams

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

KEEP = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie, Accept"}
"""On what has an ETag: it may be kept by whoever asked, and is asked for again each time."""


def application(master: Master) -> web.Application:
    """The HTTP face of one master."""
    identity = Identity(master)
    face = _Face(master, identity)
    app = web.Application(middlewares=[errors, identity.middleware])
    app.router.add_post("/v1/operations/{operation}", face.operate)
    app.router.add_post("/v1/jobs", face.accept)
    for operation in OPERATIONS.values():
        if operation.route:
            method, path = operation.route.split(" ")
            handler = face.answering(operation)
            if method == "GET" and not operation.streams:
                app.router.add_get(path, handler)  # And HEAD, which for a stream would have no end.
            else:
                app.router.add_route(method, path, handler)
    Files(master, identity).add_to(app)
    app.router.add_get("/healthz", face.healthz)
    app.router.add_get("/openapi.json", face.openapi)
    app.on_response_prepare.append(translated)
    app.on_shutdown.append(face.drain)
    return app


class _Face:
    """The handlers."""

    def __init__(self, master: Master, identity: Identity) -> None:
        self._master = master
        self._identity = identity
        self._streams = Streams()

    async def operate(self, request: web.Request) -> web.StreamResponse:
        """Any operation, asked with its request as JSON."""
        operation = operation_of(request.match_info["operation"])
        return await self._answer(operation, from_body(operation, await self._body(request)), request)

    def answering(self, operation: Operation) -> Answer:
        """One operation on a route of its own, its request in path and query."""

        async def answering(request: web.Request) -> web.StreamResponse:
            asked = from_query(operation, request)
            if operation.version is None:
                return await self._answer(operation, asked, request)
            cursor = {"Beeyard-Cursor": self._master.feed.cursor}  # Before the list: what comes after may be in it too.
            tag = ETag(f"{self._master.feed.epoch}-{operation.version(self._master)}", is_weak=True)
            allowed = not access.refusal(self._identity.caller(request).grant, operation.need(asked))
            if allowed and any(known.value == tag.value for known in request.if_none_match or ()):
                return web.Response(status=304, headers={"ETag": f'W/"{tag.value}"'} | KEEP | cursor)
            response = await self._answer(operation, asked, request)
            response.etag = tag
            response.headers.update(KEEP | cursor)
            return response

        return answering

    async def accept(self, request: web.Request) -> web.Response:
        """A job: `{"operation": NAME, …}` runs whether or not anybody waits for it."""
        operation, asked = job_from_body(await self._body(request))
        key = idempotency_key(request)
        view = await self._master.jobs.accept(operation, asked, self._identity.caller(request), key)
        reply = openapi.Accepted(view.id, view.state, f"/v1/jobs/{view.id}/events")
        return answer(reply, 202, headers={"Location": f"/v1/jobs/{view.id}"})

    async def healthz(self, request: web.Request) -> web.Response:
        """For whoever only wants to know whether anybody is there."""
        return answer(openapi.Pulse("degraded" if self._master.records.unwritable else "ok"))

    async def openapi(self, request: web.Request) -> web.Response:
        """What there is to ask."""
        body, tag = openapi.encoded()
        headers = {"ETag": f'"{tag}"', "Cache-Control": "public, no-cache"}
        if any(known.value == tag for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type="application/json", headers=headers)

    async def drain(self, app: web.Application) -> None:
        """Nobody is served here any more: who waits for a job still gets its answer, who follows something a word."""
        self._streams.ending = True
        if self._master.ending:
            await self._master.conclude()
        self._streams.end()

    async def _body(self, request: web.Request) -> bytes:
        return await body_of(request, LARGE if self._identity.caller(request).grant.install else SMALL)

    async def _answer(self, operation: Operation, asked: Any, request: web.Request) -> web.StreamResponse:
        caller = self._identity.caller(request)
        if operation.streams:
            batches = self._identity.while_known(request, await self._master.jobs.stream(operation, asked, caller))
            return await self._streams.answer(batches, operation.name, request)
        reply = await self._master.jobs.ask(operation, asked, caller)
        return answer(reply, headers=_next(asked, reply, request))


def _next(asked: Any, reply: Any, request: web.Request) -> dict[str, str]:
    """Where the page after this one is (RFC 8288); nothing for a page that is not full, which is the last."""
    if request.method == "POST" or not hasattr(asked, "after") or len(reply) != asked.limit:
        return {}
    last = reply[-1]
    after = last.id if hasattr(last, "id") else last.seq
    return {"Link": f'<{request.rel_url.update_query(after=str(after))}>; rel="next"'}
