"""Replies of a stream as bytes: lines of JSON, or server-sent events (WHATWG HTML, 9.2). Knows no connection."""

from collections.abc import Callable
from typing import Any

import msgspec

from beeyard.application.feed import Event

ENCODED = 1024
"""Events kept in each form for the other readers."""
RETURN = 1000
"""Milliseconds after which a browser comes back."""

_encode = msgspec.json.Encoder().encode


class Wire:
    """One form. An event that many readers get is encoded once.

    `hello` comes first, `comment` breaks a silence, `farewell` comes last when the master ends; b"": there is none.
    """

    def __init__(
        self,
        type: str,
        write: Callable[[str, Any], bytes],
        hello: bytes = b"",
        comment: bytes = b"",
        farewell: bytes = b"",
    ) -> None:
        self.type = type
        self.hello = hello
        self.comment = comment
        self.farewell = farewell
        self._write = write
        self._known: dict[int, tuple[Event, bytes]] = {}

    def encode(self, name: str, reply: Any) -> bytes:
        """One reply; `name` is what it is where it does not say so itself."""
        if not isinstance(reply, Event):
            return self._write(name, reply)
        known = self._known.get(id(reply))
        if known is None:
            if len(self._known) >= ENCODED:
                del self._known[next(iter(self._known))]
            known = self._known[id(reply)] = reply, self._write(name, reply)  # Held, so that no other has its id.
        return known[1]


def _line(name: str, reply: Any) -> bytes:
    return _encode(reply) + b"\n"


def _event(name: str, reply: Any) -> bytes:
    """Its data is JSON, which holds no line ends."""
    cursor = getattr(reply, "cursor", "")
    id = f"id: {cursor}\n" if cursor else ""
    return f"{id}event: {getattr(reply, 'kind', name)}\ndata: ".encode() + _encode(reply) + b"\n\n"


def lines() -> Wire:
    """JSON, a reply a line. There is nothing between them: who reads lines expects each to be a reply."""
    return Wire("application/x-ndjson", _line)


def events() -> Wire:
    """Server-sent events, with the reply's cursor as their id."""
    return Wire(
        "text/event-stream",
        _event,
        hello=b"retry: %d\n\n" % RETURN,
        comment=b":\n\n",
        farewell=b'event: end\ndata: {"reason":"closing","hint":"come back with the last id"}\n\n',
    )
