"""Looks at a folder that is to become a package: which files it holds, and what of it no package can hold."""

import hashlib
import os
import stat
from collections.abc import Callable
from typing import NamedTuple

from beeyard.domain.file_list import Fault, faults
from beeyard.domain.packages import FileEntry

LEFT_OUT = frozenset({".git", "__pycache__"})
"""At any depth, folder or file: what tools write there, each time in another way."""

Ignored = Callable[[str], bool]
"""Whether a path is left out; that of a folder ends with `/`. What is in one that is, is not asked for."""

_KINDS = {
    stat.S_IFIFO: "is a FIFO",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
}


class Collected(NamedTuple):
    """The files, sorted by path; folders that hold nothing, which no package can tell of; what is wrong; and what was
    left out because somebody said so, a folder for all that is in it."""

    files: tuple[FileEntry, ...]
    empty: tuple[str, ...]
    faults: tuple[Fault, ...]
    ignored: tuple[str, ...] = ()


def collect(folder: str, ignored: Ignored = lambda path: False) -> Collected:
    """Look at all in a folder but what is ignored. Of a file's mode only counts whether somebody may execute it."""
    files: list[FileEntry] = []
    empty: list[str] = []
    wrong: list[Fault] = []
    without: list[str] = []
    waiting = [""]
    while waiting:
        above = waiting.pop()
        try:
            entries = [entry for entry in os.scandir(os.path.join(folder, above)) if entry.name not in LEFT_OUT]
            if not entries and above:
                empty.append(above)
            for entry in entries:
                path = os.path.join(above, entry.name)
                named = f"{path}/" if entry.is_dir(follow_symlinks=False) else path
                if ignored(named):
                    without.append(named)
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
                elif found := _entry(path, entry):
                    files.append(found)
                else:
                    kind = _KINDS.get(stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode), "is of an unknown kind")
                    wrong.append(Fault("archive_kind", path, kind))
        except OSError as error:
            path = os.path.relpath(error.filename, folder) if error.filename else above
            wrong.append(Fault("archive_unreadable", path, f"can't be read: {error.strerror}"))
    files.sort(key=lambda entry: entry.path)
    return Collected(tuple(files), tuple(sorted(empty)), (*wrong, *faults(files)), tuple(sorted(without)))


def _entry(path: str, found: os.DirEntry[str]) -> FileEntry | None:
    """None of what is neither a file nor a link."""
    if found.is_symlink():
        return FileEntry(path, link=os.readlink(found.path))
    if not found.is_file(follow_symlinks=False):
        return None
    with open(os.open(found.path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        status = os.fstat(file.fileno())
    return FileEntry(path, status.st_size, digest, bool(status.st_mode & 0o111))
