"""One stream's log files as one row of bytes: backwards to where the newest lines begin, and forwards from there.

Knows what the pump leaves (`NAME.log`, the older `NAME.log.1`, …, and beside each an `.idx` of 16-byte records: offset,
wall clock) and that it may rotate at any moment; writes nothing, blocks on disks, and is for one thread at a time.

When a file is put aside, its unfinished last line moves to the new one. A reader that had already gone beyond the cut
has read that much of the new file; so has one that comes back with a place beyond the cut.
"""

import os
import struct
from bisect import bisect_right
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

LINE_LIMIT = 64 * 1024
"""Bytes of a line that are kept; what is beyond becomes `…`."""

_RECORD = struct.Struct("<Qd")
_BLOCK = 256 * 1024
_LOOK = 32 * 1024
"""Bytes of one look at what is new: making lines of them takes a thread a few milliseconds."""


class Place(NamedTuple):
    """A position that outlives its reader: the file, by its inode and by when it was begun, and the offset in it.

    `born` tells a file from a later one to which the system gave the same inode; 0 where that is not known.
    """

    inode: int
    born: int
    offset: int


class Line(NamedTuple):
    """When it was written, if that is known, what, and where the next one begins."""

    at: float | None
    text: str
    end: Place


class LogSource:
    """One open log file and its index. OSError: it is gone."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._index = -1
        self._index_path = ".idx".join(path.rsplit(".log", 1))
        self.path = path
        self._known = (0, 0, 0.0)  # offsets from, until: this time
        self._born = 0
        self.inode = os.fstat(self.fd).st_ino
        self._open_index()

    @property
    def born(self) -> int:
        """When it was begun, in microseconds, of which the lowest 32 bits are enough to tell it from others."""
        if not self._born and self._index < 0:
            self._open_index()
        if not self._born and self._index >= 0 and os.fstat(self._index).st_size >= _RECORD.size:
            offset, at = self._record(0)
            self._born = 0 if offset else int(at * 1e6) & 0xFFFFFFFF
        return self._born

    def place(self, offset: int) -> Place:
        """A place in it."""
        return Place(self.inode, self.born, offset)

    def size(self) -> int:
        """Bytes in it now."""
        return os.fstat(self.fd).st_size

    def time_of(self, offset: int) -> float | None:
        """When the byte at `offset` was written: the last record's at or before it."""
        first, end, at = self._known
        if first <= offset < end:
            return at
        if self._index < 0:
            self._open_index()
        if self._index < 0:
            return None
        size = self.size()  # Before the index: what is in the file by now is in there, too.
        count = os.fstat(self._index).st_size // _RECORD.size
        found = bisect_right(range(count), offset, key=lambda number: self._record(number)[0])
        if not found:
            return None
        first, at = self._record(found - 1)
        self._known = (first, self._record(found)[0] if found < count else size, at)
        return at

    def close(self) -> None:
        """Once."""
        os.close(self.fd)
        if self._index >= 0:
            os.close(self._index)

    def _record(self, number: int) -> tuple[int, float]:
        offset, at = _RECORD.unpack(os.pread(self._index, _RECORD.size, number * _RECORD.size))
        return offset, at

    def _open_index(self) -> None:
        with suppress(OSError):
            index = os.open(self._index_path, os.O_RDONLY | os.O_CLOEXEC)
            if Path(self.path).stat().st_ino == self.inode:
                self._index = index
            else:  # rotated meanwhile: that one is about another file
                os.close(index)


