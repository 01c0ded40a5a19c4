"""Which file lies where in a bundle, by the headers of its archive alone. It is somebody else's: nothing in it decides
how much memory or time that takes. What lies there is neither read nor believed.
"""

import os
from typing import BinaryIO, NamedTuple

from beeyard.adapters.archives.codec import Malformed
from beeyard.adapters.archives.headers import Forbidden, member, padding

MOST = 250_000
"""Entries of one bundle."""
LONGEST = 512
"""Characters of a name that anybody asks for."""


class Span(NamedTuple):
    """Where a file lies within the bundle."""

    offset: int
    size: int


def spans(file: BinaryIO) -> dict[str, Span]:
    """By name. Raises OSError; ValueError: it is no bundle, and why."""
    try:
        return _spans(file)
    except Malformed as error:
        raise ValueError(f"it {error}") from None
    except Forbidden as error:
        name, what = error.args
        raise ValueError(f"{name!r} in it {what}") from None


def _spans(file: BinaryIO) -> dict[str, Span]:
    def exactly(count: int) -> bytes:
        data = file.read(count)
        if len(data) != count:
            raise Malformed("ends too early")
        return data

    found: dict[str, Span] = {}
    count, end = 0, os.fstat(file.fileno()).st_size
    while (entry := member(exactly)) is not None:
        if entry.size > end - file.tell():
            raise Malformed("ends too early")
        if (count := count + 1) > MOST:
            raise Malformed(f"has more than {MOST} entries")
        if not entry.folder and not entry.target and len(entry.name) <= LONGEST:
            found[entry.name] = Span(file.tell(), entry.size)
        file.seek(entry.size + padding(entry.size), os.SEEK_CUR)
    return found
