"""The API server of one cluster: requests, watches, and streams. What it refuses is one of our errors.

Knows the protocol, and nothing of what is asked for. The access is read again when it is not accepted any more.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from beeyard.adapters.providers.kubernetes.access import Access, reach
from beeyard.adapters.providers.kubernetes.refusals import answered, refusal
from beeyard.adapters.providers.kubernetes.shapes import Line
from beeyard.adapters.reflector import Stale
from beeyard.domain.errors import Unavailable

if TYPE_CHECKING:
    import aiohttp

PATIENCE = 30.0
"""Seconds for one request; less than an API server takes for its own (60)."""
WATCHED = 45
"""Seconds that we ask a watch to last: a connection that died in silence is noticed that soon, and a bit."""
LONGEST = 8 * 1024**2
"""Bytes of one line of a watch; etcd holds objects of 1.5 MiB."""

Parameters = Sequence[tuple[str, str]]
T = TypeVar("T")


class Api:
    """One cluster, one connection pool, opened when it is first used."""

    def __init__(self, kubeconfig: str, context: str) -> None:
        self._where = kubeconfig, context
        self._access: Access | None = None
        self._session: aiohttp.ClientSession | None = None
        self._older: aiohttp.ClientSession | None = None
        self._opening = asyncio.Lock()

    async def namespace(self) -> str:
        """Where those go that name none."""
        return (await self._reached())[0].namespace

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Parameters = ()) -> bytes:
        """The body of the answer."""
        data = None if body is None else msgspec.json.encode(body)
        async with self._open(method, path, query, data, total=PATIENCE) as response:
            return await response.read()

    async def watch(self, path: str, version: str, query: Parameters) -> AsyncGenerator[Line | None, None]:
        """Its lines, after None when it is connected. A half one at the end is as good as none.

        Raises Stale.
        """
        asked = [*query, ("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", version)]
        asked.append(("timeoutSeconds", str(WATCHED)))
        async with self._open("GET", path, asked, read=WATCHED + 15.0) as response:
            yield None
            rest = b""
            async for chunk in response.content.iter_any():
                *whole, rest = (rest + chunk).split(b"\n")
                for text in whole:
                    yield _line(text)
                if len(rest) > LONGEST:
                    raise Unavailable("kubernetes_garbled", "a line of a watch has no end")

    async def stream(self, path: str, query: Parameters) -> AsyncGenerator[bytes, None]:
        """What comes, as it comes, for as long as it does, after an empty piece when it is connected."""
        async with self._open("GET", path, query) as response:
            yield b""
            async for chunk in response.content.iter_any():
                yield chunk

    @asynccontextmanager
    async def socket(self, path: str, query: Parameters, protocol: str) -> AsyncGenerator[Any, None]:
        """A websocket."""
        import aiohttp

        access, session = await self._reached()
        try:
            async with session.ws_connect(
                access.host + path, params=query, protocols=[protocol], max_msg_size=0, **self._how(access)
            ) as socket:
                yield socket
        except aiohttp.WSServerHandshakeError as error:
            raise refusal(error.status, answered(error.message.encode()), error.headers or {}) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from None

    async def close(self) -> None:
        """Harmless twice."""
        sessions = self._session, self._older
        self._session = self._older = self._access = None
        for session in sessions:
            if session is not None:
                await session.close()

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        query: Parameters = (),
        data: bytes | None = None,
        *,
        total: float | None = None,
        read: float | None = None,
    ) -> "AsyncGenerator[aiohttp.ClientResponse, None]":
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=total, sock_connect=PATIENCE / 3, sock_read=read)
        kind = {"Content-Type": "application/json"} if data is not None else {}
        for again in (False, True):
            access, session = await self._reached()
            try:
                async with session.request(
                    method,
                    access.host + path,
                    params=query,
                    data=data,
                    headers=kind,
                    timeout=timeout,
                    **self._how(access),
                ) as response:
                    if response.status == 401 and not again:
                        await self._renew(access)
                        continue
                    if response.status == 410:
                        raise Stale
                    if response.status >= 300:
                        raise refusal(response.status, answered(await response.read()), response.headers)
                    yield response
                    return
            except (aiohttp.ClientError, OSError) as error:  # A timeout is an OSError.
                raise self._unreachable(error) from None

    def _how(self, access: Access) -> dict[str, Any]:
        found: dict[str, Any] = {"proxy": access.proxy, "server_hostname": access.server_name}
        return {name: value for name, value in found.items() if value}

    async def _reached(self) -> "tuple[Access, aiohttp.ClientSession]":
        async with self._opening:
            if self._access is None or self._session is None:
                import aiohttp

                self._access = await reach(*self._where)
                connector = aiohttp.TCPConnector(limit=0, ssl=self._access.tls or True)
                self._session = aiohttp.ClientSession(
                    connector=connector, headers=self._access.headers, trust_env=True, auto_decompress=True
                )
            return self._access, self._session

    async def _renew(self, refused: Access) -> None:
        """Read the access again, unless somebody did meanwhile. What streams by the last one goes on until the next."""
        if self._access is not refused:
            return
        older, self._older = self._older, self._session
        self._session = self._access = None
        if older is not None:
            await older.close()

    def _unreachable(self, error: Exception) -> Unavailable:
        host = self._access.host if self._access else ""
        reason = str(error) or type(error).__name__
        hint = "see that the cluster runs, and that its kubeconfig names it"
        text = "the API server {host} can't be reached: {reason}"
        return Unavailable("kubernetes_unreachable", text, host=host, reason=reason, hint=hint)


def decoded(data: bytes | msgspec.Raw, type: type[T]) -> T:
    """An answer as what it has to be. Raises Unavailable: a proxy may have given it."""
    try:
        return msgspec.json.decode(data, type=type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        text, hint = "what came is no answer of an API server: {reason}", "see what stands between it and here"
        raise Unavailable("kubernetes_garbled", text, reason=str(error), hint=hint) from None


def _line(text: bytes) -> Line:
    line = decoded(text, Line)
    if line.type == "ERROR":
        said = answered(bytes(line.object))
        if said.code == 410:
            raise Stale
        raise refusal(said.code or 500, said, {})
    return line
