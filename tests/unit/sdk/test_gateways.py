"""Contracts over real connections: Beeyard's own way over HTTP, and an author's compiled service over gRPC."""

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import grpc
import pytest
from aiohttp import web
from grpc_tools import protoc  # type: ignore[import-untyped]

from beeyard.sdk import Failed, Interrupted, Unreachable, clients, gateways, register_gateway
from beeyard.sdk.endpoints import EndpointView, kind_of
from beeyard.sdk.http import routes
from tests.unit.sdk.quarters import LONG, Echo, Said, Service, TooLong

PROTO = """
syntax = "proto3";
package echo;
service Speaker { rpc Say (Words) returns (Words) {} }
message Words { string text = 1; }
"""


class Speaker(Protocol):
    """What the compiled service does."""

    async def say(self, text: str) -> str: ...


@asynccontextmanager
async def served(app: web.Application, port: int = 0) -> AsyncIterator[int]:
    """On this port, or any; which one."""
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def echoing(service: Service) -> web.Application:
    """An application that serves the contract."""
    app = web.Application()
    app.add_routes(routes(Echo, service))
    return app


@asynccontextmanager
async def linked(contract: Any, protocol: Any, *addresses: str) -> AsyncIterator[Any]:
    """A client; each look finds the next address."""
    looks = iter(addresses)

    async def find(worker: str) -> list[EndpointView]:
        address = next(looks)
        return [EndpointView("echo", "it", kind_of(protocol, address), protocol, address, {}, 0.0, "file")]

    made, link = await clients.connect(contract, "echo", protocol, "", "", find)
    try:
        yield made
    finally:
        await link.close()


@asynccontextmanager
async def over_http(service: Service) -> AsyncIterator[Any]:
    """A client of it by HTTP."""
    async with served(echoing(service)) as port, linked(Echo, "http", f"http://127.0.0.1:{port}/") as echo:
        yield echo


# --- http -----------------------------------------------------------------------------------------------------------


async def test_a_contract_goes_over_http_with_its_types() -> None:
    """Structs come back as such; what the caller leaves out is what the service takes; errors as they were."""
    async with over_http(Service()) as echo:
        assert await echo.say("ho") == Said("hohoho", 3)
        assert await echo.say("ho", times=1) == Said("ho", 1)
        with pytest.raises(ValueError, match="no such value") as caught:
            await echo.fail("value")
        assert caught.value.args == ("no such value", 7)
        with pytest.raises(TooLong, match="by far"):
            await echo.fail("declared")
        with pytest.raises(Failed, match="BrokenBarrierError: broken") as failed:
            await echo.fail("strange")
        assert failed.value.kind == "BrokenBarrierError"


async def test_plain_methods_go_over_http_as_well() -> None:
    """The caller's thread stands still for them, so it is not the service's."""
    async with over_http(Service()) as echo:
        assert await asyncio.to_thread(echo.there) == await asyncio.to_thread(echo.here)


async def test_a_caller_that_gives_up_ends_the_call_over_http() -> None:
    """Where the server cancels handlers."""
    service = Service()
    async with over_http(service) as echo:
        call = asyncio.ensure_future(echo.wait())
        await asyncio.to_thread(service.waiting.wait, LONG)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await asyncio.to_thread(service.cancelled.wait, LONG)


async def test_what_is_no_call_of_the_contract_is_refused_as_a_problem() -> None:
    """With what was expected."""
    told = []
    async with served(echoing(Service())) as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        for path, body in (("say", "{"), ("say", '{"text": 1}'), ("say", '{"text": "x", "loud": 1}'), ("sing", "{}")):
            async with session.post(f"/Echo/{path}", data=body) as answer:
                problem = await answer.json(content_type="application/problem+json")
                told.append((answer.status, problem["detail"]))
    assert told == [
        (400, "Echo.say: Input data was truncated"),
        (400, "Echo.say: Expected `str`, got `int` - at `$.text`"),
        (400, "Echo.say: Object contains unknown field `loud`"),
        (404, "Echo has no method sing"),
    ]


async def test_a_server_of_something_else_is_told_from_the_contract() -> None:
    """By what it answers."""
    async with served(web.Application()) as port, linked(Echo, "http", f"http://127.0.0.1:{port}") as echo:
        with pytest.raises(Failed, match=r"echo answered 404: what listens at http://127.0.0.1:\d+ serves no Echo"):
            await echo.say("ho")


async def test_a_worker_at_a_new_port_is_found_and_asked_once() -> None:
    """What could not be sent is sent there; what broke on the way is not."""
    service = Service()
    async with served(echoing(service)) as old:
        pass
    async with served(echoing(service)) as port:
        urls = [f"http://127.0.0.1:{one}" for one in (old, port)]
        async with linked(Echo, "http", *urls) as echo:
            assert await echo.say("ho") == Said("hohoho", 3)
        async with linked(Echo, "http", urls[0], urls[0]) as echo:
            with pytest.raises(Unreachable, match="echo can't be reached at"):
                await echo.say("ho")


async def test_a_worker_that_ends_in_the_middle_leaves_it_open() -> None:
    """Whether it was done nobody knows."""
    service = Service()
    async with AsyncExitStack() as server:
        port = await server.enter_async_context(served(echoing(service)))
        async with linked(Echo, "http", f"http://127.0.0.1:{port}") as echo:
            call = asyncio.ensure_future(echo.wait())
            await asyncio.to_thread(service.waiting.wait, LONG)
            await server.aclose()
            with pytest.raises(Interrupted, match="echo was lost before it had answered"):
                await call


# --- grpc -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """The messages and the stubs of a .proto."""
    (tmp_path / "speaker.proto").write_text(PROTO)
    out = [f"--proto_path={tmp_path}", f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}"]
    assert protoc.main(["protoc", *out, "speaker.proto"]) == 0
    monkeypatch.syspath_prepend(tmp_path)
    names = ("speaker_pb2", "speaker_pb2_grpc")
    made = tuple(importlib.import_module(name) for name in names)
    for name in names:
        monkeypatch.delitem(sys.modules, name)
    return made[0], made[1]


async def test_a_contract_goes_over_grpc_by_its_authors_gateway(compiled: tuple[Any, Any]) -> None:
    """The compiled stub behind the contract; a worker that is gone is looked up anew."""
    messages, stubs = compiled
    before = dict(gateways._gateways)

    class Servicer:
        async def Say(self, request: Any, context: Any) -> Any:
            return messages.Words(text=request.text * 2)

    class Speaking:
        def __init__(self, address: str) -> None:
            self.channel = grpc.aio.insecure_channel(address)
            self.stub = stubs.SpeakerStub(self.channel)

        async def say(self, text: str) -> str:
            return str((await self.stub.Say(messages.Words(text=text))).text)

        async def aclose(self) -> None:
            await self.channel.close()

    async def serving() -> tuple[Any, str]:
        server = grpc.aio.server()
        stubs.add_SpeakerServicer_to_server(Servicer(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, f"127.0.0.1:{port}"

    (first, old), (second, new) = await serving(), await serving()
    with pytest.raises(Unreachable, match="nobody knows how to call Speaker by grpc"):
        await linked(Speaker, "grpc", old).__aenter__()
    register_gateway(Speaker, "grpc", Speaking)
    try:
        async with linked(Speaker, "grpc", old, new) as speaker:
            assert await speaker.say("ho") == "hoho"
            await first.stop(None)
            assert await speaker.say("hi") == "hihi"
    finally:
        await second.stop(None)
        gateways._gateways.clear()
        gateways._gateways.update(before)
