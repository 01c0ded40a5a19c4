"""Repositories in one file: a tar archive that holds what a web server would serve, uncompressed, to be read in place.

Nothing is unpacked, no name in it is ever a path here, and nothing of it is believed for being there.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from beeyard.adapters.repositories import layout
from beeyard.adapters.repositories.reading import Reader
from beeyard.domain.errors import NotFound, Unavailable

if TYPE_CHECKING:
    import tarfile

    from beeyard.adapters.repositories.contents import Span

SUFFIX = ".bundle"

Stamp = tuple[int, int]
"""Which file it is: its inode, and when it changed last. A newer bundle is put in the place of an older one."""


class BundleReader(Reader):
    """Reads the files in a bundle; `base` is its path."""

    def find(self, path: str) -> "tuple[Stamp, Span]":
        """In which file it lies, and where. Raises NotFound; Unavailable: there is no bundle, or it can't be read."""
        with self._opened() as (file, spans):
            span = spans.get(path)
            if span is None:
                raise _missing(path)
            return _stamp(file), span

    def _read(self, path: str, most: int) -> bytes | None:
        with self._opened() as (file, spans):
            span = spans.get(path)
            if span is None:
                return None
            if span.size > most:
                raise self._endless(path, most)
            return os.pread(file.fileno(), span.size, span.offset)

    @contextmanager
    def _opened(self) -> "Iterator[tuple[BinaryIO, dict[str, Span]]]":
        try:
            with _open(self._base) as file:
                yield file, _spans(self._base, _stamp(file))
        except (OSError, ValueError) as error:
            text, hint = "{repository}: {file} can't be read: {reason}", "look at its `path`; was all of it copied?"
            reason = getattr(error, "strerror", "") or str(error)
            fields = {"repository": self._repository, "file": self._base, "reason": reason}
            raise Unavailable("repository_unreachable", text, hint=hint, **fields) from None


def write(folder: Path, file: Path) -> int:
    """Make a bundle of a copied repository, in one step. How many bytes it has. Raises OSError."""
    import tarfile  # a host that only reads need not load it

    draft = file.with_name(f".{file.name}.part")
    try:
        with tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(path for top in (layout.METADATA, layout.TARGETS) for path in (folder / top).rglob("*")):
                if path.is_file():
                    archive.add(path, path.relative_to(folder), filter=_bare)
        with draft.open("rb") as made:
            os.fsync(made.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return file.stat().st_size


def _missing(file: str) -> NotFound:
    """What is said where a payload that was signed is in no bundle."""
    text, hint = "the bundle has no {file}", "make it anew, with what is wanted: beeyard repo bundle"
    return NotFound("repository_incomplete", text, hint=hint, file=file)


def _bare(member: "tarfile.TarInfo") -> "tarfile.TarInfo":
    """The same bytes for the same files, whoever makes it."""
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    return member


@lru_cache(8)
def _spans(path: str, stamp: Stamp) -> "dict[str, Span]":
    """By name; anew when the file is another one. Raises OSError, ValueError."""
    from beeyard.adapters.repositories.contents import spans  # zstd comes along

    with _open(path) as file:
        if _stamp(file) != stamp:
            raise OSError(errno.ESTALE, "another file was put in its place meanwhile")
        return spans(file)


@contextmanager
def _open(path: str) -> Iterator[BinaryIO]:
    """Raises OSError, also for what is no file."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:  # It may be a pipe.
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        yield file


def _stamp(file: BinaryIO) -> Stamp:
    found = os.fstat(file.fileno())
    return found.st_ino, found.st_mtime_ns
