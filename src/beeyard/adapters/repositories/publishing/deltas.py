"""Makes what leads from older builds of a package to a new one, where that is much less than all of it.

It reads archives that `files` found to be what was described, and reads no folder and no signature. One step always: a
delta starts from a build that somebody may have installed, never from another delta.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from beeyard.adapters.archives.aligning import against
from beeyard.adapters.archives.codec import PIECE, Content, Malformed
from beeyard.adapters.archives.unpack import LARGEST
from beeyard.adapters.repositories import layout
from beeyard.adapters.repositories.layout import Build
from beeyard.adapters.repositories.publishing import files
from beeyard.domain.packages import Delta, Description, version

BASES = 2
"""Builds before a new one that a delta leads from."""
SHARE = 0.5
"""Of the payload, that a delta may have: what saves less is not worth a second way."""
LEAST = 64 * 1024
"""Bytes of a payload: what is smaller comes whole in one answer."""


def before(build: Build, there: Iterable[Build], count: int = BASES) -> list[Build]:
    """The newest builds that are older than this one, of the same package for the same platform."""
    key = version(build.version)
    older = [one for one in there if one._replace(version=build.version) == build and version(one.version) < key]
    return sorted(older, key=lambda one: version(one.version), reverse=True)[:count]


def made(folder: Path, build: Build, described: Description, bases: Iterable[Description]) -> Iterator[Delta]:
    """Those worth having, written into the repository. `described`: with the payload's name there."""
    if described.payload.size < LEAST or (content := _plain(folder, described)) is None:
        return
    for base in bases:
        if base.digest == described.digest or (prefix := _plain(folder, base)) is None:
            continue
        patch = against(prefix, content)
        if len(patch) <= SHARE * described.payload.size:
            sha256 = hashlib.sha256(patch).hexdigest()
            delta = Delta(build.delta(base.digest, sha256), len(patch), sha256, base.digest)
            files.write(folder / layout.TARGETS / delta.name, patch)
            yield delta


def _plain(folder: Path, described: Description) -> bytes | None:
    """An archive without its compression; None of one that is too large, or none."""
    pieces, size = [], 0
    try:
        file = os.open(folder / layout.TARGETS / described.payload.name, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        content = Content(file)
        while piece := content.some(PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > LARGEST:
                return None
    except Malformed:
        return None
    finally:
        os.close(file)
    return b"".join(pieces)
