"""One question to a registry, and its answer within a bound: tries, redirects and tokens.

What is shown to an origin is shown to no other, whoever sends us there. Knows nothing of images.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.request import getproxies, proxy_bypass

import aiohttp
from msgspec import Struct
from yarl import URL

from beeyard.adapters.images import troubles
from beeyard.adapters.images.entry import Entry
from beeyard.adapters.repositories import access
from beeyard.domain.errors import Unavailable
from beeyard.domain.sources import Credentials, RepositorySpec

MOST = 4 * 2**20
"""Bytes of a manifest, a config or a list, as registries have it."""
TRIES = 3
"""Of a question that a registry breaks off, or answers with a trouble of its own."""
PAUSE = 0.3
"""Seconds before the second one; the next is twice as long."""
_TOTAL, _CONNECT, _SILENCE = 60.0, 10.0, 20.0
"""Seconds for one answer, until it takes a connection, and that it may say nothing."""
_REDIRECTS = 5
_ONWARD = (301, 302, 303, 307, 308)


class Answer(Struct):
    """What came; the names of headers in small letters."""

    status: int
    headers: dict[str, str]
    data: bytes


class _Passing(Exception):
    """(error): perhaps it goes by."""


class Asking:
    """Of one registry, at the origin of its URL."""

    def __init__(self, spec: RepositorySpec) -> None:
        self.base = URL(spec.url).origin()
        self._spec = spec
        self._entry = Entry(spec.name, self.base, spec.credentials, {})
        self._contexts: dict[bool, ssl.SSLContext] = {}

    def shown(self, scope: str) -> dict[str, str]:
        """The headers that let in, as the last answer in this scope had it."""
        return self._entry.headers(scope)

    async def get(self, url: URL, scope: str, accept: str = "*/*", *, head: bool = False) -> Answer:
        """An answer of 200 or 404; where `head`, a redirect is one as well: somebody else follows it.

        Raises:
            Rejected: it does not let us. Limited: not now. Untrusted: it can't be who it says it is, or says too much.
            Unavailable: it can't be reached, or is in trouble.
        """
        async with self._session() as session:
            answer = await self._let_in(session, url, scope, accept, head=head)
        if answer.status in (200, 404) or (head and answer.status < 400):
            return answer
        if answer.status == 429:
            raise troubles.limited(self._spec.name, answer.headers.get("retry-after", ""))
        raise troubles.stopped(self._spec.name, url.path, answer.status)

    async def _let_in(self, session: aiohttp.ClientSession, url: URL, scope: str, accept: str, *, head: bool) -> Answer:
        async def token(realm: URL, headers: dict[str, str], form: Mapping[str, str]) -> bytes:
            got = await self._tried(session, "POST" if form else "GET", realm, headers, form)
            if got.status != 200:
                raise troubles.stopped(self._spec.name, str(realm.origin()), got.status)
            return got.data

        method = "HEAD" if head else "GET"
        for _ in range(2):
            answer = await self._tried(session, method, url, {"Accept": accept, **self.shown(scope)})
            if answer.status != 401:
                break
            if not await self._entry.challenged(answer.headers.get("www-authenticate", ""), scope, token):
                break
        return answer

    async def _tried(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """An answer that is no trouble of the server's."""
        for left in reversed(range(TRIES)):
            try:
                answer = await self._follow(session, method, url, headers, form)
                if answer.status < 500 or not left:
                    return answer
            except _Passing as passing:
                if not left:
                    raise passing.args[0] from None
            await asyncio.sleep(PAUSE * 2 ** (TRIES - 1 - left))
        raise AssertionError("the last try ends it")

    async def _follow(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None,
    ) -> Answer:
        own = url.origin()
        try:
            for _ in range(_REDIRECTS + 1):
                shown = headers if url.origin() == own else {k: v for k, v in headers.items() if k == "Accept"}
                async with session.request(
                    method,
                    url,
                    headers=shown,
                    data=form or None,
                    ssl=self._secure(url),
                    proxy=_proxy(url),
                    allow_redirects=False,
                ) as answer:
                    told = {name.lower(): value for name, value in answer.headers.items()}
                    if answer.status in _ONWARD and method == "GET":
                        url = _onward(url, told.get("location", ""))
                        continue
                    return Answer(answer.status, told, await self._whole(url, answer.content))
        except TimeoutError:
            raise troubles.slow(self._spec.name, url.path) from None
        except aiohttp.ClientConnectorCertificateError as error:
            raise troubles.uncertified(self._spec.name, error) from None
        except ValueError as error:
            raise self.unreachable(url.path, str(error)) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _Passing(troubles.broken(self._spec, url.path, error)) from None
        raise self.unreachable(url.path, "it was sent on too often")

    def unreachable(self, file: str, reason: str) -> Unavailable:
        """Something that has to be there can't be had."""
        return troubles.unreachable(self._spec.name, file, reason)

    def _secure(self, url: URL) -> ssl.SSLContext | bool:
        """The registry alone sees our certificate."""
        if url.scheme != "https":
            return True
        home = url.origin() == self.base
        if home not in self._contexts:  # To load the authorities takes some 20 ms.
            self._contexts[home] = access.context(self._spec.credentials if home else Credentials())
        return self._contexts[home]

    async def _whole(self, url: URL, content: aiohttp.StreamReader) -> bytes:
        data = bytearray()
        async for piece in content.iter_any():
            data += piece
            if len(data) > MOST:
                raise troubles.endless(self._spec.name, url.path, MOST)
        return bytes(data)

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        timeout = aiohttp.ClientTimeout(total=_TOTAL, sock_connect=_CONNECT, sock_read=_SILENCE)
        headers = {"Accept-Encoding": "identity", "User-Agent": "beeyard"}
        async with aiohttp.ClientSession(
            timeout=timeout, headers=headers, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        ) as session:
            yield session


def _onward(url: URL, target: str) -> URL:
    """Raises ValueError."""
    onward = url.join(URL(target))
    if onward.scheme not in ("http", "https") or (url.scheme, onward.scheme) == ("https", "http"):
        raise ValueError("it was sent on to what is not safe to follow")
    return onward


def _proxy(url: URL) -> URL | None:
    found = getproxies().get(url.scheme)
    if not found or proxy_bypass(url.host or ""):
        return None
    return URL(found if "://" in found else f"http://{found}")
