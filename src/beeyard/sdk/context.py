"""What a module is given: who it is, its configuration, its ports, its log, and whom to tell what it offers."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from socket import socket as Socket
from typing import Any, Generic, TypeVar

import msgspec

from beeyard.sdk import clients, direct
from beeyard.sdk.clients import Link, Means, Via
from beeyard.sdk.contracts import understood
from beeyard.sdk.direct import Offered
from beeyard.sdk.finding import finder
from beeyard.sdk.report import Offer, Protocol
from beeyard.sdk.sockets import Sockets

LARGEST = 16_000
"""Bytes of all offers together: a report has to fit into one datagram."""
C = TypeVar("C")
T = TypeVar("T")


class Context(Generic[C]):
    """One attempt's.

    Args:
        worker: the worker's id: two workers of one module differ by it.
        config: as its `config_type`, else the mapping that was written.
        ports: endpoint of the worker file -> the port to listen on.
        logger: its lines come into the worker's own log.
        changed: called after each change of what is offered.
        failed: called with the error that a supervised task ended with.
        master: the socket of its master's API, by which others are found; empty: there is none.
        sockets: those of its endpoints; None: its own, on the loopback address.
        serving: what it offers is offered at once; else from `serve` on.
        environment: what a program finds of Beeyard's in its environment (docs/environment.md).
    """

    def __init__(
        self,
        worker: str,
        config: C,
        ports: Mapping[str, int],
        logger: logging.Logger,
        changed: Callable[[], None] = lambda: None,
        failed: Callable[[BaseException], None] = lambda error: None,
        master: str = "",
        sockets: Sockets | None = None,
        serving: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.worker = worker
        self.config = config
        self.ports = ports
        self.environment = dict(environment or {})
        self.logger = logger
        self.stopping = asyncio.Event()
        """Set when the stop begins: what waits for long waits for this as well."""
        self.offers: dict[str, Offer] = {}
        self._changed = changed
        self._failed = failed
        self._tasks: set[asyncio.Task[Any]] = set()
        self._master = master
        self._sockets = Sockets(ports, {}) if sockets is None else sockets
        self._serving = serving
        self._offered: dict[str, Offered] = {}
        self._links: list[Link] = []

    def run(self, work: Coroutine[Any, Any, T], name: str | None = None) -> asyncio.Task[T]:
        """A task that goes on while the module runs. An error that ends it ends the module, at once."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def socket(self, endpoint: str) -> Socket:
        """A listening socket of this endpoint of the worker file, yours to close. It is opened once for all of the
        attempt: while new code takes over from old, both have one, and no connection is refused.

        Raises:
            LookupError: there is no such endpoint.
            OSError: nobody can listen there.
        """
        return self._sockets.get(endpoint)

    def register(
        self, name: str, address: str, protocol: Protocol = "http", metadata: Mapping[str, str] | None = None
    ) -> None:
        """Let others find something of it by this name, until `unregister` or its end. The last one of a name counts.

        Args:
            address: a URL, or `host:port`. Endpoints of the worker file need not be registered.

        Raises:
            ValueError: it is too much to be told.
        """
        offers = {**self.offers, name: Offer(protocol, address, dict(metadata or {}))}
        if len(msgspec.json.encode(offers)) > LARGEST:
            raise ValueError(f"{name}: all that a module offers has to fit into {LARGEST} bytes")
        self.offers = offers
        self._changed()

    def unregister(self, name: str) -> None:
        """Take it back. Harmless twice."""
        if (offered := self._offered.get(name)) is not None:
            offered.withdraw()
        if self.offers.pop(name, None) is not None:
            self._changed()

    def offer(self, contract: type[Any], target: object, name: str = "") -> None:
        """Let others in the same process call this object as the contract says, on this loop, until its end.

        Args:
            contract: a Protocol or an abstract class (see beeyard.sdk.contracts).
            name: by which it is found; else that of the contract.

        Raises:
            TypeError: it is no contract, or the object does not keep to it.
        """
        known = understood(contract)
        known.require(target)
        name = name or known.name
        self.register(name, known.name, "direct", {"contract": known.name})
        self._offered[name] = offered = Offered((self._master, self.worker, name), known, target)
        if self._serving:
            direct.publish(offered)

    async def connect(
        self,
        contract: type[T],
        worker: str,
        via: Via | Sequence[Means] = "auto",
        name: str = "",
        timeout: float | None = None,
    ) -> T:
        """An object of the contract that is answered by another worker, wherever that one runs; good until our end.

        Args:
            worker: a worker or a group; of a group, those that are ready take turns.
            via: `auto`: `direct` in one process, else `grpc`, else `http`; or one of them; or a list, the first first.
            name: the endpoint's; empty: whichever serves the contract.
            timeout: seconds that a call may take, then it is cancelled and raises Interrupted; None: no such limit. Of
                async methods.

        Raises:
            Unreachable: nobody offers it now.
            TypeError: it is no contract.
        """
        made, link = await clients.connect(contract, worker, via, name, self._master, finder(self._master), timeout)
        self._links.append(link)
        return made

    def serve(self) -> None:
        """It takes over: what it offers is offered from now on."""
        self._serving = True
        for name in self.offers.keys() & self._offered.keys():
            direct.publish(self._offered[name])

    def withdraw(self) -> None:
        """The stop begins: nobody in this process is to ask anything more of it."""
        for offered in self._offered.values():
            offered.withdraw()

    def cancel(self) -> None:
        """End what `run` began."""
        for task in self._tasks:
            task.cancel()

    async def answered(self, within: float) -> None:
        """Wait so long for the calls that are under way."""
        if calls := [call for offered in self._offered.values() for call in offered.calls()]:
            await asyncio.wait(calls, timeout=within)

    async def close(self) -> None:
        """Let go of the connections to others."""
        for link in self._links:
            await link.close()

    def end(self) -> None:
        """Nothing of it runs any more: whoever still waits for an answer is told so."""
        for offered in self._offered.values():
            offered.end()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if self.stopping.is_set():
            self.logger.warning("%s failed while the module stopped", task.get_name(), exc_info=error)
        else:
            self._failed(error)