class LineCutter:
    """Bytes in, lines out; holds the beginning of the line that is not finished."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._at: float | None = None
        self._begun = self._cut = False

    @property
    def holds(self) -> bool:
        """Whether a line has begun."""
        return self._begun

    def feed(self, data: bytes, source: LogSource, offset: int) -> list[Line]:
        """Take what stands at `offset` of the source; returns the lines finished by it."""
        lines: list[Line] = []
        start = 0
        while start < len(data):
            end = data.find(b"\n", start)
            if not self._begun:
                self._begun, self._at = True, source.time_of(offset + start)
            piece = data[start : end if end >= 0 else len(data)]
            room = LINE_LIMIT - len(self._held)
            self._held += piece[:room]
            self._cut |= len(piece) > room
            if end < 0:
                break
            lines += self.release(source.place(offset + end + 1))
            start = end + 1
        return lines

    def release(self, end: Place) -> list[Line]:
        """The line held, if there is one, as if it were finished there."""
        if not self._begun:
            return []
        line = Line(self._at, self._held.decode("utf-8", "replace") + "…" * self._cut, end)
        self._held.clear()
        self._begun = self._cut = False
        return [line]


class LogFollower:
    """Reads one stream from its newest lines on, through every rotation."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._source: LogSource | None = None
        self._offset = 0
        self.cutter = LineCutter()
        self.begun: Place | None = None
        self.lost = False

    def begin(self, lines: int) -> list[Line]:
        """Go to where the newest lines begin, and read to the end; an unfinished one stays in the cutter.

        `begun` is where the first of them begins.
        """
        files = _open_all(self._base)
        if not files:
            return []
        number, self._offset = _line_start(files, lines)
        self.begun = files[number].place(self._offset)
        for source in files[:number]:
            source.close()
        found: list[Line] = []
        for source in files[number:]:
            if self._source:
                self._source.close()
                self._offset = 0
            self._source = source
            while (read := self.read()) is not None:
                found += read
                if (surplus := len(found) - lines) > 0:
                    self.begun = found[surplus - 1].end
                    del found[:surplus]
        return found

    def resume(self, place: Place | None) -> bool:
        """Go to a place (None: to the oldest byte there is); False when it is gone, and the oldest is what is left."""
        files = _open_all(self._base)
        number = 0 if place is None else _holding(files, place, f"{self._base}.log")
        if files:
            self._source = files.pop(number or 0)
            self._offset = place.offset if place and number is not None else 0
            self.begun = self._source.place(self._offset)
        for source in files:
            source.close()
        return number is not None

    def release(self) -> list[Line]:
        """The unfinished line, if there is one, as it is."""
        return self.cutter.release(self._source.place(self._offset)) if self._source else []

    def read(self, block: int = _BLOCK) -> list[Line] | None:
        """What a block's worth of bytes finishes; None at the end of the file."""
        if self._source is None:
            return None
        data = os.pread(self._source.fd, block, self._offset)
        if not data:
            return None
        lines = self.cutter.feed(data, self._source, self._offset)
        self._offset += len(data)
        return lines

    def advance(self) -> list[Line] | None:
        """Like `read`, and on to the next file where this one is done; None: there is nothing new.

        `lost` is set when files may have been deleted in between; the next one then begins at `begun`.
        """
        while True:
            lines = self.read(_LOOK)
            if lines is not None or not self._is_put_aside():
                return lines
            lines = self.read(_LOOK)  # it may have grown until it was put aside; now it is final
            if lines is not None or not self._step():
                return lines
            if self.lost:
                return []

    def here(self) -> Place | None:
        """Behind what was read; None where there is no file."""
        return None if self._source is None else self._source.place(self._offset)

    def close(self) -> None:
        """Harmless twice."""
        if self._source:
            self._source.close()
        self._source = None

    def _is_put_aside(self) -> bool:
        """Whether another file has our file's name. While none has it, the pump is about to give it one."""
        try:
            return self._source is None or Path(f"{self._base}.log").stat().st_ino != self._source.inode
        except FileNotFoundError:
            return False

    def _step(self) -> bool:
        done = self._source
        try:
            following, self.lost = _successor(self._base, done)
        except OSError:
            return False  # rotated under our eyes; next time
        surplus = max(0, self._offset - done.size()) if done else 0
        self.close()
        self._source, self._offset = following, surplus
        self.begun = following.place(surplus)
        return True


def _paths(base: str) -> list[str]:
    """The log files, oldest first."""
    name = Path(f"{base}.log").name
    try:
        names = [path.name for path in Path(base).parent.iterdir()]
    except OSError:
        return []
    numbers = [
        int(end) for other in names if other.startswith(f"{name}.") and (end := other[len(name) + 1 :]).isdigit()
    ]
    paths = [f"{base}.log.{number}" for number in sorted(numbers, reverse=True)]
    return [*paths, f"{base}.log"] if name in names else paths


def _open_all(base: str) -> list[LogSource]:
    """All files at one moment: opened again if one was rotated meanwhile."""
    while True:
        sources: list[LogSource] = []
        try:
            paths = _paths(base)
            for path in paths:
                sources.append(LogSource(path))
            if paths == _paths(base) and all(
                Path(path).stat().st_ino == source.inode for path, source in zip(paths, sources, strict=True)
            ):
                return sources
        except FileNotFoundError:
            pass
        for source in sources:
            source.close()


def _holding(sources: list[LogSource], place: Place, newest: str) -> int | None:
    """The number of the file that a place is in; None when it is gone, or was emptied by someone."""
    for number, source in enumerate(sources):
        if source.inode == place.inode and (not place.born or not source.born or place.born == source.born):
            if source.size() < place.offset and _is_named(newest, source):  # In this order: it may be put aside now.
                return None
            return number
    return None


def _is_named(path: str, source: LogSource) -> bool:
    try:
        return Path(path).stat().st_ino == source.inode
    except FileNotFoundError:
        return False


def _line_start(sources: list[LogSource], lines: int) -> tuple[int, int]:
    """Which source, and the offset in it, where the newest lines begin; an unfinished line is one of them."""
    left = lines
    at_end = True
    for number in range(len(sources) - 1, -1, -1):
        end = sources[number].size()
        if at_end and end:
            left = max(1, left + (os.pread(sources[number].fd, 1, end - 1) == b"\n"))
            at_end = False
        while end:
            start = max(0, end - _BLOCK)
            data = os.pread(sources[number].fd, end - start, start)
            if data.count(b"\n") >= left:
                found = len(data)
                for _ in range(left):
                    found = data.rfind(b"\n", 0, found)
                return number, start + found + 1
            left -= data.count(b"\n")
            end = start
    return 0, 0


def _successor(base: str, done: LogSource | None) -> tuple[LogSource, bool]:
    """The file that follows. If ours is not among them any more, the first that was written to since.

    And whether there may have been others between the two: where several are kept, ours went long after it was full.
    """
    paths = _paths(base)
    if not paths:
        raise FileNotFoundError(base)
    found = [Path(path).stat() for path in paths]
    inodes = [file.st_ino for file in found]
    if done is None:
        number = 0
    elif done.inode in inodes:
        number = min(inodes.index(done.inode) + 1, len(paths) - 1)
    else:
        ours = os.fstat(done.fd).st_mtime_ns
        number = next((i for i, file in enumerate(found) if file.st_mtime_ns > ours), len(paths) - 1)
    source = LogSource(paths[number])
    if source.inode != inodes[number]:
        source.close()
        raise FileNotFoundError(paths[number])
    return source, done is not None and done.inode not in inodes and len(paths) > 1
