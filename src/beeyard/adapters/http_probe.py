"""The plainest question there is, `http://` without a password in it: one connection, one request, one status line.

aiohttp could ask it as well, at four times the price, which counts where a thousand workers are asked each second.
What is not this plain is left to it (see `probes`).
"""

import asyncio
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, cast

_PLAIN = re.compile(
    r"http://(?P<place>(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?)"
    r"(?P<path>/[A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]*)?"
)
_STATUS = re.compile(rb"HTTP/[0-9]\.[0-9] ([0-9]{3})(?: [^\r\n]*)?\r?\n")
_BLANK = re.compile(rb"\r?\n\r?\n")
LONGEST = 16 * 1024
"""Bytes in which the status has to be found."""


class NotHttp(ValueError):
    """What answered speaks something else."""


class Question(NamedTuple):
    """Where to connect, what to send there, and the place in the words of the URL."""

    host: str
    port: int
    request: bytes
    place: str


def plain(url: str, method: str, headers: Mapping[str, str], agent: str) -> Question | None:
    """The question, if it is as plain as that."""
    return _plain(url, method, tuple(headers.items()), agent)


@lru_cache(maxsize=20_000)
def _plain(url: str, method: str, headers: tuple[tuple[str, str], ...], agent: str) -> Question | None:
    found = _PLAIN.fullmatch(url)
    port = int(found["port"] or 80) if found else 0
    if found is None or not 0 < port < 65536:
        return None
    lines = {"host": ("Host", found["place"]), "user-agent": ("User-Agent", agent), "accept": ("Accept", "*/*")}
    if method.upper() in ("POST", "PUT", "PATCH"):
        lines["content-length"] = ("Content-Length", "0")
    lines |= {name.lower(): (name, value) for name, value in headers}
    lines["connection"] = ("Connection", "close")
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.values())
    request = f"{method.upper()} {found['path'] or '/'} HTTP/1.1\r\n{head}\r\n".encode()
    return Question(found["host"].strip("[]"), port, request, found["place"])


async def status(question: Question) -> int:
    """The final status. Raises OSError while connecting, `EOFError` without an answer, NotHttp; waits for ever."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[int] = loop.create_future()
    transport, _ = await loop.create_connection(lambda: _Asking(question.request, answer), question.host, question.port)
    try:
        return await answer
    finally:
        transport.abort()  # At once: what is left of the body is not waited for.


class _Asking(asyncio.Protocol):
    """One question on its way."""

    def __init__(self, request: bytes, answer: asyncio.Future[int]) -> None:
        self._request = request
        self._answer = answer
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._request)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        self._got += data
        while not self._answer.done() and b"\n" in self._got:
            found = _STATUS.match(self._got)
            if found is None:
                self._answer.set_exception(NotHttp("what answered speaks no HTTP"))
            elif found[1][:1] != b"1":
                self._answer.set_result(int(found[1]))
            elif (end := _BLANK.search(self._got)) is not None:
                self._got = self._got[end.end() :]  # An interim answer, such as 103: the final one comes after it.
            else:
                return
        if len(self._got) > LONGEST and not self._answer.done():
            self._answer.set_exception(NotHttp("what answered speaks no HTTP"))

    def connection_lost(self, error: Exception | None) -> None:
        if not self._answer.done():
            self._answer.set_exception(error or EOFError())
