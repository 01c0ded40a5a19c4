"""The network prober against real servers on this machine."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import web

from beeyard.adapters.probes import LONGEST, NetworkProber
from beeyard.ports.prober import Page, Result

PATIENCE = 30.0
"""Seconds; never waited for, unless something is wrong."""


@pytest.fixture
async def prober() -> AsyncIterator[NetworkProber]:
    prober = NetworkProber()
    yield prober
    await prober.close()


@pytest.fixture
async def server() -> AsyncIterator[str]:
    """Answers with the status in the path; three other paths judge how they were asked."""

    async def status(request: web.Request) -> web.StreamResponse:
        code = int(request.match_info["code"])
        headers = {"Location": "/500"} if 300 <= code < 400 else {}
        return web.Response(status=code, headers={"Set-Cookie": "a=b"} | headers)

    async def expect(request: web.Request) -> web.StreamResponse:
        sent = (request.method, request.headers["Host"], request.headers["X-Token"], "Cookie" in request.headers)
        return web.Response(status=200 if sent == ("HEAD", "worker.example", "t", False) else 400)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"and so on")
        await over.wait()
        return response

    async def one_request_only(request: web.Request) -> web.StreamResponse:
        connections.append(request.transport)
        return web.Response(status=200 if connections.count(request.transport) == 1 else 500)

    async def page(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"depth 3 \xff\n" if request.match_info["what"] == "short" else b"x" * (LONGEST + 1))

    connections: list[object] = []
    over = asyncio.Event()
    app = web.Application()
    app.router.add_get("/endless", endless)
    app.router.add_get("/once", one_request_only)
    app.router.add_get("/page/{what}", page)
    app.router.add_route("*", "/expect", expect)
    app.router.add_get("/{code}", status)
    runner = web.AppRunner(app, shutdown_timeout=0.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    over.set()
    await runner.cleanup()


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port whose kernel accepts, and where nobody ever says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def closed() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


@pytest.mark.parametrize("code", [200, 204, 302, 399])
async def test_a_status_from_200_to_399_is_ok(prober: NetworkProber, server: str, code: int) -> None:
    """A redirect is an answer, and not followed: here it leads to an error."""
    assert await prober.http(f"{server}/{code}", "GET", {}, PATIENCE) == Result(True)


@pytest.mark.parametrize("code", [400, 503])
async def test_any_other_status_is_named(prober: NetworkProber, server: str, code: int) -> None:
    """With the question that it answers."""
    result = await prober.http(f"{server}/{code}", "GET", {}, PATIENCE)
    assert result == Result(False, f"GET {server}/{code} answered {code}")


async def test_method_and_headers_are_sent_and_cookies_are_not(prober: NetworkProber, server: str) -> None:
    """The host included, for servers that go by name. (Asked by name: to an address nobody sends cookies.)"""
    named = server.replace("127.0.0.1", "localhost")
    assert await prober.http(f"{named}/200", "GET", {}, PATIENCE) == Result(True)
    headers = {"Host": "worker.example", "X-Token": "t"}
    assert await prober.http(f"{named}/expect", "HEAD", headers, PATIENCE) == Result(True)


async def test_no_connection_is_used_twice(prober: NetworkProber, server: str) -> None:
    """What is asked is whether the worker still accepts connections."""
    assert [await prober.http(f"{server}/once", "GET", {}, PATIENCE) for _ in range(3)] == [Result(True)] * 3


async def test_the_body_is_not_waited_for(prober: NetworkProber, server: str) -> None:
    """The status says it all."""
    assert await prober.http(f"{server}/endless", "GET", {}, PATIENCE) == Result(True)


async def test_a_page_is_read(prober: NetworkProber, server: str) -> None:
    """As text, whatever bytes are in it."""
    assert await prober.read(f"{server}/page/short", PATIENCE) == Page("depth 3 \ufffd\n")


async def test_a_page_that_can_t_be_read_says_why(prober: NetworkProber, server: str, closed: int) -> None:
    """Another status than 200, too much of it, no end of it, nobody there."""
    place = server.removeprefix("http://")
    for path, timeout, reason in (
        ("204", PATIENCE, f"GET {server}/204 answered 204"),
        ("page/long", PATIENCE, f"{server}/page/long is longer than {LONGEST} bytes"),
        ("endless", 0.05, f"no answer from {server}/endless within 50ms"),
    ):
        assert await prober.read(f"http://{place}/{path}", timeout) == Page(None, reason)
    answer = await prober.read(f"http://user:word@127.0.0.1:{closed}/", PATIENCE)
    assert answer.text is None
    assert answer.reason.startswith(f"GET http://127.0.0.1:{closed}/ failed: ")


async def test_the_environment_s_proxies_are_not_used(
    prober: NetworkProber, server: str, closed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens where this one points."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed}")
    assert await prober.http(f"{server}/200", "GET", {}, PATIENCE) == Result(True)


async def test_a_refused_connection_is_told_by_address(prober: NetworkProber, closed: int) -> None:
    """The same words for both means."""
    refused = Result(False, f"connection refused by 127.0.0.1:{closed}")
    assert await prober.http(f"http://127.0.0.1:{closed}/", "GET", {}, PATIENCE) == refused
    assert await prober.tcp("127.0.0.1", closed, PATIENCE) == refused


async def test_silence_is_told_with_how_long_it_lasted(prober: NetworkProber, black_hole: int) -> None:
    """The connection is there, but no answer."""
    url = f"http://127.0.0.1:{black_hole}/health"
    assert await prober.http(url, "GET", {}, 0.05) == Result(False, f"no answer from {url} within 50ms")


async def test_an_accepted_connection_is_enough_for_tcp(prober: NetworkProber, black_hole: int) -> None:
    """Not a word needs to be said."""
    assert await prober.tcp("127.0.0.1", black_hole, PATIENCE) == Result(True)


async def test_a_full_queue_is_silence_for_tcp(prober: NetworkProber) -> None:
    """The kernel drops what a server that hangs does not accept."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        address = listening.getsockname()
        with socket.create_connection(address), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(address)
            result = await prober.tcp("127.0.0.1", address[1], 0.05)
    assert result == Result(False, f"no answer from 127.0.0.1:{address[1]} within 50ms")


