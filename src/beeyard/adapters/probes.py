"""Asks workers over the network how they are, as the kubelet does. Knows neither thresholds nor what a verdict means.

Every question is a connection of its own: nothing is reused, no redirect is followed, no cookie kept, no proxy taken
from the environment, no body read but by `read`. Certificates are not verified, for a probe asks whether the worker
answers, not who it is; the kubelet does the same.
"""

import asyncio
import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING

from beeyard.adapters import http_probe
from beeyard.domain.values import human_duration
from beeyard.ports.prober import Page, Result

if TYPE_CHECKING:
    from aiohttp import ClientSession, StreamReader

USER_AGENT = "beeyard-probe"
LONGEST = 4 * 1024 * 1024
"""Bytes of a page that are read."""


class NetworkProber:
    """Plain HTTP and TCP by the loop itself; other HTTP by aiohttp and gRPC by grpcio, each loaded when it is asked."""

    def __init__(self) -> None:
        self._session: ClientSession | None = None

    async def http(self, url: str, method: str, headers: Mapping[str, str], timeout: float) -> Result:
        """Ok for a status from 200 to 399. `Host` among the headers replaces the URL's."""
        if (question := http_probe.plain(url, method, headers, USER_AGENT)) is not None:
            return await _plain(question, f"{method} {url}", timeout)
        from aiohttp import ClientConnectorError, ServerDisconnectedError
        from yarl import URL

        place = shown = url
        try:
            target = URL(url)
            place = target.authority.rpartition("@")[2]
            shown = str(target.with_user(None)) if target.user or target.password else url
            async with (
                asyncio.timeout(timeout),
                self._client().request(method, target, headers=headers, allow_redirects=False) as response,
            ):
                response.close()  # at once: what is left of the body is not waited for
        except TimeoutError:
            return Result(False, f"no answer from {shown} within {human_duration(timeout)}")
        except ServerDisconnectedError:
            return Result(False, f"{place} closed the connection without an answer to {method} {shown}")
        except ClientConnectorError as error:
            return Result(False, _unconnected(place, error.os_error))
        except Exception as error:
            return Result(False, f"{method} {shown} failed: {_words(error)}")
        return _judged(response.status, f"{method} {shown}")

    async def read(self, url: str, timeout: float) -> Page:
        """No more than LONGEST of it, and bytes that are no UTF-8 are replaced."""
        from yarl import URL

        shown = url
        try:
            target = URL(url)
            shown = str(target.with_user(None)) if target.user or target.password else url
            async with (
                asyncio.timeout(timeout),
                self._client().get(target, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    return Page(None, f"GET {shown} answered {response.status}")
                body = await _body(response.content)
        except TimeoutError:
            return Page(None, f"no answer from {shown} within {human_duration(timeout)}")
        except Exception as error:
            return Page(None, f"GET {shown} failed: {_words(error)}")
        return (
            Page(None, f"{shown} is longer than {LONGEST} bytes")
            if body is None
            else Page(body.decode(errors="replace"))
        )

    async def tcp(self, host: str, port: int, timeout: float) -> Result:
        """Ok when the connection is accepted; it is closed again without a word."""
        place = _place(host, port)
        try:
            async with asyncio.timeout(timeout):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            return Result(False, f"no answer from {place} within {human_duration(timeout)}")
        except OSError as error:
            return Result(False, _unconnected(place, error))
        except Exception as error:
            return Result(False, f"connecting to {place} failed: {_words(error)}")
        writer.transport.abort()
        return Result(True)

    async def grpc(
        self, host: str, port: int, service: str, timeout: float, *, call: str = "", headers: Mapping[str, str] = {}
    ) -> Result:
        """By an extra of Beeyard, which a program that makes its own specs may lack."""
        try:
            from beeyard.adapters.grpc_probe import check
        except ImportError as error:
            return Result(False, f"gRPC probes need {error.name}: pip install 'beeyard[grpc]'")
        return await check(_place(host, port), service, call, headers, timeout)

    async def close(self) -> None:
        """Harmless twice, and where nothing was ever asked."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _client(self) -> "ClientSession":
        if self._session is None:
            from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

            self._session = ClientSession(
                # No limit: a probe that queues behind others would time out for their sake.
                connector=TCPConnector(force_close=True, limit=0, ssl=False),
                cookie_jar=DummyCookieJar(),
                headers={"User-Agent": USER_AGENT},
                timeout=ClientTimeout(),  # none of its own: it rounds to whole seconds
                auto_decompress=False,
            )
        return self._session


async def _body(content: "StreamReader") -> bytes | None:
    """All of it; None when it is too long."""
    body = bytearray()
    async for part in content.iter_any():
        body += part
        if len(body) > LONGEST:
            return None
    return bytes(body)


async def _plain(question: http_probe.Question, asked: str, timeout: float) -> Result:
    """As `http`, without aiohttp."""
    try:
        async with asyncio.timeout(timeout):
            status = await http_probe.status(question)
    except TimeoutError:
        return Result(False, f"no answer from {asked.partition(' ')[2]} within {human_duration(timeout)}")
    except (EOFError, ConnectionResetError):
        return Result(False, f"{question.place} closed the connection without an answer to {asked}")
    except OSError as error:
        return Result(False, _unconnected(question.place, error))
    except Exception as error:
        return Result(False, f"{asked} failed: {_words(error)}")
    return _judged(status, asked)


def _judged(status: int, asked: str) -> Result:
    return Result(True) if 200 <= status < 400 else Result(False, f"{asked} answered {status}")


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _unconnected(place: str, error: OSError) -> str:
    """A refusal in our words, anything else in the system's."""
    # A name with several addresses gives one error without a number; the numbers stand in its text.
    if error.errno == errno.ECONNREFUSED or f"[Errno {errno.ECONNREFUSED}]" in str(error):
        return f"connection refused by {place}"
    return f"can't connect to {place}: {_words(error)}"


def _words(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
