"""Asks a server for bytes: connections, redirects, proxies, and what the failures of all of them mean.

Nothing is unpacked on the way, no cookie kept; a redirect never leads from https to http, nor anywhere else than to
http. What belongs to an origin is sent there only (see `credentials`), whatever the library would add by itself.
"""

import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import NamedTuple, Self
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from beeyard.adapters.fetcher.answers import REDIRECTS, Coming, coming, redirected, refused
from beeyard.adapters.fetcher.credentials import Credentials
from beeyard.adapters.fetcher.ranges import Span
from beeyard.adapters.fetcher.words import Broken, Place

CONNECT = 10.0
"""Seconds until a server has to take the connection."""
SILENCE = 30.0
"""Seconds that it may say nothing."""
FARTHEST = 10
"""Redirects on the way to one answer."""


class Answer(NamedTuple):
    """What comes, the names it has there, and the body that is yet to be read."""

    coming: Coming
    etag: str
    modified: str
    content: aiohttp.StreamReader


class Web:
    """One source's server, for one download."""

    def __init__(self, url: str, credentials: Credentials, place: Place) -> None:
        self._url = URL(url).with_user(None)
        self._credentials = credentials
        self._place = place
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=SILENCE),
            headers={"Accept-Encoding": "identity", "User-Agent": "beeyard"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,  # It would send what netrc says to wherever a redirect leads.
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    @asynccontextmanager
    async def ask(self, span: Span | None, size: int, validator: str) -> AsyncIterator[Answer]:
        """The answer to a request for these bytes, or for all; `validator`: only if it is still that file.

        Raises:
            Untrusted, Rejected: as the port says.
            Broken, Changed: it may be asked again. Reading the body within this context raises them too.
        """
        headers = {}
        if span is not None:
            headers["Range"] = f"bytes={span[0]}-{span[1] - 1}"
            if validator:
                headers["If-Range"] = validator
        async with self._answered(headers) as response:
            told = response.headers
            what = coming(response.status, told, span, size, self._place, time.time())
            yield Answer(what, told.get("ETag", ""), told.get("Last-Modified", ""), response.content)

    async def end(self, most: int) -> tuple[bytes, int]:
        """The last bytes, at most so many, and how many there are of all; none of them from a server that would send
        all instead. Raises as `ask` does."""
        async with self._answered({"Range": f"bytes=-{most}"}) as response:
            told, data = response.headers, bytearray()
            size = told.get("Content-Length", "")
            if response.status == 206:
                size = told.get("Content-Range", "").rpartition("/")[2]
                async for piece in response.content.iter_any():
                    data += piece
                    if len(data) > most:
                        raise Broken("it sent more than it was asked for")
            elif response.status != 200:
                coming(response.status, told, None, 0, self._place, time.time())
            if not size.isdecimal():
                raise Broken("it does not say how long the file is")
            return bytes(data), int(size)

    @asynccontextmanager
    async def _answered(self, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, and in our words what goes wrong until it has been read."""
        try:
            response = await self._follow(headers)
            async with response:
                yield response
                if not response.content.at_eof():
                    response.close()  # Nothing more of it is wanted, so it is not waited for.
        except aiohttp.ClientConnectorCertificateError as error:
            seen = error.certificate_error
            reason = seen.verify_message if isinstance(seen, ssl.SSLCertVerificationError) else str(seen)
            raise self._place.uncertified(error.host, reason) from None
        except aiohttp.ClientHttpProxyError as error:
            if error.status >= 500:
                raise Broken(f"the proxy answered {error.status}") from None
            raise refused(error.status, self._place._replace(host=f"the proxy to {self._place.host}")) from None
        except aiohttp.ClientConnectorError as error:
            raise Broken(f"no connection: {error.os_error.strerror or error.os_error}") from None
        except aiohttp.ConnectionTimeoutError:
            raise Broken(f"no connection within {CONNECT:.0f}s") from None
        except aiohttp.ServerTimeoutError:
            raise Broken(f"it said nothing for {SILENCE:.0f}s") from None
        except aiohttp.ClientResponseError:
            raise Broken("what answered speaks no HTTP") from None
        except aiohttp.ClientError:
            raise Broken("it broke the connection off") from None

    async def _follow(self, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        url = self._url
        for _ in range(FARTHEST + 1):
            response = await self._session.get(
                url,
                headers={**self._credentials.headers(url), **headers},
                ssl=self._credentials.tls(url),
                proxy=_proxy(url),
                allow_redirects=False,
            )
            if response.status not in REDIRECTS:
                return response
            response.release()
            url = redirected(url, response.headers.get("Location", ""), self._place)
        raise self._place.refused(
            f"it redirects more than {FARTHEST} times", "Name the URL where the files really are."
        )


def _proxy(url: URL) -> URL | None:
    """The environment's, unless that says that this host needs none."""
    found = getproxies().get(url.scheme)
    if not found or proxy_bypass(url.host or ""):
        return None
    return URL(found if "://" in found else f"http://{found}")
