"""Small files of a repository, from a web server: within a size, a time and a minimum speed.

The server decides neither when it ends, nor where our credentials go. Proxies are those of the environment.
"""

import asyncio
import ssl
import urllib.request
from typing import Self
from urllib.parse import quote, urljoin, urlsplit

import aiohttp
from msgspec import Struct
from yarl import URL

from beeyard.adapters.repositories import access
from beeyard.adapters.repositories.reading import Reader
from beeyard.domain.errors import BeeyardError, Untrusted
from beeyard.domain.sources import Credentials

REDIRECTS = 5
DENIED = (401, 403, 407)


class Limits(Struct, frozen=True):
    """`total` seconds for everything that one question needs, `answer` for the head of one answer and for any silence,
    and after `grace` seconds at least `rate` bytes a second."""

    total: float = 60.0
    answer: float = 10.0
    grace: float = 5.0
    rate: float = 4096.0


class WebReader(Reader):
    """Reads what lies below a URL, over connections that are kept. `accept`: in which form, where there are several."""

    accept = "*/*"

    def __init__(self, repository: str, base: str, credentials: Credentials, limits: Limits) -> None:
        super().__init__(repository, base)
        self._credentials = credentials
        self._limits = limits
        self._contexts: dict[bool, ssl.SSLContext] = {}

    async def __aenter__(self) -> Self:
        self._ends = asyncio.get_running_loop().time() + self._limits.total
        self._session = aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def read(self, path: str, most: int) -> bytes | None:
        try:
            async with asyncio.timeout_at(self._ends):
                return await self._found(path, most)
        except TimeoutError:
            raise self._slow(path) from None
        except aiohttp.ClientConnectorCertificateError as error:
            raise self._uncertified(error) from None
        except aiohttp.ClientHttpProxyError as error:
            raise self._stopped(path, f"the proxy answered {error.status}", error.status) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._unreachable(path, _reason(error), self._advice(error)) from None

    async def _found(self, path: str, most: int) -> bytes | None:
        url = self._base + quote(path)
        for _ in range(REDIRECTS + 1):
            async with asyncio.timeout(self._limits.answer):
                answer = await self._answer(url)
            async with answer:
                if answer.status in (301, 302, 303, 307, 308):
                    url = self._onward(path, url, answer.headers.get("Location", ""))
                elif answer.status in (404, 410):
                    return None
                elif answer.status != 200:
                    raise self._stopped(path, f"it answered {answer.status}", answer.status)
                else:
                    return await self._whole(path, answer.content, most)
        raise self._unreachable(path, "it was sent on too often")

    async def _answer(self, url: str) -> aiohttp.ClientResponse:
        home = access.origin(url) == access.origin(self._base)
        shown = self._credentials if home else Credentials()
        headers = {"Accept-Encoding": "identity", "Accept": self.accept} | access.headers(shown, url)
        if url.startswith("https:") and home not in self._contexts:
            self._contexts[home] = access.context(shown)  # loading the authorities takes some 20 ms
        secure = self._contexts.get(home, True)
        where = URL(url, encoded=True)
        return await self._session.get(where, headers=headers, ssl=secure, proxy=_proxy(url), allow_redirects=False)

    def _onward(self, path: str, url: str, target: str) -> str:
        onward = urljoin(url, target)
        scheme = urlsplit(onward).scheme
        if scheme not in ("http", "https") or (url.startswith("https:") and scheme != "https"):
            raise self._unreachable(path, "it was sent on to what is not safe to follow")
        return onward

    def _stopped(self, path: str, answer: str, status: int) -> BeeyardError:
        return self._denied(path, answer) if status in DENIED else self._unreachable(path, answer)

    def _uncertified(self, error: aiohttp.ClientConnectorCertificateError) -> BeeyardError:
        seen = error.certificate_error
        reason = seen.verify_message if isinstance(seen, ssl.SSLCertVerificationError) else str(seen)
        text = "{repository} was asked for nothing: {host} can't prove who it is: {reason}"
        hint = "whoever runs it renews its certificate; if its authority is your own, this system has to trust that"
        fields = {"repository": self._repository, "host": f"{error.host}:{error.port}", "reason": reason}
        return Untrusted("repository_uncertified", text, hint=hint, **fields)

    def _advice(self, error: Exception) -> str:
        """A server that does not like our certificate says no more than that it hangs up."""
        if not self._base.startswith("https:") or isinstance(error, aiohttp.ClientConnectorError):
            return ""
        if shown := self._credentials.certificate:
            return f"if it stays so: does it take the client certificate {shown}?"
        return "if it stays so: does it want a client certificate, `certificate` and `key` of the repository?"

    async def _whole(self, path: str, content: aiohttp.StreamReader, most: int) -> bytes:
        limits, data, clock = self._limits, bytearray(), asyncio.get_running_loop().time
        began = clock()
        while True:
            async with asyncio.timeout(limits.answer):
                piece = await content.readany()
            if not piece:
                return bytes(data)
            data += piece
            if len(data) > most:
                raise self._endless(path, most)
            if (spent := clock() - began) > limits.grace and len(data) < spent * limits.rate:
                raise self._slow(path)


def _reason(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorSSLError():
            return f"no TLS with {error.host}:{error.port}: {access.words(error.os_error)}"
        case aiohttp.ClientProxyConnectionError():
            return f"no connection to the proxy {error.host}:{error.port}: {access.words(error.os_error)}"
        case aiohttp.ClientConnectorError():
            return f"no connection to {error.host}:{error.port}: {access.words(error.os_error)}"
        case aiohttp.ClientPayloadError():
            return "it ended too early"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return "it broke the connection off"
        case aiohttp.ClientResponseError():
            return "what answered speaks no HTTP"
    return str(error) or type(error).__name__


def _proxy(url: str) -> str | None:
    parts = urlsplit(url)
    if not parts.hostname or urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)
