"""A Docker Engine of a few dictionaries, that answers when and as a test says."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import aiohttp

from beeyard.adapters.providers.docker.container import ATTEMPT, CREATED, ENGINE, OWNER, WORKER
from beeyard.adapters.providers.docker.engine import Engine
from beeyard.adapters.providers.docker.where import USUAL, Where
from beeyard.domain.errors import NotFound

STARTED = "2026-01-02T03:04:05.000000006Z"
STAMP = STARTED

Answer = Callable[[], Awaitable[Any]]


class FakeEngine(Engine):
    """Script it: `containers` are what inspecting them shows, by id; `answers`, by "METHOD path", are taken before
    anything else, one a request. `asked` tells the requests in order, `bodies` what those that make one said."""

    def __init__(self, where: Where = USUAL, owner: str = "me") -> None:
        super().__init__(where)
        self.owner = owner
        self.containers: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.written: dict[str, bytes] = {}
        self.silent = False
        self._events: asyncio.Queue[bytes] = asyncio.Queue()
        self._told = asyncio.Event()

    def has(self, id: str, worker: str = "web", attempt: int = 1, **state: Any) -> None:
        """A container of our owner's, that runs if nothing else is said."""
        labels = {OWNER: self.owner, WORKER: worker, ATTEMPT: str(attempt), CREATED: f"{time.time():.3f}"}
        labels |= {ENGINE: named} if (named := str(self.where)) else {}
        self.containers[id] = {
            "Id": id,
            "Config": {"Labels": labels},
            "HostConfig": {},
            "State": {"Status": "running", "Running": True, "Pid": 0, "ExitCode": 0, "StartedAt": STARTED} | state,
        }

    def ends(self, id: str, code: int = 0) -> None:
        """It does, and nobody is told."""
        self.containers[id]["State"] |= {"Status": "exited", "Running": False, "ExitCode": code}

    def seen(self, id: str) -> dict[str, Any]:
        """What it is now, whatever it will be."""
        found: dict[str, Any] = json.loads(json.dumps(self.containers[id]))
        return found

    async def happens(self, action: str, id: str, **attributes: str) -> None:
        """An event is told; returns when it was taken in."""
        actor = {"ID": id, "Attributes": {**self.containers[id]["Config"]["Labels"], **attributes}}
        self._told.clear()
        self._events.put_nowait(json.dumps({"Action": action, "Actor": actor}).encode() + b"\n")
        await self._told.wait()
        await asyncio.sleep(0)

    def once(self, request: str, *answers: Answer) -> None:
        """The next of these requests are answered so."""
        self.answers.setdefault(request, []).extend(answers)

    async def ask(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        """As the engine would."""
        request = f"{method} {path}"
        self.asked.append(request)
        await asyncio.sleep(0)
        if body is not None:
            self.bodies.append(body)
        if waiting := self.answers.get(request):
            return await waiting.pop(0)()
        match method, path.split("/"):
            case "GET", ["containers", "json"]:
                return [
                    {"Id": id, "Labels": one["Config"]["Labels"], "State": one["State"]["Status"]}
                    for id, one in self.containers.items()
                ]
            case "GET", ["containers", id, "json"] if id in self.containers:
                return self.seen(id)
            case "DELETE", ["containers", id] if id in self.containers:
                del self.containers[id]
                return b""
            case "POST", ["containers", id, _] if id in self.containers:
                return b""
        raise NotFound("engine_not_found", "no such thing: {path}", path=path)

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Events, or what a container wrote: followed, it says nothing more, and no end comes while it is `silent`."""
        self.asked.append(f"{method} {path}")
        content = _Log(self, path, bool(params and params.get("follow") == "1"))
        yield cast(aiohttp.ClientResponse, SimpleNamespace(content=content))


class _Log:
    def __init__(self, engine: FakeEngine, path: str, followed: bool) -> None:
        self._engine = engine
        self._followed = followed
        self._left = (
            b"" if engine.silent and followed else engine.written.get(path.split("/")[1] if "/" in path else "", b"")
        )

    async def readline(self) -> bytes:
        self._engine._told.set()
        return await self._engine._events.get()

    async def readany(self) -> bytes:
        left, self._left = self._left, b""
        if not left and self._followed:
            await asyncio.Event().wait()
        return left


def frame(text: bytes, stamp: str = STAMP) -> bytes:
    """A line of stdout, as the engine sends it."""
    payload = stamp.encode() + b" " + text
    return b"\x01\0\0\0" + len(payload).to_bytes(4, "big") + payload
