"""A contract over HTTP, for any that there is: `POST /CONTRACT/METHOD` with a method's arguments as a JSON object, and
its answer as JSON. Needs aiohttp.

    app.add_routes(routes(Echo, self))

An error comes as a problem document (RFC 9457) and is raised again on the other side: Python's own, and those which
the contract lists in `errors`, as they were; any other one as Failed, with its class and its text.

There is no check here of who calls: listen on loopback, or put something in front.
"""

import asyncio
import http.client
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp import web
from msgspec import Struct

from beeyard.sdk.contracts import Contract, Method, understood
from beeyard.sdk.errors import Failed, Interrupted, Unsent

CONNECT = 10.0
"""Seconds for a connection to come about; how long an answer may take is for the caller to say."""
PATIENCE = 30.0
"""Seconds that a caller's thread stands still for a plain method."""
JSON = "application/json"
PROBLEM = "application/problem+json"

_OWN: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        *(ArithmeticError, ZeroDivisionError, ValueError, TypeError, RuntimeError, NotImplementedError, LookupError),
        *(KeyError, IndexError, PermissionError, FileNotFoundError, FileExistsError, TimeoutError),
    )
}
"""Python's errors that come back as themselves."""
_STATUS: dict[type[Exception], int] = {
    ValueError: 400,
    TypeError: 400,
    LookupError: 404,
    FileNotFoundError: 404,
    PermissionError: 403,
    FileExistsError: 409,
    NotImplementedError: 501,
    TimeoutError: 504,
}

log = logging.getLogger("beeyard.sdk")


class Problem(Struct, omit_defaults=True):
    """An error on its way. `type`: its class; `args`: what it is made of again, None where that can't be written."""

    type: str
    title: str
    status: int
    detail: str
    args: list[Any] | None = None


# --- serving --------------------------------------------------------------------------------------------------------


def routes(contract: type[Any], target: object) -> list[web.RouteDef]:
    """What serves a contract with this object, on the loop of the application. Raises TypeError if it can't."""
    known = understood(contract)
    known.require(target)

    async def answer(request: web.Request) -> web.Response:
        method = known.methods.get(request.match_info["method"])
        if method is None:
            return _problem(known, LookupError(f"{known.name} has no method {request.match_info['method']}"))
        try:
            asked = method.read(await request.read())
        except msgspec.MsgspecError as error:
            return _problem(known, TypeError(f"{known.name}.{method.name}: {error}"))
        try:
            found = getattr(target, method.name)(**asked)
            answered = msgspec.json.encode(await found if method.waits else found)
        except Exception as error:
            return _problem(known, error)
        return web.Response(body=answered, content_type=JSON)

    return [web.post(f"/{known.name}/{{method}}", answer)]


def _problem(contract: Contract, error: Exception) -> web.Response:
    kind = type(error).__name__
    same = contract.errors.get(kind, _OWN.get(kind)) is type(error)
    status = next((code for one, code in _STATUS.items() if isinstance(error, one)), 422 if same else 500)
    if not same:
        log.error("a call of %s failed", contract.name, exc_info=error)
    problem = Problem(kind, f"{contract.name} failed", status, str(error), list(error.args) if same else None)
    try:
        body = msgspec.json.encode(problem)
    except (TypeError, ValueError):  # Of what it is made of, msgspec knows nothing.
        problem.args = None
        body = msgspec.json.encode(problem)
    return web.Response(body=body, status=status, content_type=PROBLEM)


# --- calling --------------------------------------------------------------------------------------------------------


class HttpWay:
    """Calls a worker at its URL, from one event loop."""

    def __init__(self, worker: str, url: str, contract: Contract) -> None:
        self.worker = worker
        self._url = url.rstrip("/")
        self._contract = contract
        self._session: aiohttp.ClientSession | None = None

    async def call(self, method: Method, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """An async method. Raises Unsent: nothing was sent; Interrupted: it may have been done."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT))
        body, headers = method.written(args, kwargs), {"Content-Type": JSON}
        url = f"{self._url}/{self._contract.name}/{method.name}"
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                return self._answer(method, answer.status, answer.content_type, await answer.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise self._unsent(error) from None
        except (aiohttp.ClientError, ConnectionError) as error:
            raise self._interrupted(error) from None

    def call_now(self, method: Method, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """A plain method, over a connection of its own; the thread stands still. Raises likewise."""
        parts = urlsplit(f"{self._url}/{self._contract.name}/{method.name}")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=CONNECT)
        body = method.written(args, kwargs)
        try:
            connection.connect()
        except OSError as error:
            raise self._unsent(error) from None
        try:
            connection.sock.settimeout(PATIENCE)
            connection.request("POST", parts.path, body, {"Content-Type": JSON})
            answer = connection.getresponse()
            return self._answer(method, answer.status, answer.headers.get_content_type(), answer.read())
        except (OSError, http.client.HTTPException) as error:
            raise self._interrupted(error) from None
        finally:
            connection.close()

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)  # What it closed says so in the next turn of the loop.

    def _answer(self, method: Method, status: int, kind: str, body: bytes) -> Any:
        try:
            if status == 200 and kind == JSON:
                return msgspec.json.decode(body, type=method.answer)
            if kind == PROBLEM:
                raise _raised(self._contract, msgspec.json.decode(body, type=Problem))
        except msgspec.MsgspecError as error:
            raise Failed(f"{self.worker} answered what {self._contract.name}.{method.name} does not: {error}") from None
        raise Failed(f"{self.worker} answered {status}: what listens at {self._url} serves no {self._contract.name}")

    def _unsent(self, error: Exception) -> Unsent:
        return Unsent(f"{self.worker} can't be reached at {self._url}: {error}")

    def _interrupted(self, error: Exception) -> Interrupted:
        reason = str(error) or type(error).__name__
        return Interrupted(f"{self.worker} was lost before it had answered: {reason}")


def _raised(contract: Contract, problem: Problem) -> Exception:
    """The error as it was, where that is known."""
    kind = contract.errors.get(problem.type, _OWN.get(problem.type))
    if kind is not None and problem.args is not None:
        try:
            return kind(*problem.args)
        except TypeError:  # It is made of other things than it says.
            pass
    return Failed(f"{problem.type}: {problem.detail}", problem.type)
