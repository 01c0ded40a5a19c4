"""What master, launcher and pump say to each other: JSON objects, each behind four bytes of length, big-endian.

Rules that let either side be one version older:
- The first message of a connection is `hello` with `version`; its answer carries the other side's.
- A message has a `type`; a request also an `id`, a number, which its answer repeats as `re`.
- An unknown type is answered `{"re": id, "error": "unknown", …}` and is never fatal; unknown fields are ignored.
- Fields are only ever added.
"""

import json
import struct
from typing import Any

VERSION = 1
LIMIT = 16 * 1024 * 1024
"""Bytes in one message; more is a broken peer."""

Message = dict[str, Any]

_LENGTH = struct.Struct(">I")
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class BrokenPeer(Exception):
    """Raised when the other side sends what is not this protocol."""


def pack(message: Message) -> bytes:
    """One message as bytes. Lone surrogates (file names that are not UTF-8) pass as they do in os.fsencode; what is no
    text at all does not come through whole, and ends nobody who only repeats it."""
    text = _encode(message)
    try:
        body = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        body = text.encode("utf-8", "replace")
    return _LENGTH.pack(len(body)) + body


class Unpacker:
    """Bytes in, whole messages out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Take what arrived; returns the messages now complete.

        Raises:
            BrokenPeer: a length over LIMIT, or something other than a JSON object of sane depth.
        """
        buffer = self._buffer
        buffer += data
        messages: list[Message] = []
        start, size = 0, len(buffer)
        while size - start >= 4:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if length > LIMIT:
                raise BrokenPeer(f"a message of {length} bytes")
            end = start + 4 + length
            if end > size:
                break
            try:
                message = json.loads(buffer[start + 4 : end].decode("utf-8", "surrogateescape"))
            except (ValueError, RecursionError) as error:
                raise BrokenPeer(str(error)) from None
            if not isinstance(message, dict):
                raise BrokenPeer("a message that is no object")
            if not isinstance(message.get("id", 0), int | None):
                raise BrokenPeer("a message whose id is no number")
            messages.append(message)
            start = end
        del buffer[:start]
        return messages
