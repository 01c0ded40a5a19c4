"""Locks that processes share, on files that are never unlinked. The kernel lets go of a dead process's.

Order, always: `gc`, then `pkg-NAME`, then `uses`. The last is held for moments only, so it may be waited for in a
thread; the others as long as a download takes, so those are asked for again and again, and no thread waits.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from beeyard.adapters.package_store.refusals import trouble
from beeyard.domain.errors import Unavailable

_FIRST, _LONGEST = 0.002, 0.1  # seconds between two looks


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Nobody else has it meanwhile. Blocks."""
    fd = _open(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@asynccontextmanager
async def waited(path: Path, *, shared: bool = False, patience: float = float("inf")) -> AsyncIterator[None]:
    """Held by us, or by us and others who share it.

    Raises:
        Unavailable: `package_store_busy`, when it was not to be had for `patience` seconds.
    """
    fd = _open(path)
    try:
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + patience, _FIRST
        while not _take(fd, shared=shared):
            if loop.time() >= until:
                raise busy(path)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST)
        yield
    finally:
        os.close(fd)


@contextmanager
def at_once(path: Path) -> Iterator[bool]:
    """Whether it could be had without waiting; then nobody else has it meanwhile."""
    fd = _open(path)
    try:
        yield _take(fd, shared=False)
    finally:
        os.close(fd)


def busy(path: Path) -> Unavailable:
    """Somebody installs, and has for a while."""
    return Unavailable(
        "package_store_busy",
        "packages are being installed or removed: {path} is locked",
        hint="Try again when that is done; `beeyard package list` shows it.",
        path=str(path),
    )


def _open(path: Path) -> int:
    with trouble(path):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _take(fd: int, *, shared: bool) -> bool:
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
