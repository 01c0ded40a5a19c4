"""Where the master is to be served over the network, as a worker file wished it, and what came of that.

Refuses to know sockets: whoever serves waits for `changed`, and tells.
"""

import asyncio

import msgspec

from beeyard.domain.master import ListenSpec

LISTEN = "listen"
"""The fact that keeps the wish."""


class Listening:
    """The address that is wished for, word when that changes, and what came of it.

    `network` is `ok`, `off`, `changing`, or why nobody can connect; None where the master is not served at all.
    """

    def __init__(self) -> None:
        self.wish = ListenSpec(address="none")
        self.changed = asyncio.Event()
        self.url: str | None = None
        self.network: str | None = None

    def want(self, wish: ListenSpec) -> None:
        """From now on."""
        self.wish = wish
        self.changed.set()

    def tell(self, url: str | None, network: str) -> None:
        """What came of it."""
        self.url, self.network = url, network

    @property
    def state(self) -> str:
        """How it is with the network, for those who ask."""
        if self.network is None:
            return "off"
        return "changing" if self.changed.is_set() else self.network

    def wake(self, saved: str | None) -> None:
        """Wish what an earlier master was told to."""
        self.want(ListenSpec() if saved is None else msgspec.json.decode(saved, type=ListenSpec))

    def saved(self) -> str:
        """The wish, to be kept."""
        return msgspec.json.encode(self.wish).decode()
