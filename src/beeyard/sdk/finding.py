"""How a program finds what a worker can be reached by: from its master, over the socket of that one's API, or straight
from a master in the same process.

The socket answers root and the master's own user. A worker that runs as another user can't ask; who starts it has to
tell it where others are.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from beeyard.sdk.endpoints import EndpointView
from beeyard.sdk.errors import Unreachable

Find = Callable[[str], Awaitable[list[EndpointView]]]
"""(worker or group) -> all endpoints of those that are ready. Raises Unreachable."""

PATIENCE = 10.0
"""Seconds for a master to answer."""

_here: dict[str, Find] = {}
"""Socket -> the master in this process that would serve there."""


def serve(master: str, find: Find) -> Callable[[], None]:
    """Answer within this process for a master, whose `find` can be called on any loop; returns what ends it."""
    _here[master] = find

    def end() -> None:
        if _here.get(master) is find:
            del _here[master]

    return end


def finder(master: str) -> Find:
    """What asks the master at this socket."""

    async def find(worker: str) -> list[EndpointView]:
        if not master:
            raise Unreachable(f"{worker} can't be found: no master is known", "connect from within a worker of Beeyard")
        if (here := _here.get(master)) is not None:
            return await here(worker)
        return await _asked(master, worker)

    return find


async def _asked(path: str, worker: str) -> list[EndpointView]:
    """Over the socket, with a connection of its own: HTTP/1.0, so that the answer ends where the connection does."""
    body = msgspec.json.encode({"workers": [worker]})
    head = (
        "POST /v1/operations/endpoint_list HTTP/1.0\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(head.encode() + body)
                answer = await reader.read(-1)
            finally:
                writer.close()
    except PermissionError:
        text, hint = "the master at {0} belongs to another user", "a worker has to run as its master's user to ask it"
        raise Unreachable(text.format(path), hint) from None
    except TimeoutError:
        raise Unreachable(f"the master at {path} did not answer within {PATIENCE:g}s") from None
    except OSError as error:
        raise Unreachable(f"no master answers at {path}: {error.strerror or error}") from None
    return _read(answer, path)


def _read(answer: bytes, path: str) -> list[EndpointView]:
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    try:
        if words[1:2] == [b"200"]:
            return msgspec.json.decode(body, type=list[EndpointView])
        problem: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError:
        raise Unreachable(f"what answers at {path} is no master") from None
    raise Unreachable(str(problem.get("detail", "no reason given")), str(problem.get("hint", "")))
