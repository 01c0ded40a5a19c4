"""A tree of files beside the description it should match. Looks, and seals a fresh one; mends nothing.

What is there is listed and compared, never opened by the name it should have: so a link leads nowhere, a file spelt
otherwise is another file whatever the filesystem thinks of case, and what nobody described is found.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from beeyard.adapters.package_store.disk import LOOK, MANY, sync, sync_filesystem
from beeyard.domain.packages import Description, FileEntry
from beeyard.ports.package_store import Damage

FILE, PROGRAM, FOLDER = 0o444, 0o555, 0o555
"""The modes of all that is installed."""
WHOLE = Damage(".", "missing")
"""All of it is gone."""

_BUFFER = 256 * 1024  # bytes


def compare(folder: Path, description: Description, *, digests: bool, staged: bool = False) -> list[Damage]:
    """What is not as described, by path. Without `digests` a file of the right size is taken for the right one.

    A `staged` tree has its modes yet to come, and shares no file with anything outside.
    """
    expected = {entry.path: entry for entry in description.files}
    folders = {path[:cut] for path in expected for cut, letter in enumerate(path) if letter == "/"}
    try:
        top = os.lstat(folder)
    except FileNotFoundError:
        return [WHOLE]
    if not stat.S_ISDIR(top.st_mode):
        return [Damage(".", "kind")]
    damage = [Damage(".", "mode")] if not staged and stat.S_IMODE(top.st_mode) != FOLDER else []
    found = set()
    for path, seen in _walk(folder, folders):
        found.add(path)
        if (entry := expected.get(path)) is not None:
            what = _differs(folder / path, seen, entry, digests=digests, staged=staged)
        elif path not in folders:
            what = "extra"
        elif not stat.S_ISDIR(seen.st_mode):
            what = "kind"
        else:
            what = "" if staged or stat.S_IMODE(seen.st_mode) == FOLDER else "mode"
        if what:
            damage.append(Damage(os.fsencode(path).decode("utf-8", "backslashreplace"), what))
    damage += [Damage(path, "missing") for path in expected.keys() - found]
    return sorted(damage, key=lambda one: one.path)


def seal(folder: Path, description: Description) -> None:
    """Give a tree that matches its modes, and put all of it on the disk: files, then folders from the inmost out.

    The top keeps its mode until it has been moved to its place.
    """
    programs = {entry.path for entry in description.files if entry.executable}
    files, folders = [], [folder]
    for path, seen in list(_walk(folder, None)):
        if stat.S_ISDIR(seen.st_mode):
            folders.append(folder / path)
            _set_mode(folder / path, seen, FOLDER)
        elif stat.S_ISREG(seen.st_mode):
            files.append(folder / path)
            _set_mode(folder / path, seen, PROGRAM if path in programs else FILE)
    if len(files) > MANY:
        sync_filesystem(folder)
        return
    for file in files:
        sync(file)
    for inner in reversed(folders):
        sync(inner)


def close(folder: Path) -> None:
    """Give a sealed tree's top its mode, durably."""
    os.chmod(folder, FOLDER)
    sync(folder)


def _walk(folder: Path, into: set[str] | None) -> Iterator[tuple[str, os.stat_result]]:
    """What lies below, a folder before what is in it; goes only `into` these folders, or into all."""
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        for name in os.listdir(folder / inside):
            path = f"{inside}/{name}" if inside else name
            seen = os.lstat(folder / path)
            yield path, seen
            if stat.S_ISDIR(seen.st_mode) and (into is None or path in into):
                waiting.append(path)


def _differs(path: Path, seen: os.stat_result, entry: FileEntry, *, digests: bool, staged: bool) -> str:
    if entry.link:
        if not stat.S_ISLNK(seen.st_mode):
            return "kind"
        return "" if os.readlink(path) == entry.link else "link"
    if not stat.S_ISREG(seen.st_mode) or (staged and seen.st_nlink > 1):
        return "kind"
    if seen.st_size != entry.size or (digests and _digest(path) != entry.sha256):
        return "changed"
    mode = PROGRAM if entry.executable else FILE
    return "" if staged or stat.S_IMODE(seen.st_mode) == mode else "mode"


def _set_mode(path: Path, seen: os.stat_result, mode: int) -> None:
    if stat.S_IMODE(seen.st_mode) != mode:
        os.chmod(path, mode)


def _digest(path: Path) -> str:
    """Of a file that can't be read: none."""
    try:
        fd = os.open(path, LOOK)
        try:
            digest = hashlib.sha256()
            while piece := os.read(fd, _BUFFER):
                digest.update(piece)
            return digest.hexdigest()
        finally:
            os.close(fd)
    except OSError:
        return ""
