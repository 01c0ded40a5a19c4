"""What a module that runs says of itself, in the form in which it travels to the master. Values only."""

from typing import Literal

from msgspec import Struct

Protocol = Literal["http", "https", "grpc", "tcp", "direct"]


class Info(Struct, frozen=True, omit_defaults=True):
    """What its author calls it."""

    name: str = ""
    version: str = ""
    description: str = ""
    author: str = ""


class Offer(Struct, frozen=True, omit_defaults=True):
    """Where something of it can be reached: a URL, `host:port`, or with the protocol `direct` the name of a contract
    that others in the same process can call."""

    protocol: Protocol
    address: str
    metadata: dict[str, str] = {}


class Report(Struct, frozen=True, omit_defaults=True):
    """Everything it says at one moment. What it offers is a lease: not said again in time, it is taken back.

    `healthy` is None until it was asked; `reason` says what is wrong. `asked` and `loaded` are wall-clock seconds.
    `tasks` and `threads` are those of this module alone; `uncaught` counts errors that nobody caught, `last` is the
    last of them. `code` is a digest of the code that serves, empty where that can't be changed without a new start;
    `swaps` how often it was asked to take new code, and `refused` why it did not the last time.
    """

    healthy: bool | None = None
    reason: str = ""
    info: Info = Info()
    offers: dict[str, Offer] = {}
    loaded: float = 0.0
    asked: float = 0.0
    tasks: int = 0
    threads: int = 0
    uncaught: int = 0
    last: str = ""
    code: str = ""
    swaps: int = 0
    refused: str = ""
