"""Writes files so that they are there whole or not at all, also after a power cut, and one owner's work at a time."""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from beeyard.domain.errors import Refused

PUBLIC, PRIVATE = 0o644, 0o600
PIECE = 2**20


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
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
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
def alone(folder: Path) -> Iterator[None]:
    """Nobody else works on the same repository meanwhile. Raises Refused if somebody does."""
    folder.mkdir(0o700, parents=True, exist_ok=True)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = "somebody else works on the repository with the keys in {folder}"
            raise Refused("repository_busy", text, folder=str(folder), hint="try again in a moment") from None
        yield
    finally:
        os.close(handle)
