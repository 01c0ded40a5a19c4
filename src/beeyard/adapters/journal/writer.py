"""Writes the newest segment of a journal. Blocks on the disk, is for one thread, and the only one to write there.

What was not written whole is cut off again before anything else is written, so a journal never holds half an entry
from a disk that was full. A file that somebody else changed or moved is never written to again: a new one is begun.
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from beeyard.adapters.journal.chain import encode, seal
from beeyard.adapters.journal.segments import End, find_end, name
from beeyard.ports.journal import START, Record

SEGMENT = 16 * 1024**2
"""Bytes: a segment of this size gets no more entries."""

_TORN = 2000  # characters of it that are kept
_OPEN = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC


class Writer:
    """The end of one journal. OSError: it can't be written now, nothing of it stands there, and later it may work."""

    def __init__(self, folder: Path) -> None:
        """Find the end, make what is missing, and mend a line that was torn by a power cut."""
        self.folder = folder = folder.absolute()
        self._fd = -1
        self._first: list[bytes] = []  # what is to be written before all else
        _make(folder)
        found = find_end(folder)
        self.end = found.end
        """Replaced as a whole, after the entries are written; so any thread may look."""
        self.synced = START
        """The newest entry known to be on the disk; what stood there before us may be in the kernel's memory only."""
        self._unfit = False  # something stands behind the end, perhaps
        if found.end.number:
            self._fd = os.open(self.path, _OPEN)
        try:
            if found.torn:
                self._first.append(self._mended(found.torn))
                self._cut()
            if found.damaged:
                self._close()  # never written to again
            if self._fd < 0:
                with suppress(OSError):  # nor does a full disk keep anyone from starting
                    self._begin_segment()
            if found.torn:
                with suppress(OSError):  # the next one who writes tries again
                    self.write([], durable=True)
        except BaseException:
            self._close()
            raise

    @property
    def path(self) -> Path:
        """The newest segment."""
        return self.folder / name(self.end.number)

    def write(self, records: Sequence[bytes], *, durable: bool) -> int:
        """Write encoded records, all or none; the number of the first one. With `durable` they are on the disk."""
        self._prepare()
        lines, head = [], self.end.head
        for record in (*self._first, *records):
            line, head = seal(record, head)
            lines.append(line)
        data = b"".join(lines)
        try:
            _write(self._fd, data)
            if durable:
                os.fsync(self._fd)  # one that fails may have lost what it was to keep, so it is not there either
        except BaseException:
            self._unfit = True
            with suppress(OSError):
                self._cut()
            raise
        self.end = End(self.end.number, self.end.size + len(data), head)
        if durable:
            self.synced = head
        self._first = []
        return head.seq - len(records) + 1

    def close(self) -> None:
        """Put on the disk what was not yet, if that is possible."""
        with suppress(OSError):
            if self._unfit:
                self._cut()
            if self._fd >= 0:
                os.fsync(self._fd)
        self._close()

    def _prepare(self) -> None:
        """See to it that what is written next comes right after the end, in a file that has room."""
        moved = self._moved()
        if self._unfit and not moved:
            self._cut()
        if moved or self.end.size >= SEGMENT:
            self._begin_segment()

    def _moved(self) -> bool:
        """Whether there is none of ours, or somebody else has put it aside or changed it."""
        if self._fd < 0:
            return True
        try:
            there, ours = os.stat(self.path), os.fstat(self._fd)
        except FileNotFoundError:
            return True
        if not os.path.samestat(there, ours):
            return True
        return there.st_size != self.end.size and not (self._unfit and there.st_size > self.end.size)

    def _cut(self) -> None:
        os.ftruncate(self._fd, self.end.size)
        self._unfit = False

    def _begin_segment(self) -> None:
        """Go on in a new file. What stands in the old one is on the disk before: no gap survives a power cut."""
        if self._fd >= 0:
            os.fsync(self._fd)
        _make(self.folder)
        number, fd = self.end.number, -1
        while fd < 0:
            number += 1
            path = self.folder / name(number)
            with suppress(FileExistsError):  # whose ever that is
                fd = os.open(path, _OPEN | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _sync_folder(self.folder)
        except BaseException:
            os.close(fd)
            with suppress(OSError):
                path.unlink()
            raise
        self._close()
        self._fd, self._unfit, self.end = fd, False, End(number, 0, self.end.head)

    def _mended(self, torn: int) -> bytes:
        """The record of a line that is to be cut off: nobody was ever told that it stood there."""
        text = os.pread(self._fd, _TORN, self.end.size).decode("utf-8", "backslashreplace")
        asked = {"file": self.path.name, "bytes": torn, "torn": text[:_TORN]}
        return encode(Record(at=time.time(), what="journal_mended", who="", asked=asked))

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _write(fd: int, data: bytes) -> None:
    """Write all of it; the system tells why it took less only when it is asked again."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _make(folder: Path) -> None:
    """A folder for its owner alone, that is there after a power cut."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
