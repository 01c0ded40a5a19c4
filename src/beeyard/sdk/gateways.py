"""Ways to a service that authors bring along: by their own compiled gRPC service, or by HTTP as they speak it."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, cast

from beeyard.sdk.contracts import Contract, Method, understood
from beeyard.sdk.errors import Interrupted, Unsent

Gateway = Callable[[str], Any]
"""(address) -> an object with the contract's methods, or an awaitable of one; if it has `aclose`, that is its end."""

_gateways: dict[tuple[str, str], Gateway] = {}


def register_gateway(contract: type[Any], means: Literal["grpc", "http"], factory: Gateway) -> None:
    """How this contract is called over gRPC, or over HTTP in another way than Beeyard's. The last one counts."""
    _gateways[understood(contract).name, means] = factory


def registered(contract: Contract, means: str) -> Gateway | None:
    """The one for this contract."""
    return _gateways.get((contract.name, means))


class GatewayWay:
    """Calls an object that an author's factory made."""

    def __init__(self, worker: str, made: Any) -> None:
        self.worker = worker
        self._made = made

    async def call(self, method: Method, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """An async method."""
        try:
            return await getattr(self._made, method.name)(*args, **kwargs)
        except Exception as error:
            raise self._lost(error) or error from None

    def call_now(self, method: Method, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """A plain method."""
        try:
            return getattr(self._made, method.name)(*args, **kwargs)
        except Exception as error:
            raise self._lost(error) or error from None

    async def close(self) -> None:
        """Let the author's object end, if it wants to."""
        if (end := getattr(self._made, "aclose", None)) is not None:
            await cast(Callable[[], Awaitable[None]], end)()

    def _lost(self, error: Exception) -> Unsent | Interrupted | None:
        """Whether this means that the worker is gone; None: no, it answered."""
        reason = error
        if isinstance(error, ConnectionRefusedError):
            return Unsent(f"{self.worker} can't be reached: {reason}")
        if isinstance(error, ConnectionError):
            return Interrupted(f"{self.worker} was lost before it had answered: {reason}")
        grpc = sys.modules.get("grpc")
        if grpc is None or not isinstance(error, grpc.RpcError) or not hasattr(error, "code"):
            return None
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            return None
        details = str(getattr(error, "details", str)())
        # What no connection could be made for was not sent; gRPC says so in no other way than by this text.
        if "failed to connect" in details.lower():
            return Unsent(f"{self.worker} can't be reached: {details}")
        return Interrupted(f"{self.worker} was lost before it had answered: {details}")
