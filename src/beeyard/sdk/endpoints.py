"""What a worker can be reached by, as its master tells it to whoever asks. Values only."""

from typing import Literal

from msgspec import Struct

from beeyard.sdk.report import Protocol

Kind = Literal["url", "function", "ipc"]
"""Over the network; by a call within one process; through a socket of this host's file system."""


class EndpointView(Struct, frozen=True):
    """One endpoint of a worker that is ready.

    `address`: a URL, `host:port`, `unix:` and a path, or with the protocol `direct` the name of a contract. `since`:
    wall-clock seconds, when the worker became ready. `source`: who says so, the worker file or the module that runs.
    """

    worker: str
    name: str
    kind: Kind
    protocol: Protocol
    address: str
    metadata: dict[str, str]
    since: float
    source: Literal["file", "module"]


def kind_of(protocol: Protocol, address: str) -> Kind:
    """Follows from the other two."""
    if protocol == "direct":
        return "function"
    return "ipc" if address.startswith(("unix:", "/")) else "url"
