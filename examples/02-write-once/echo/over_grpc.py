"""The contract over gRPC, served and called. Importing this lets `connect(Echo, …, via="grpc")` know how.

The server is that with threads: `grpc.aio` has one queue for all event loops of a process, and modules within the
master have a loop each (github.com/grpc/grpc/issues/25364).
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import grpc

from beeyard.sdk import register_gateway
from echo.contract import Echo, Said
from echo.echo_pb2 import Said as Answer
from echo.echo_pb2 import SayRequest
from echo.echo_pb2_grpc import EchoServicer, EchoStub, add_EchoServicer_to_server

THREADS = 4
_OWN = (("grpc.so_reuseport", 0),)  # Else a port that another server has would be shared with it, in silence.


class Servicer(EchoServicer):
    """Has each call answered on the loop of the service; the thread that took it waits."""

    def __init__(self, echo: Echo) -> None:
        self._echo = echo
        self._loop = asyncio.get_running_loop()

    def Say(self, request: SayRequest, context: grpc.ServicerContext) -> Answer:
        """As echo.proto says."""
        answer = asyncio.run_coroutine_threadsafe(self._echo.say(request.text), self._loop)
        try:
            said = answer.result()
        except ValueError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return Answer(text=said.text, worker=said.worker, pid=said.pid)


class Serving:
    """A server that listens, on the running loop's behalf. Raises RuntimeError if the address is taken."""

    def __init__(self, echo: Echo, address: str) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "grpc")
        self._server = grpc.server(self._threads, options=_OWN)
        add_EchoServicer_to_server(Servicer(echo), self._server)
        self._server.add_insecure_port(address)
        self._server.start()

    async def stop(self, grace: float) -> None:
        """Take no more calls, and end the threads: gRPC leaves them to whoever made them."""
        await asyncio.to_thread(self._server.stop(grace).wait)
        self._threads.shutdown(wait=False)


class Calling:
    """The contract, answered by a server."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self._stub = EchoStub(self._channel)

    async def say(self, text: str) -> Said:
        """As the contract says."""
        try:
            said = await self._stub.Say(SayRequest(text=text))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                raise ValueError(error.details()) from None
            raise
        return Said(said.text, said.worker, said.pid)

    async def aclose(self) -> None:
        """Nothing is to be asked any more."""
        await self._channel.close()


register_gateway(Echo, "grpc", Calling)
