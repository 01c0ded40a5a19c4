"""Requests from bytes: a JSON body, or a path and a query. All that comes over the network is decoded here.

Nothing of it is trusted: who sends it is known before a byte of a body is read, and what is not exactly as the type
of the request says is refused, each thing with its place. Refuses to know what is done with a request.
"""

import asyncio
import json
import re
import types
from collections.abc import Sequence
from math import isfinite
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
from aiohttp import web

from beeyard.adapters.providers import PROVIDERS
from beeyard.application.operation import Operation
from beeyard.application.operations import OPERATIONS
from beeyard.domain.errors import Invalid, NotFound, Problem
from beeyard.domain.plain import Mismatch, nearest, read, shown
from beeyard.domain.spec import WorkerSpec

LARGE = 64 * 1024 * 1024
"""Bytes in one request of somebody who may install: a worker file of 10,000 workers needs a tenth of it."""
SMALL = 1024 * 1024
"""Bytes in any other request."""

STALL = 30.0
"""Seconds in which the next piece of a body has to come."""
LISTED = 50
"""Values of one name in a query: more of the longest would not fit into a line of a request."""

EXACT = 2**53
"""Up to here every whole number is a float."""

KEY = r"^[!-~]{1,128}(?!\n)$"
"""What names a job for its client."""


async def body_of(request: web.Request, most: int) -> bytes:
    """The body, if it is JSON or nothing, of at most so many bytes.

    Raises:
        HTTPUnsupportedMediaType: it is something else, or compressed.
        HTTPRequestEntityTooLarge: it is longer.
        HTTPRequestTimeout: its next piece does not come.
    """
    given = request.headers.get("Content-Type", "")
    if given and (request.content_type != "application/json" or (request.charset or "utf-8").lower() != "utf-8"):
        raise web.HTTPUnsupportedMediaType
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise web.HTTPUnsupportedMediaType
    if (request.content_length or 0) > most:
        raise web.HTTPRequestEntityTooLarge(most)
    body = bytearray()
    while chunk := await _piece(request):
        body += chunk
        if len(body) > most:
            raise web.HTTPRequestEntityTooLarge(most)
    return bytes(body)


async def _piece(request: web.Request) -> bytes:
    """aiohttp does not tell a reader that what follows is no chunk of a body: to us it just never comes."""
    try:
        async with asyncio.timeout(STALL):
            return await request.content.readany()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


def idempotency_key(request: web.Request) -> str:
    """By which a client that asks twice gets one job; empty for none. Raises Invalid."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not re.fullmatch(KEY, key):
        raise _invalid([Problem("Idempotency-Key", shown(key), "1 to 128 visible ASCII characters")])
    return key or ""


def from_body(operation: Operation, body: bytes) -> Any:
    """Raises Invalid."""
    return _read(operation, _document(body))


def job_from_body(body: bytes) -> tuple[Operation, Any]:
    """`{"operation": NAME, …}`: the operation and its request. Raises Invalid, NotFound."""
    document = _document(body)
    if not isinstance(document, dict) or not isinstance(document.get("operation"), str):
        found = shown(document.get("operation")) if isinstance(document, dict) else shown(document)
        raise _invalid([Problem("operation", found, "the name of an operation", hint="GET /openapi.json")])
    operation = operation_of(document.pop("operation"))
    return operation, _read(operation, document)


def operation_of(name: str) -> Operation:
    """Raises NotFound, naming the nearest."""
    operation = OPERATIONS.get(name)
    if operation is None:
        hint = nearest(name, list(OPERATIONS)) or "GET /openapi.json names all"
        raise NotFound("no_such_operation", "there is no operation {name}", name=shown(name), hint=hint)
    return operation


def from_query(operation: Operation, request: web.Request) -> Any:
    """The request from path and query; a list is a repeated name. Raises Invalid."""
    hints = get_type_hints(operation.request)
    given: dict[str, Any] = dict(request.match_info)
    wrong = []
    for name in dict.fromkeys(request.query):
        values = request.query.getall(name)
        if name in request.match_info:
            wrong.append(Problem(name, "it again in the query", "it in the path alone"))
        elif name in hints and _is_list(hints[name]):
            given[name] = values
        elif name in hints and len(values) > 1:
            wrong.append(Problem(name, f"it {len(values)} times", "it once"))
        else:
            given[name] = values[0]
    wrong += [
        Problem(name, f"{len(values)} of them", f"at most {LISTED}", hint="POST /v1/operations takes more")
        for name, values in given.items()
        if isinstance(values, list) and len(values) > LISTED
    ]
    if wrong:
        raise _invalid(wrong)
    asked = _read(operation, given, strict=False)
    if operation.streams and "after" in hints and "Last-Event-ID" in request.headers:
        # The URL is that of the first time; the header is where the browser is by now.
        given["after"] = request.headers["Last-Event-ID"]
        asked = _read(operation, given, strict=False)
    if null := [name for name in given if getattr(asked, name) is None]:
        raise _invalid([Problem(name, shown(given[name]), "a value, or no such name") for name in null])
    return asked


def _document(body: bytes) -> Any:
    """What the JSON says, where every key is given once."""
    try:
        document = _decoder.decode(body or b"{}")
        if body:
            json.loads(body, object_pairs_hook=_once)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Invalid("request_invalid", "the request can't be read: {reason}", reason=reason) from None
    return document


def _number(text: str) -> float:
    """In JSON a whole number may be written as 1.0 or 1e3."""
    value = float(text)
    if not isfinite(value):
        raise ValueError("a number is out of range")
    return int(value) if value.is_integer() and abs(value) <= EXACT else value


_decoder = msgspec.json.Decoder(float_hook=_number)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers may take different ones of two values: who checked a request and who acts on it, say."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {shown(key)} is given twice")
        found[key] = value
    return found


def _read(operation: Operation, plain: Any, *, strict: bool = True) -> Any:
    try:
        asked = read(plain, operation.request, strict=strict)
    except Mismatch as mismatch:
        raise _invalid(mismatch.problems) from None
    if problems := [wrong for at, spec in enumerate(getattr(asked, "specs", ())) for wrong in _section(spec, at)]:
        raise _invalid(problems)
    return asked


def _section(spec: WorkerSpec, at: int) -> list[Problem]:
    """What is wrong with the part of a spec that its provider alone understands."""
    provider = PROVIDERS.get(spec.provider)
    if provider is None:
        hint = nearest(spec.provider, list(PROVIDERS))
        return [Problem(f"specs[{at}].provider", shown(spec.provider), "the name of a provider", hint=hint)]
    try:
        section = (spec.package and provider.packaged) or (spec.module and provider.hosted) or provider.section
        read(spec.run, section, f"specs[{at}].run")
    except Mismatch as mismatch:
        return mismatch.problems
    return []


def _invalid(problems: Sequence[Problem]) -> Invalid:
    return Invalid("request_invalid", "{text}", text="\n".join(map(str, problems)), problems=problems)


def _is_list(hint: Any) -> bool:
    if get_origin(hint) in (Union, types.UnionType):
        return any(map(_is_list, get_args(hint)))
    return get_origin(hint) is list
