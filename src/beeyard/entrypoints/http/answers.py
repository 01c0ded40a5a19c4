"""Answers as bytes: a reply as JSON, and whatever goes wrong as a problem document. Knows no operation."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, cast

import msgspec
from aiohttp import web

from beeyard.application.problems import to_problem
from beeyard.domain.errors import BeeyardError, Invalid, Limited, NotFound

log = logging.getLogger("beeyard")

HINTS = {
    404: "GET /openapi.json names all paths",
    405: "the header Allow names the methods of this path",
    413: "send less at once",
    431: "a line of a request has at most 8190 bytes; POST takes what is longer",
    415: "Content-Type: application/json, not compressed; curl --json does that",
}


def answer(
    reply: Any, status: int = 200, kind: str = "application/json", headers: Mapping[str, str] | None = None
) -> web.Response:
    """A reply as JSON."""
    return web.Response(body=msgspec.json.encode(reply), status=status, content_type=kind, headers=headers)


def problem(error: BeeyardError, status: int | None = None, headers: Mapping[str, str] | None = None) -> web.Response:
    """An error as its document; the status is the error's own unless another is given."""
    more = dict(headers or {})
    if isinstance(error, Limited):
        more["Retry-After"] = str(max(1, round(error.retry_after)))
    status = status or error.http
    if status == 401:
        more["WWW-Authenticate"] = 'Bearer realm="beeyard"'
    return answer(to_problem(error) | {"status": status}, status, "application/problem+json", more)


def refusal(status: int, reason: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """What HTTP itself makes impossible: no such path, method, media type."""
    kind = NotFound if status == 404 else Invalid
    return problem(kind(f"http_{status}", reason, hint=HINTS.get(status, "")), status, headers)


async def translated(request: web.Request, response: web.StreamResponse) -> None:
    """What aiohttp answers before any of our handlers is asked, such as an `Expect` that it does not know."""
    if isinstance(response, web.HTTPException):
        instead = refusal(response.status, response.reason.lower())
        response.body = instead.body
        response.headers.update({"Content-Type": instead.content_type, "Content-Length": str(instead.content_length)})


@web.middleware
async def errors(request: web.Request, handler: Any) -> web.StreamResponse:
    """Every error of whoever answers."""
    try:
        return cast(web.StreamResponse, await handler(request))
    except BeeyardError as error:
        failed = problem(error)
    except web.HTTPException as error:
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        failed = refusal(error.status, error.reason.lower(), allow)
    except web.RequestPayloadError:
        failed = problem(Invalid("body_broken", "the body ends before its end, or is not framed as HTTP says"))
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception as error:
        log.exception("%s failed in an unforeseen way", request.path)
        failed = problem(BeeyardError("internal", "error in Beeyard: {error!r}", error=error))
    if request.writer.output_size:
        # A reader who got a part must not take it for the whole: the end of the stream is not written.
        raise ConnectionResetError("failed after a part of the answer was sent")
    return failed