async def test_a_connection_closed_without_an_answer_is_told(prober: NetworkProber) -> None:
    """As a server does that is just going down."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        result = await prober.http(f"http://{place}/up", "GET", {}, PATIENCE)
    assert result == Result(False, f"{place} closed the connection without an answer to GET http://{place}/up")


async def test_what_speaks_no_tls_is_told(prober: NetworkProber, server: str) -> None:
    """https to a plain server fails in the library's words, and does not raise."""
    result = await prober.http(server.replace("http:", "https:") + "/200", "GET", {}, PATIENCE)
    assert not result.ok
    assert result.reason.startswith("can't connect to 127.0.0.1:")


@pytest.mark.parametrize(
    ("url", "headers"),
    [("http://", {}), ("nonsense", {}), ("http://127.0.0.1:99999/", {}), ("http://127.0.0.1/", {"A": "b\r\nC: d"})],
)
async def test_a_question_that_can_t_be_asked_is_a_result(
    prober: NetworkProber, url: str, headers: dict[str, str]
) -> None:
    """Nothing is raised, whatever the file says."""
    result = await prober.http(url, "GET", headers, PATIENCE)
    assert (result.ok, bool(result.reason)) == (False, True)


async def test_a_port_that_is_none_is_a_result(prober: NetworkProber) -> None:
    """For tcp as well."""
    result = await prober.tcp("127.0.0.1", 99999, PATIENCE)
    assert not result.ok
    assert result.reason.startswith("connecting to 127.0.0.1:99999 failed: ")


async def test_a_password_in_the_url_is_not_told(prober: NetworkProber, server: str) -> None:
    """Reasons go into records that more people read than the file."""
    url = server.replace("//", "//me:secret@") + "/503"
    assert await prober.http(url, "GET", {}, PATIENCE) == Result(False, f"GET {server}/503 answered 503")


async def test_a_cancelled_question_is_cancelled(prober: NetworkProber, black_hole: int) -> None:
    """The one thing that is raised."""
    asking = asyncio.create_task(prober.http(f"http://127.0.0.1:{black_hole}/", "GET", {}, PATIENCE))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_closing_is_harmless_twice(prober: NetworkProber, server: str) -> None:
    """And asking after it begins anew."""
    await prober.close()
    await prober.close()
    assert await prober.http(f"{server}/200", "GET", {}, PATIENCE) == Result(True)


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.0 200\r\n\r\n", ""),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "GET {url} failed: what answered speaks no HTTP"),
        (b"x" * 20_000, "GET {url} failed: what answered speaks no HTTP"),
        (b"HTTP/1.1 200", "{place} closed the connection without an answer to GET {url}"),
    ],
)
async def test_only_a_final_status_line_is_an_answer(prober: NetworkProber, answer: bytes, result: str) -> None:
    """What comes before it, and what is none, is told apart."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        url = f"http://{place}/up"
        assert await prober.http(url, "GET", {}, PATIENCE) == Result(not result, result.format(url=url, place=place))
