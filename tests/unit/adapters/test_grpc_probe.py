"""gRPC probes against a real health service on this machine."""

import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from beeyard.adapters.probes import NetworkProber
from beeyard.ports.prober import Result

PATIENCE = 30.0
"""Seconds; never waited for, unless something is wrong."""
NOT_SERVING, UNKNOWN = map(health_pb2.HealthCheckResponse.ServingStatus.Value, ("NOT_SERVING", "UNKNOWN"))


@pytest.fixture
async def server() -> AsyncIterator[int]:
    """The port of a server that is well, with one service that is not and one that does not know."""
    service = health.aio.HealthServicer()
    await service.set("orders", NOT_SERVING)
    await service.set("stock", UNKNOWN)
    serving = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(service, serving)
    port = serving.add_insecure_port("127.0.0.1:0")
    await serving.start()
    yield port
    await serving.stop(None)


async def asked(port: int, service: str = "", timeout: float = PATIENCE) -> Result:
    """One question, with the port left out of the answer."""
    result = await NetworkProber().grpc("127.0.0.1", port, service, timeout)
    return Result(result.ok, result.reason.replace(str(port), "PORT"))


async def test_serving_is_ok(server: int) -> None:
    """Of the server as a whole; again and again, each question by a connection of its own."""
    assert [await asked(server) for _ in range(3)] == [Result(True)] * 3


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ("orders", "the gRPC health of 'orders' at 127.0.0.1:PORT is NOT_SERVING"),
        ("stock", "the gRPC health of 'stock' at 127.0.0.1:PORT is UNKNOWN"),
        ("nobody", "127.0.0.1:PORT knows no gRPC service 'nobody'"),
    ],
)
async def test_what_does_not_serve_says_so(server: int, service: str, reason: str) -> None:
    """With the word that the service gave."""
    assert await asked(server, service) == Result(False, reason)


async def test_a_server_without_health_service() -> None:
    """It speaks gRPC, but can't be asked."""
    serving = grpc.aio.server()
    port = serving.add_insecure_port("127.0.0.1:0")
    await serving.start()
    result = await asked(port)
    await serving.stop(None)
    assert result == Result(False, "127.0.0.1:PORT has no gRPC health service (grpc.health.v1.Health)")


async def test_a_method_that_answers_is_ok() -> None:
    """Whatever it answers; an error is none, nor is a method that is not there. Headers come with the question."""
    seen: list[tuple[str, str | bytes]] = []

    async def ping(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        seen.extend((name, value) for name, value in context.invocation_metadata() or () if name == "x-from")
        assert request == b""
        return b"anything"

    async def fail(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        await context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")

    methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Ping": grpc.unary_unary_rpc_method_handler(ping),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
    }
    serving = grpc.aio.server()
    serving.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("proto.CoreService", methods),))
    port = serving.add_insecure_port("127.0.0.1:0")
    await serving.start()
    found = [await called(port, f"proto.CoreService/{name}") for name in ("Ping", "Fail", "Pong")]
    wrong = await called(port, "proto.CoreService/Ping", {"not allowed": "x"})
    await serving.stop(None)
    assert found == [
        Result(True),
        Result(False, "127.0.0.1:PORT answered NOT_FOUND: no such thing"),
        Result(False, "127.0.0.1:PORT has no gRPC method proto.CoreService/Pong"),
    ]
    assert seen == [("x-from", "beeyard")]
    assert wrong.reason.startswith("127.0.0.1:PORT could not be asked by gRPC: ")


async def called(port: int, call: str, headers: Mapping[str, str] = {"X-From": "beeyard"}) -> Result:
    """One call of a method, with the port left out of the answer."""
    result = await NetworkProber().grpc("127.0.0.1", port, "", PATIENCE, call=call, headers=headers)
    return Result(result.ok, result.reason.replace(str(port), "PORT"))


async def test_a_closed_port_refuses() -> None:
    """The layers that gRPC wraps around the reason are left out."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    assert await asked(port) == Result(False, "no gRPC connection to 127.0.0.1:PORT: connection refused")


async def test_who_says_nothing_is_waited_for_as_long_as_the_probe_says() -> None:
    """A port whose kernel accepts, and where nobody ever says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        result = await asked(listening.getsockname()[1], timeout=0.05)
    assert result == Result(False, "no answer from 127.0.0.1:PORT within 50ms")


def test_grpc_is_loaded_by_the_first_grpc_question() -> None:
    """It takes 20 MB, which nobody needs who does not ask that way."""
    script = "import sys, beeyard.bootstrap; print('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"False\n"


async def test_without_grpc_the_reason_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """For specs made in a program; a worker file's is refused before."""
    monkeypatch.delitem(sys.modules, "beeyard.adapters.grpc_probe", raising=False)
    monkeypatch.setitem(sys.modules, "grpc", None)
    result = await NetworkProber().grpc("127.0.0.1", 1, "", PATIENCE)
    assert result == Result(False, "gRPC probes need grpc: pip install 'beeyard[grpc]'")
