"""Writes files so that they are there whole or not at all, also after a power cut, and one owner's work at a time.

Raises Unavailable: `repository_unwritable`, for a disk that is full and a folder that is somebody else's.
"""

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from beeyard.domain.errors import Refused, Unavailable

PUBLIC, PRIVATE = 0o644, 0o600
PIECE = 2**20
DRAFT = ".new-"
"""How the name of a file begins that is not whole yet."""
PATIENCE, LOOK = 60.0, 0.05
"""Seconds for which somebody waits for another one's work, which takes seconds, and between two looks."""


def write(path: Path, data: bytes, mode: int = PUBLIC) -> None:
    """Put it there in one step, durably."""
    with _replacing(path, mode) as stream:
        stream.write(data)


def copy(source: Path, path: Path, size: int, sha256: str) -> bool:
    """Put a copy there, if the source is what it should be; tells whether it was."""
    digest, length = hashlib.sha256(), 0
    try:
        with source.open("rb") as given, _replacing(path, PUBLIC) as stream:
            while piece := given.read(PIECE):
                digest.update(piece)
                length += len(piece)
                stream.write(piece)
            if (length, digest.hexdigest()) != (size, sha256):
                raise _Differs
    except _Differs:
        return False
    return True


class _Differs(Exception):
    pass


@contextmanager
def _replacing(path: Path, mode: int) -> Iterator[BinaryIO]:
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=DRAFT)
        try:
            with open(handle, "wb") as stream:
                yield stream
                stream.flush()
                os.fchmod(handle, mode)
                os.fsync(handle)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def alone(folder: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Nobody else works with this folder meanwhile. Raises Refused if somebody still does after so many seconds."""
    with told(folder):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        ends = time.monotonic() + patience
        while not _taken(handle):
            if time.monotonic() > ends:
                text = "somebody else works in {folder}"
                raise Refused("repository_busy", text, folder=str(folder), hint="try again in a moment")
            time.sleep(LOOK)
        yield
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def told(path: Path) -> Iterator[None]:
    """What the system refuses here is told in our words."""
    try:
        yield
    except OSError as error:
        text, hint = "{path} can't be written: {reason}", "make room, or have this user write there; then do it again"
        fields = {"path": str(path), "reason": error.strerror or str(error)}
        raise Unavailable("repository_unwritable", text, hint=hint, **fields) from error
