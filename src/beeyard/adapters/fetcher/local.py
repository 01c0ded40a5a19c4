"""Brings what is missing of a part from a file of this host, which is copied: nobody may change it under a package."""

import asyncio
import errno
import os
import stat
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from beeyard.adapters.fetcher.part import BLOCK, Part
from beeyard.adapters.fetcher.settled import settled
from beeyard.adapters.fetcher.words import Place
from beeyard.ports.repository import Source

TOLD = 0.1
"""Seconds between two words on how far it is."""


def path_of(url: str) -> str | None:
    """The file that a `file:` URL or a plain path names; None: it is something else."""
    if url.startswith("/"):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return unquote(parts.path) if parts.scheme == "file" and parts.netloc in ("", "localhost") else None


async def copy(part: Part, path: str, source: Source, place: Place, tell: Callable[[int], None]) -> None:
    """All of the file, or what begins at the source's `offset`. Begins anew each time: it is not far away.

    Raises what the port says, or OSError when it can't be written.
    """
    hint = "Look at the folder of this repository: is the file there, and may the master's user read it?"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # It may be a pipe.
    except OSError as error:
        if error.errno == errno.EIO:
            raise place.unavailable(str(error.strerror)) from None
        raise place.refused(str(error.strerror).lower(), hint) from None
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise place.refused("it is no regular file", hint)
        if source.stamp not in (None, (found.st_ino, found.st_mtime_ns)):
            raise place.unavailable("another file was put in its place meanwhile")
        if source.offset is None and found.st_size != part.size:
            raise place.untrusted(f"it has {found.st_size} bytes there, and {part.size} were promised")
        part.restart()
        part.answers += 1
        clock = asyncio.get_running_loop().time
        at, told = 0, clock() - TOLD
        while at < part.size:
            if clock() - told >= TOLD:
                tell(at)
                told = clock()
            data = await settled(_read, fd, min(BLOCK, part.size - at), (source.offset or 0) + at, place)
            await settled(part.write, at, data)
            at += len(data)
    finally:
        os.close(fd)


def _read(fd: int, count: int, at: int, place: Place) -> bytes:
    try:
        data = os.pread(fd, count, at)
    except OSError as error:
        raise place.unavailable(str(error.strerror)) from None
    if not data:
        raise place.untrusted(f"it ended after {at} bytes while it was read")
    return data
