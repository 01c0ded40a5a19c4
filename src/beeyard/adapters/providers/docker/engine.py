"""The Docker Engine: one request, one answer, and its errors as ours. The only module that knows aiodocker.

aiodocker settles the version of the API and makes the requests; it is told where to, for it looks for engines in
another order than the `docker` command. Its streams are not used: they give up when the engine goes away, and make one
text of both outputs.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from beeyard.adapters.providers.docker.where import START, USUAL, Address, Where, answers, find
from beeyard.domain.errors import BeeyardError, NotFound, Problem, Refused, Rejected, Unavailable

if TYPE_CHECKING:
    import aiohttp
    from aiodocker import Docker

INSTALL = "pip install 'beeyard[docker]'"
ANSWER = 120.0
"""Seconds for one answer; streams and pulls take as long as they take."""


class Engine:
    """The one there. Connects with the first request, and again whenever it has to."""

    def __init__(self, where: Where = USUAL) -> None:
        self.where = where
        self._docker: Docker | None = None
        self._connector: aiohttp.BaseConnector | None = None

    @property
    def here(self) -> bool:
        """Whether it runs on this host, as far as its address tells: then it sees the files and processes of it."""
        try:
            return bool(find(self.where).path)
        except BeeyardError:
            return False

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> Any:
        """One answer, decoded if it is JSON.

        Raises:
            Unavailable: it can't be reached.
            NotFound, Refused: there is no such thing; not in its state, or the name is taken.
            Rejected: any other no.
        """
        async with self.open(method, path, params=params, body=body, timeout=ANSWER) as response:
            data = await response.read()
            is_json = response.headers.get("content-type", "").startswith("application/json")
            return json.loads(data) if is_json and data else data

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
    ) -> AsyncIterator["aiohttp.ClientResponse"]:
        """An answer to be read as it comes; what breaks it off is an error of ours, like in `ask`."""
        docker = await self._connected()
        from aiodocker.exceptions import DockerError
        from aiohttp import ClientError, ClientTimeout

        data = None if body is None else json.dumps(body)
        sent = {**({"Content-Type": "application/json"} if data else {}), **(headers or {})}
        try:
            async with docker._query(  # Its public calls decode what we need as it is, or drop it.
                path, method, params=params, data=data, headers=sent, timeout=ClientTimeout(total=timeout)
            ) as response:
                try:
                    yield response
                finally:
                    response.close() if timeout is None else response.release()
        except DockerError as error:
            complaint = self._complaint() if error.status == 900 else ""
            raise _ours(error.status, complaint or error.message) from None
        except (ClientError, OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            raise unreachable(self._complaint() or str(error) or type(error).__name__) from None

    async def remove(self, container: str) -> None:
        """With the volumes that have no name; idempotent. Raises Refused while it runs, or is being removed already."""
        with contextlib.suppress(NotFound):
            await self.ask("DELETE", f"containers/{container}", params={"v": "1"})

    async def close(self) -> None:
        """Until the next request."""
        docker, self._docker = self._docker, None
        if docker is not None and self._connector is not None:
            await docker.close()
            await self._connector.close()

    async def _connected(self) -> "Docker":
        if self._docker is None:
            try:
                aiodocker = await asyncio.to_thread(_library)
            except ImportError as error:
                raise Rejected("docker_missing", "no aiodocker: {reason}", reason=str(error), hint=INSTALL) from None
            address = await asyncio.to_thread(find, self.where)
            if self._docker is None:  # Somebody else may have been faster.
                url, self._connector = _connector(address)
                self._docker = aiodocker.Docker(url, connector=self._connector)
        return self._docker

    def _complaint(self) -> str:
        """Of what brings us there, if it said anything."""
        return getattr(self._connector, "said", "")


def _connector(address: Address) -> tuple[str, "aiohttp.BaseConnector"]:
    """What requests begin with, and what connects. Without a bound: each container's log is a connection that stays."""
    import aiohttp

    if address.path:
        return "unix://localhost", aiohttp.UnixConnector(address.path, limit=0)
    if address.url.startswith("ssh://"):
        from beeyard.adapters.providers.docker.ssh import SshConnector

        return "unix://localhost", SshConnector(address.url)
    if address.url.startswith("https://"):
        try:
            return address.url, aiohttp.TCPConnector(ssl=address.tls(), limit=0)
        except OSError as error:
            raise unreachable(f"its certificates can't be used: {error}") from None
    return address.url, aiohttp.TCPConnector(limit=0)


def _library() -> Any:
    import aiodocker

    return aiodocker


def unreachable(reason: str) -> Unavailable:
    """It does not answer."""
    return Unavailable("engine_unreachable", "no Docker Engine answers: {reason}", reason=reason, hint=START)


def _ours(status: int, message: str) -> BeeyardError:
    match status:
        case 900 | 502 | 503 | 504:  # 900 is aiodocker's own, for no connection.
            return unreachable(message)
        case 404:
            return NotFound("engine_not_found", "{reason}", reason=message)
        case 409 | 304:
            return Refused("engine_conflict", "{reason}", reason=message)
        case _:
            return Rejected("engine_refused", "{reason}", reason=message)


def absent(where: Where) -> list[Problem]:
    """What has to be installed or started first, as far as one look tells."""
    if find_spec("aiodocker") is None:
        return [Problem("provider", "docker, without aiodocker", "aiodocker to be installed", hint=INSTALL)]
    try:
        path = find(where).path
    except Unavailable as error:
        at = "run.host" if where.host else "provider"
        return [Problem(at, f"docker, but {error}", "one that is there", hint=error.hint)]
    if path and not answers(path):
        return [Problem("provider", "docker, but no Docker Engine answers", f"one at {path}", hint=START)]
    return []
