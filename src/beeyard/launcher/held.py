"""One listening socket that the launcher holds: whose it is, and what the next launcher has to know of it."""

import socket
from typing import Any, NamedTuple

from beeyard.launcher.opening import Wish
from beeyard.launcher.shelf import Entry


class Group(NamedTuple):
    """Workers that share a port, each with a socket of its own there, whatever their endpoints are called."""

    owner: str
    host: str
    port: int


class Held:
    """One of them, open.

    `ready`: the number of the attempt that connections may be led to, or 0. `leaves`: that of one that is about to end.
    """

    __slots__ = ("leaves", "name", "owner", "ready", "sock", "users", "wish")

    def __init__(self, entry: Entry, sock: socket.socket) -> None:
        self.owner: str = entry["owner"]
        self.name: str = entry["name"]
        self.wish: Wish = entry["wish"]
        self.users: set[str] = set(entry["users"])
        self.ready: int = entry.get("ready", 0)
        self.leaves = 0
        self.sock = sock

    def entry(self) -> Entry:
        """What the next launcher has to know."""
        said = {"owner": self.owner, "name": self.name, "wish": self.wish, "users": sorted(self.users)}
        return {**said, "ready": self.ready}

    def fits(self, wish: Wish) -> bool:
        """Whether it is what is wished for now."""
        return _essence(self.wish) == _essence(wish)

    @property
    def group(self) -> Group | None:
        """Those that share its port; None where they share the socket itself."""
        return group_of(self.owner, self.wish)


def group_of(owner: str, wish: Wish) -> Group | None:
    """Whose port a socket of this owner shares; None where it is the group that owns it."""
    return None if owner == wish["owner"] else Group(wish["owner"], wish["host"], wish["port"])


def _essence(wish: Wish) -> dict[str, Any]:
    """What makes it another socket when it changes."""
    passing = {"asked", "led", *(("port",) if wish.get("any") else ())}
    return {key: value for key, value in wish.items() if key not in passing}
