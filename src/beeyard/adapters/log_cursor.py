"""Where a reader of many streams stands, as a short word that it can come back with. Opens no file.

The word is base64 of MessagePack: four numbers a stream, of which the first stands for its name. A stream that is not
in there had no file then.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from zlib import crc32

import msgspec

from beeyard.adapters.log_files import Place

LONGEST = 6000
"""Characters: a header of a request may have 8190 bytes. Room for some 250 streams."""

_decoder = msgspec.msgpack.Decoder(list[int])


def key(worker: str, stream: str) -> int:
    """What stands for the name of a stream."""
    return crc32(f"{worker}/{stream}".encode())


def encode(places: Mapping[int, Place]) -> str:
    """The word; "" when it would be too long to be sent back."""
    numbers = [number for name, place in places.items() for number in (name, *place)]
    word = urlsafe_b64encode(msgspec.msgpack.encode(numbers)).rstrip(b"=").decode()
    return word if len(word) <= LONGEST else ""


def decode(word: str) -> dict[int, Place] | None:
    """The places by name; None for a word that is none of ours."""
    try:
        numbers = _decoder.decode(urlsafe_b64decode(word + "=" * (-len(word) % 4)))
    except (ValueError, binascii.Error, msgspec.DecodeError):
        return None
    if len(numbers) % 4 or any(not 0 <= number < 2**63 for number in numbers):
        return None
    return {numbers[at]: Place(*numbers[at + 1 : at + 4]) for at in range(0, len(numbers), 4)}
