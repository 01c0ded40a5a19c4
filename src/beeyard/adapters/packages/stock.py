"""Files that came from repositories and are kept for neighbours: so many bytes of each, the ones used last.

A file lies under its digest, in its repository's folder; it was verified when it came, and whoever gets it verifies it
again. That a repository is served at all the worker file says. What can't be kept is not: nobody relies on it here, and
it gives way as soon as the disk has no room to spare.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

SPARE = 0.1
"""Of the disk, that stays free of what is kept here."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


class _File(NamedTuple):
    used: float
    size: int
    path: Path


class Stock:
    """One folder, which is made when something is kept. Its files are linked: it costs room only once a package is
    there that they were needed for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._limits: Mapping[str, int] | None = None  # until it is told

    def serve(self, limits: Mapping[str, int]) -> None:
        """So many bytes of these repositories, and nothing of others: that goes."""
        if limits != self._limits:
            self._limits = limits
            self.make_room(0)

    def keep(self, repository: str, came: str, sha256: str) -> None:
        """A verified file, for as long as there is room; one that is there already is replaced."""
        if repository not in (self._limits or ()):
            return
        folder = self._folder / repository
        with contextlib.suppress(OSError):
            folder.mkdir(0o700, parents=True, exist_ok=True)
            draft = folder / f".{sha256}.{os.getpid()}"
            draft.unlink(missing_ok=True)
            os.link(came, draft)
            os.utime(draft)
            draft.replace(folder / sha256)
        self.make_room(0)

    def find(self, sha256: str) -> Path | None:
        """A file with this digest; that it was asked for is noted."""
        for repository in (self._limits or ()) if _DIGEST.fullmatch(sha256) else ():
            with contextlib.suppress(OSError):
                os.utime(path := self._folder / repository / sha256)
                return path
        return None

    def make_room(self, size: int) -> None:
        """For so many bytes and those that are to be spared: what was used least goes, and what is too much anyway."""
        if self._limits is None or not self._folder.is_dir():
            return
        kept: list[_File] = []
        for folder in self._folder.iterdir():
            if folder.name not in self._limits:
                shutil.rmtree(folder, ignore_errors=True)
                continue
            files = sorted(_files(folder), reverse=True)
            room = self._limits[folder.name]
            for file in files:
                room -= file.size
                if room < 0:
                    file.path.unlink(missing_ok=True)
                else:
                    kept.append(file)
        kept.sort(reverse=True)
        while kept and not self._has(size):
            kept.pop().path.unlink(missing_ok=True)

    def _has(self, size: int) -> bool:
        disk = os.statvfs(self._folder)
        return disk.f_bavail >= disk.f_blocks * SPARE + size / disk.f_frsize


def _files(folder: Path) -> Iterator[_File]:
    """Also those that somebody left who was killed."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            found = path.lstat()
            if _DIGEST.fullmatch(path.name):
                yield _File(found.st_mtime, found.st_size, path)
            else:
                path.unlink()
