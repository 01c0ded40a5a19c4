"""What an operation is: the one description from which its command, its route and its help are made."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Caller(Struct, frozen=True):
    """Who asks: a user's name as the operating system tells it."""

    name: str = ""


Handler = Callable[["Master", Any, Caller], Awaitable[Any]]
Streamer = Callable[["Master", Any, Caller], AsyncIterator[Any]]


class Operation(Struct, frozen=True):
    """One thing Beeyard can be asked to do.

    `request` and `reply` are Structs (or lists of them); a streaming operation yields replies one by one. The first
    line of the handler's docstring is the help text. `changes`: it changes something; `role`: who may ask.
    """

    name: str
    request: type[Any]
    reply: Any
    handle: Handler | Streamer
    changes: bool = False
    streams: bool = False
    role: Literal["viewer", "operator", "admin"] = "viewer"
    scope: Literal["hive", "queen"] = "hive"

    @property
    def summary(self) -> str:
        """One sentence for operators."""
        return (self.handle.__doc__ or "").strip().partition("\n")[0]
