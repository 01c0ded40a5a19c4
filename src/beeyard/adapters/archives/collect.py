"""Looks at a folder that is to become a package: which files it holds, and what of it no package can hold."""

import hashlib
import os
import stat
from typing import NamedTuple

from beeyard.domain.file_list import Fault, faults
from beeyard.domain.packages import FileEntry

LEFT_OUT = frozenset({".git"})
"""At any depth, folder or file."""

_KINDS = {
    stat.S_IFIFO: "is a FIFO",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
}


class Collected(NamedTuple):
    """The files, sorted by path; folders that hold nothing, which no package can tell of; what is wrong."""

    files: tuple[FileEntry, ...]
    empty: tuple[str, ...]
    faults: tuple[Fault, ...]


def collect(folder: str) -> Collected:
    """Look at everything in a folder. Of a file's mode only counts whether somebody may execute it."""
    files: list[FileEntry] = []
    empty: list[str] = []
    wrong: list[Fault] = []
    waiting = [""]
    while waiting:
        above = waiting.pop()
        try:
            entries = [entry for entry in os.scandir(os.path.join(folder, above)) if entry.name not in LEFT_OUT]
            if not entries and above:
                empty.append(above)
            for entry in entries:
                path = os.path.join(above, entry.name)
                if entry.is_dir(follow_symlinks=False):
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
    return Collected(tuple(files), tuple(sorted(empty)), (*wrong, *faults(files)))


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
