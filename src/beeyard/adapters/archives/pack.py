"""Writes an archive: for the same files the same bytes, whoever writes it, wherever and whenever.

Nothing of this machine goes in: no times, no owners, no modes but two, no order of the folder, no folders at all.
"""

import hashlib
import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from beeyard.adapters.archives.codec import PIECE, compressor
from beeyard.adapters.archives.headers import BLOCK, padding
from beeyard.adapters.archives.tree import READABLE, RUNNABLE
from beeyard.domain.errors import Refused
from beeyard.domain.packages import FileEntry, Payload


def pack(folder: str, files: Sequence[FileEntry], output: str) -> Payload:
    """Write the archive of these files, which are sorted, to `output`; the payload has its name.

    Raises:
        Refused: `package_changed`, a file is not any more what its entry says.
    """
    hashed = hashlib.sha256()
    squeeze = compressor()
    with open(output, "wb") as file:
        for piece in plain(folder, files):
            packed = squeeze.compress(piece)
            hashed.update(packed)
            file.write(packed)
        packed = squeeze.flush()
        hashed.update(packed)
        file.write(packed)
        return Payload(Path(output).name, file.tell(), hashed.hexdigest())


def plain(folder: str, files: Sequence[FileEntry]) -> Iterator[bytes]:
    """The archive before it is compressed. Raises Refused: `package_changed`."""
    for entry in files:
        yield header(entry)
        if not entry.link:
            yield from _content(folder, entry)
            yield bytes(padding(entry.size))
    yield bytes(2 * BLOCK)


def header(entry: FileEntry) -> bytes:
    """Long names, names beyond ASCII and sizes beyond 8 GB go into a pax header before it."""
    header = tarfile.TarInfo(entry.path)
    header.mode = RUNNABLE if entry.executable else READABLE
    if entry.link:
        header.type, header.linkname, header.mode = tarfile.SYMTYPE, entry.link, 0o777
    else:
        header.size = entry.size
    return header.tobuf(tarfile.PAX_FORMAT)


def _content(folder: str, entry: FileEntry) -> Iterator[bytes]:
    hashed, left = hashlib.sha256(), entry.size
    try:
        with open(os.open(os.path.join(folder, entry.path), os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            while left and (piece := file.read(min(left, PIECE))):
                hashed.update(piece)
                left -= len(piece)
                yield piece
            grown = file.read(1)
    except OSError as error:
        raise _changed(entry, error.strerror or str(error)) from None
    if left or grown or hashed.hexdigest() != entry.sha256:
        raise _changed(entry, "its content is another now")


def _changed(entry: FileEntry, reason: str) -> Refused:
    text, hint = "{path} changed while the package was made: {reason}", "Try again when nothing writes there."
    return Refused("package_changed", text, hint=hint, path=entry.path, reason=reason)
