"""Whatever bytes come in over a socket, the server answers, forgets them, and goes on."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import cast
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from beeyard.entrypoints.http import reading
from beeyard.entrypoints.http.answers import errors
from tests.served import Served, served
from tests.yard import eventually


@pytest.fixture(scope="module")
def master() -> Iterator[Served]:
    """One for all tests of this module; at the end it has complained of nothing."""
    with served(endless=False, failures=10**6) as one:
        yield one
        assert one.log == []


def answers(master: Served) -> bool:
    """Whether a new client is served."""
    connection = http.client.HTTPConnection("127.0.0.1", master.port, timeout=30)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def told(master: Served, data: bytes) -> bytes:
    """What comes back until the server closes, or has nothing more to say to somebody who says no more."""
    with socket.create_connection(("127.0.0.1", master.port), timeout=30) as sock:
        got = b""
        with suppress(ConnectionError):
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while piece := sock.recv(65536):
                got += piece
        return got


HOST = b"Host: 127.0.0.1\r\n"
line = st.sampled_from(
    [
        *(b"GET /healthz HTTP/1.1\r\n", b"GET /v1/workers HTTP/1.1\r\n", b"POST /v1/operations/ps HTTP/1.1\r\n"),
        *(
            b"POST /v1/login HTTP/1.1\r\n",
            b"DELETE /v1/jobs/%ff HTTP/1.1\r\n",
            b"GET /v1/events?after=%00 HTTP/1.1\r\n",
        ),
        *(
            b"GET http://[::1 HTTP/1.1\r\n",
            b"GET //x//../%00 HTTP/1.0\r\n",
            b"OPTIONS * HTTP/1.1\r\n",
            b"GET /\xff\r\n",
        ),
        *(b"CONNECT x:1 HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n", b"\x16\x03\x01\x02\x00", b"BREW / HTCPCP/1.0\r\n"),
    ]
)
header = st.sampled_from(
    [
        *(HOST, b"Host: \xff\r\n", b"Host: a, b\r\n", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n"),
        *(
            b"Content-Length: 99999999999999999999\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Transfer-Encoding: gzip\r\n",
        ),
        *(b"Authorization: Bearer bee_00000000_\xff\r\n", b"Authorization: Basic =\r\n", b"Authorization:\r\n"),
        *(b"Cookie: beeyard_session=\xff; ==;\r\n", b"Connection: upgrade\r\n", b"Upgrade: websocket\r\n"),
        *(b"Expect: 100-continue\r\n", b"Expect: tea\r\n", b"Content-Encoding: gzip\r\n", b"Last-Event-ID: \x01\r\n"),
        *(b"If-None-Match: W/\r\n", b"Accept: \xe4\r\n", b" folded\r\n", b"no colon\r\n", b"Range: bytes=0-\r\n"),
    ]
)
rest = st.sampled_from(
    [b"\r\n", b"\r\n{}", b"\r\n5\r\nhello\r\n0\r\n\r\n", b"\r\nZZ\r\n", b"\r\n-1\r\n", b"\n\n"]
) | st.binary(max_size=30)
requests = st.lists(
    st.tuples(line, st.lists(header, max_size=4).map(b"".join), rest).map(b"".join), min_size=1, max_size=3
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests.map(b"".join) | st.binary(max_size=200))
@example(b"POST /v1/operations/ps HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nZZZ")
@example(b"POST /v1/operations/ps HTTP/1.1\r\n" + HOST + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello")
@example(b"GET /v1/workers HTTP/1.1\r\n" + HOST + b"Expect: tea\r\n\r\n")
@example(b"GET http://[::1/ HTTP/1.1\r\n" + HOST + b"\r\n")
def test_whatever_is_said_the_answer_is_http(master: Served, data: bytes) -> None:
    """Half requests, several at once, and no HTTP at all; each error is a problem document, and none is our bug."""
    got = told(master, data)
    while got:
        head, _, got = got.partition(b"\r\n\r\n")
        status = int(head.split(b" ")[1])
        assert status < 500, head
        fields = dict(one.lower().split(b": ", 1) for one in head.split(b"\r\n")[1:])
        length = int(fields.get(b"content-length", b"0"))
        if status >= 400:
            assert fields[b"content-type"].startswith(b"application/problem+json"), head
        got = got[length:]


def test_after_all_that_it_goes_on(master: Served) -> None:
    """Nobody who spoke nonsense is still being listened to."""
    assert answers(master)
    eventually(lambda: master.connections() == 0, "everybody gone")


def test_a_body_that_goes_wrong_on_its_way_is_not_waited_for(master: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next piece has to come in time; what can't be one never comes."""
    monkeypatch.setattr(reading, "STALL", 0.05)
    head = b"POST /v1/operations/ps HTTP/1.1\r\n" + HOST + b"Authorization: Bearer " + master.token().encode()
    head += b"\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
    with socket.create_connection(("127.0.0.1", master.port), timeout=30) as sock:
        sock.sendall(head)
        assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"ZZ\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert answers(master)


async def test_a_body_that_breaks_is_its_senders_fault() -> None:
    """Not ours: nothing of it is logged."""

    async def broken(request: web.Request) -> web.StreamResponse:
        raise web.RequestPayloadError

    answer = cast(web.Response, await errors(make_mocked_request("POST", "/", writer=Mock(output_size=0)), broken))
    assert (answer.status, b"body_broken" in cast(bytes, answer.body)) == (400, True)


@pytest.mark.parametrize(
    "flood", [b"A" * 65536, b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n", b"POST / HTTP/1.1\r\nX: "]
)
def test_who_only_talks_and_never_listens_is_not_kept_in_memory(master: Served, flood: bytes) -> None:
    """The server stops taking more, or hangs up: what it takes has an end."""
    taken = 0
    piece = flood * (65536 // len(flood) + 1)
    with socket.create_connection(("127.0.0.1", master.port), timeout=1) as sock:
        with suppress(TimeoutError, ConnectionError):
            while taken < 64 * 1024 * 1024:
                taken += sock.send(piece)
        assert taken < 64 * 1024 * 1024
        assert answers(master)
