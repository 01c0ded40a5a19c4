"""Typed clients: an object with a contract's methods, wherever the service runs that answers them.

Which way the calls go is one word. `direct`: both are in one process; `grpc`: by the author's own compiled service, as
registered; `http`: by what beeyard.sdk.http serves, or the author's own; `auto`: the first of these that is
offered. A list of them is an order of one's own.

When a worker turns out to be gone it is looked up once more, and the call is made again only if nothing was sent of it.
"""

import asyncio
import inspect
import time
import types
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Literal, Protocol, TypeVar, cast

from beeyard.sdk import direct
from beeyard.sdk.contracts import Contract, Method, understood
from beeyard.sdk.endpoints import EndpointView
from beeyard.sdk.errors import Interrupted, Unreachable, Unsent
from beeyard.sdk.finding import Find
from beeyard.sdk.gateways import GatewayWay, registered

C = TypeVar("C")
Means = Literal["direct", "grpc", "http"]
Via = Literal["auto", "direct", "grpc", "http"]

AUTO: tuple[Means, ...] = ("direct", "grpc", "http")

_turns = count(time.time_ns())  # Programs that call once each are not all to begin with the same one.


class Way(Protocol):
    """Calls one worker. Raises Unsent where nothing was sent, and Interrupted where that is not known."""

    async def call(self, method: Method, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any: ...

    def call_now(self, method: Method, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any: ...

    async def close(self) -> None: ...


class Link:
    """One client's connection to a worker, or to one of a group at a time.

    Args:
        master: where its master is to be found, which tells workers of one name apart.
        via: the means to try, in this order.
        name: the endpoint's; empty: whichever serves the contract.
        timeout: seconds that a call of an async method may take; None: as long as it takes.
    """

    def __init__(
        self,
        contract: type[Any],
        worker: str,
        via: "Via | Sequence[Means]",
        name: str,
        master: str,
        find: Find,
        timeout: float | None = None,
    ) -> None:
        self._contract = understood(contract)
        self._worker = worker
        self._means = AUTO if via == "auto" else (cast(Means, via),) if isinstance(via, str) else tuple(via)
        if not self._means or (wrong := [one for one in self._means if one not in AUTO]):
            raise ValueError(f"via {', '.join(wrong) if self._means else 'nothing'}: expected auto, {', '.join(AUTO)}")
        self._name = name
        self._master = master
        self._find = find
        self._timeout = timeout
        self._way: Way | None = None
        self._finding = asyncio.Lock()
        self._calls = 0
        self._left: list[Way] = []
        """Those of workers that are gone, until no call is under way that could still use them."""

    async def call(self, method: Method, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Whatever the service answers."""
        method.signature.bind(*args, **kwargs)  # What is no call of it fails here, and alike by every means.
        self._calls += 1
        try:
            async with asyncio.timeout(self._timeout) as bound:
                try:
                    return await self._once(method, args, kwargs)
                except Unsent:
                    return await self._once(method, args, kwargs)
        except TimeoutError:
            if not bound.expired():  # The service's own.
                raise
            raise Interrupted(f"{self._worker} did not answer within {self._timeout:g}s") from None
        except Unsent as error:
            raise Unreachable(str(error), error.hint) from None
        finally:
            self._calls -= 1
            while self._left and not self._calls:
                await self._left.pop().close()

    def call_now(self, method: Method, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The same for a plain method. Only what is in this process can be looked up without waiting."""
        method.signature.bind(*args, **kwargs)
        way = self._way or self._direct()
        if way is None:
            raise Unreachable(f"{self._worker} is gone", "connect anew")
        try:
            return way.call_now(method, args, kwargs)
        except Unsent as error:
            self._leave(way)
            if (again := self._direct()) is None:
                raise Unreachable(str(error), error.hint) from None
            self._way = again
            return again.call_now(method, args, kwargs)
        except Interrupted:
            self._leave(way)
            raise

    async def _once(self, method: Method, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        way = await self.way()
        try:
            return await way.call(method, args, kwargs)
        except (Unsent, Interrupted):
            self._leave(way)
            raise

    async def way(self) -> Way:
        """The one in use, or the next one. Raises Unreachable."""
        async with self._finding:
            if self._way is None:
                self._way = await self._found()
            return self._way

    async def close(self) -> None:
        """Let go of every connection. Harmless twice."""
        ways, self._way, self._left = [*self._left, *([self._way] if self._way else [])], None, []
        for way in ways:
            await way.close()

    def _leave(self, way: Way) -> None:
        if self._way is way:  # Else another call has found out before.
            self._way = None
            self._left.append(way)

    def _direct(self) -> Way | None:
        if "direct" not in self._means:
            return None
        found = direct.offered(self._master, self._worker, self._name, self._contract.name)
        return found[next(_turns) % len(found)] if found else None

    async def _found(self) -> Way:
        seen: list[EndpointView] | None = None
        for means in self._means:
            if means == "direct":
                if (way := self._direct()) is not None:
                    return way
                continue
            if means == "grpc" and registered(self._contract, means) is None and len(self._means) > 1:
                continue
            seen = await self._find(self._worker) if seen is None else seen
            if (view := self._chosen(means, seen)) is not None:
                return await self._to(view, means)
        ways = " or ".join(self._means)
        offers = ", ".join(sorted({f"{view.name} ({view.protocol})" for view in seen or ()}))
        hint = f"it offers {offers}" if offers else f"beeyard why {self._worker} says how it is"
        raise Unreachable(f"{self._worker} does not offer {self._contract.name} by {ways}", hint)

    def _chosen(self, means: Means, seen: Sequence[EndpointView]) -> EndpointView | None:
        """Of the worker whose turn it is, the endpoint that serves the contract."""
        protocols = (means, "https") if means == "http" else (means,)
        there = [view for view in seen if view.protocol in protocols]
        if self._name:
            fit = [view for view in there if view.name == self._name]
        else:
            fit = [view for view in there if view.metadata.get("contract") == self._contract.name]
            fit = fit or [view for view in there if "contract" not in view.metadata]
        by_worker: dict[str, list[EndpointView]] = {}
        for view in fit:
            by_worker.setdefault(view.worker, []).append(view)
        if not by_worker:
            return None
        chosen = list(by_worker.values())[next(_turns) % len(by_worker)]
        if len(chosen) > 1:
            names = ", ".join(view.name for view in chosen)
            hint = "name= says which one; or let it be registered with {'contract': …} in its metadata"
            raise Unreachable(f"several endpoints of {chosen[0].worker} may serve {self._contract.name}: {names}", hint)
        return chosen[0]

    async def _to(self, view: EndpointView, means: Means) -> Way:
        factory = registered(self._contract, means)
        if factory is not None:
            made = factory(view.address)
            return GatewayWay(view.worker, await made if inspect.isawaitable(made) else made)
        if means == "grpc":
            hint = f"register_gateway({self._contract.name}, 'grpc', factory) says how"
            raise Unreachable(f"nobody knows how to call {self._contract.name} by grpc", hint)
        from beeyard.sdk.http import HttpWay  # aiohttp takes 150 ms that who calls directly need not wait for.

        return HttpWay(view.worker, view.address, self._contract)


def client(contract: type[C], link: Link) -> C:
    """An object of the contract whose methods go over this link."""
    known: Contract = understood(contract)
    namespace: dict[str, Any] = {name: _sent(method, link) for name, method in known.methods.items()}
    namespace |= {"__init__": lambda self: None, "__module__": contract.__module__}
    made: Any = types.new_class(f"{contract.__name__}Client", (contract,), {}, lambda body: body.update(namespace))
    return cast(C, made())


def _sent(method: Method, link: Link) -> Callable[..., Any]:
    if method.waits:

        async def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            return await link.call(method, args, kwargs)

        return call

    def call_now(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return link.call_now(method, args, kwargs)

    return call_now


async def connect(
    contract: type[C],
    worker: str,
    via: "Via | Sequence[Means]",
    name: str,
    master: str,
    find: Find,
    timeout: float | None = None,
) -> tuple[C, Link]:
    """The client, and its link, which whoever connects has to close. Raises Unreachable when nobody is there now."""
    link = Link(contract, worker, via, name, master, find, timeout)
    await link.way()
    return client(contract, link), link
