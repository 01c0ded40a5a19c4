"""Typed clients for programs that are no workers: they find a worker by its master's API, or by the master within them.

async with beeyard.connect(Echo, "echo") as echo:
    print(await echo.say("hello"))
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from beeyard.application.master import Master
from beeyard.application.operations.endpoint_list import EndpointList
from beeyard.entrypoints.http.async_client import AsyncClient
from beeyard.entrypoints.http.where import Home
from beeyard.sdk import clients
from beeyard.sdk.clients import Means, Via
from beeyard.sdk.endpoints import EndpointView
from beeyard.sdk.finding import Find, finder

C = TypeVar("C")


@asynccontextmanager
async def connect(
    contract: type[C],
    worker: str,
    via: Via | Sequence[Means] = "auto",
    name: str = "",
    timeout: float | None = None,
    *,
    by: AsyncClient | Master | None = None,
) -> AsyncIterator[C]:
    """An object of the contract that is answered by a worker, while the block lasts.

    Args:
        contract: a Protocol or an abstract class (see beeyard.sdk.contracts).
        worker: a worker or a group; of a group, those that are ready take turns.
        via: `auto`: `direct` in one process, else `grpc`, else `http`; or one of them; or a list, the first first.
        name: the endpoint's; empty: whichever serves the contract.
        timeout: seconds that a call may take, then it is cancelled and raises Interrupted; None: no such limit. Of
            async methods.
        by: who finds it: the client of a master, or the master that runs in this program; else that of the default
            state folder.

    Raises:
        Unreachable: nobody offers it now; or any error of the master's.
        TypeError: it is no contract.
    """
    async with AsyncExitStack() as stack:
        if isinstance(by, Master):
            master, find = by.place.socket, finder(by.place.socket)
        else:
            client = AsyncClient() if by is None else by
            if by is None:
                await stack.enter_async_context(client)
            master = client.where.paths.master_socket if isinstance(client.where, Home) else ""
            find = _asking(client)
        made, link = await clients.connect(contract, worker, via, name, master, find, timeout)
        stack.push_async_callback(link.close)
        yield made


def _asking(client: AsyncClient) -> Find:
    async def find(worker: str) -> list[EndpointView]:
        return await client.ask(EndpointList([worker]))

    return find
