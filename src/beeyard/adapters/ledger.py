"""What a next owner needs to know of an attempt that runs elsewhere, and nobody there keeps: a small file of each.

The last step of its stop that was carried out; where it runs, if there is more than one place; and how far its output
was copied, as a place in the worker's own log that belongs to a place in the one there. That there is a folder of them
says that such attempts were run from here.
"""

import os
from pathlib import Path

import msgspec
from msgspec import Struct


class Copied(Struct, frozen=True, omit_defaults=True):
    """One stream. All lines of the log there before the time `at`, and `count` of those at that time, stand in the
    worker's log before `offset` of the file `inode`; 0: there was none, and what stands in all files came since."""

    at: str = ""
    count: int = 0
    inode: int = 0
    offset: int = 0


class Page(Struct, omit_defaults=True):
    """One attempt; `sizes` is how much of its worker's output is kept, in the launcher's words, `where` the place it
    runs in, in those of its provider."""

    asked: int = 0
    copied: dict[str, Copied] = {}
    sizes: dict[str, int] = {}
    where: dict[str, str] = {}


class Ledger:
    """The files. Each is replaced whole."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def begun(self) -> bool:
        """Whether any was ever written."""
        return self._folder.is_dir()

    def page(self, worker: str, attempt: int) -> Page | None:
        """None when there is none, or none that can be read."""
        return _read(self._path(worker, attempt))

    def pages(self) -> list[Page]:
        """Those of all attempts."""
        if not self.begun():
            return []
        return [page for path in sorted(self._folder.iterdir()) if (page := _read(path)) is not None]

    def write(self, worker: str, attempt: int, page: Page) -> None:
        """Without waiting for the disk: what it says of a boot that is over matters to nobody."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._path(worker, attempt)
        new = path.with_name(f"{path.name}.new")
        new.write_bytes(msgspec.json.encode(page))
        os.replace(new, path)

    def drop(self, worker: str, attempt: int) -> None:
        """Harmless twice."""
        self._path(worker, attempt).unlink(missing_ok=True)

    def _path(self, worker: str, attempt: int) -> Path:
        return self._folder / f"{worker}@{attempt}"


def _read(path: Path) -> Page | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Page)
    except (OSError, msgspec.DecodeError):
        return None


def here(base: str) -> tuple[int, int]:
    """Where a stream's log ends now, BASE.log and its older ones: the file, and how long it is."""
    try:
        seen = os.stat(f"{base}.log")
    except OSError:
        return 0, 0
    return seen.st_ino, seen.st_size


def beyond(base: str, inode: int, offset: int) -> int | None:
    """Bytes that were logged behind a place, whatever was put aside since; None when that place is gone."""
    total, path, number = 0, f"{base}.log", 0
    while True:
        try:
            seen = os.stat(path)
        except OSError:
            return None if inode else total
        total += seen.st_size
        if inode and seen.st_ino == inode:
            return max(0, total - offset)
        number += 1
        path = f"{base}.log.{number}"
