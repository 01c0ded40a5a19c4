"""Routes from OPERATIONS, on a unix socket: `POST /v1/operations/NAME` with the request as JSON.

A reply is JSON; a streaming operation answers one JSON object a line. Who may open the socket is root or the master's
own user, as its file mode says; the kernel tells which of them asks.
"""

import asyncio
import logging
import os
import pwd
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import msgspec
from aiohttp import web

from beeyard.application.master import Master
from beeyard.application.operations import OPERATIONS
from beeyard.application.operations.base import Caller, Handler, Operation, Streamer
from beeyard.domain.errors import BeeyardError, Invalid, NotFound
from beeyard.entrypoints.http.problems import to_problem

log = logging.getLogger("beeyard")

LARGEST = 64 * 1024 * 1024
"""Bytes in one request: a worker file of 10,000 workers needs a tenth of it."""

_CREDENTIALS = struct.Struct("3i")


def application(master: Master) -> web.Application:
    """The HTTP face of one master."""
    app = web.Application(client_max_size=LARGEST, middlewares=[_errors])
    begun: set[asyncio.Future[Any]] = set()

    async def serve(request: web.Request) -> web.StreamResponse:
        operation = OPERATIONS.get(request.match_info["name"])
        if operation is None:
            raise NotFound("no_such_operation", "there is no operation {name}", name=request.match_info["name"])
        asked = _decoded(operation, await request.read())
        if operation.streams:
            return await _stream(master, operation, asked, request)
        handling = asyncio.ensure_future(cast(Handler, operation.handle)(master, asked, _caller(request)))
        if not operation.changes:
            return _json(await handling)
        # What was begun is finished, also when whoever asked for it has left.
        begun.add(handling)
        handling.add_done_callback(begun.discard)
        return _json(await asyncio.shield(handling))

    app.router.add_post("/v1/operations/{name}", serve)
    return app


@asynccontextmanager
async def serving(master: Master, path: str) -> AsyncIterator[None]:
    """Serve on this socket while the block runs; requests under way get a moment to end."""
    with suppress(FileNotFoundError):
        os.unlink(path)
    runner = web.AppRunner(application(master), access_log=None, shutdown_timeout=2.0, handler_cancellation=True)
    await runner.setup()
    before = os.umask(0o177)
    try:
        await web.UnixSite(runner, path).start()
    finally:
        os.umask(before)
    try:
        yield
    finally:
        await runner.cleanup()
        with suppress(FileNotFoundError):
            os.unlink(path)


@web.middleware
async def _errors(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        return cast(web.StreamResponse, await handler(request))
    except BeeyardError as error:
        return _json(to_problem(error), status=error.http, kind="application/problem+json")
    except (web.HTTPException, asyncio.CancelledError, ConnectionError):
        raise
    except Exception as error:
        log.exception("%s failed in an unforeseen way", request.path)
        document = {"type": "BeeyardError", "code": "internal", "status": 500, "detail": f"error in Beeyard: {error!r}"}
        return _json(document, status=500, kind="application/problem+json")


def _decoded(operation: Operation, body: bytes) -> Any:
    try:
        return msgspec.json.decode(body or b"{}", type=operation.request)
    except msgspec.DecodeError as error:
        raise Invalid("request_invalid", "{operation}: {reason}", operation=operation.name, reason=str(error)) from None


async def _stream(master: Master, operation: Operation, asked: Any, request: web.Request) -> web.StreamResponse:
    """Errors before the first line are answered as problems; a reader who left ends it."""
    replies = aiter(cast(Streamer, operation.handle)(master, asked, _caller(request)))
    first = asyncio.ensure_future(anext(replies, None))
    done, _ = await asyncio.wait({first}, timeout=0.2)
    if done:
        first.result()
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    with suppress(ConnectionError):
        reply = await first
        while reply is not None:
            await response.write(msgspec.json.encode(reply) + b"\n")
            reply = await anext(replies, None)
    return response


def _json(reply: Any, status: int = 200, kind: str = "application/json") -> web.Response:
    return web.Response(body=msgspec.json.encode(reply), status=status, content_type=kind)


def _caller(request: web.Request) -> Caller:
    """The user at the other end, as the kernel saw it connect."""
    transport = request.transport
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is None:
        return Caller()
    _, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    try:
        return Caller(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return Caller(f"uid {uid}")
