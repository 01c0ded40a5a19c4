"""One stream's log files as one row of bytes: backwards to where the newest lines begin, and forwards from there.

Knows what the pump leaves (`NAME.log`, the older `NAME.log.1`, …, and beside each an `.idx` of 16-byte records: offset,
wall clock) and that it may rotate at any moment; writes nothing, blocks on disks, and is for one thread at a time.

When a file is put aside, its unfinished last line moves to the new one. A reader that had already gone beyond the cut
has read that much of the new file.
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


class Line(NamedTuple):
    """When it was written, if that is known, and what."""

    at: float | None
    text: str


class LogSource:
    """One open log file and its index. OSError: it is gone."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._index = -1
        self._index_path = ".idx".join(path.rsplit(".log", 1))
        self._path = path
        self._known = (0, 0, 0.0)  # offsets from, until: this time
        self.inode = os.fstat(self.fd).st_ino
        self._open_index()

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
        count = os.fstat(self._index).st_size // _RECORD.size
        found = bisect_right(range(count), offset, key=lambda number: self._record(number)[0])
        if not found:
            return None
        first, at = self._record(found - 1)
        self._known = (first, self._record(found)[0] if found < count else 0, at)
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
            if Path(self._path).stat().st_ino == self.inode:
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
            lines += self.release()
            start = end + 1
        return lines

    def release(self) -> list[Line]:
        """The line held, if there is one, as if it were finished."""
        if not self._begun:
            return []
        line = Line(self._at, self._held.decode("utf-8", "replace") + "…" * self._cut)
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

    def begin(self, lines: int) -> list[Line]:
        """Go to where the newest lines begin, and read to the end; an unfinished one stays in the cutter."""
        files = _open_all(self._base)
        if not files:
            return []
        number, self._offset = _line_start(files, lines)
        for source in files[:number]:
            source.close()
        found: list[Line] = []
        for source in files[number:]:
            if self._source:
                self._source.close()
                self._offset = 0
            self._source = source
            while read := self.read():
                found += read
                del found[: max(0, len(found) - lines)]
        return found

    def read(self) -> list[Line] | None:
        """What a block's worth of bytes finishes; None at the end of the file."""
        if self._source is None:
            return None
        data = os.pread(self._source.fd, _BLOCK, self._offset)
        if not data:
            return None
        lines = self.cutter.feed(data, self._source, self._offset)
        self._offset += len(data)
        return lines

    def advance(self) -> list[Line] | None:
        """Like `read`, and on to the next file where this one is done; None: there is nothing new."""
        while True:
            lines = self.read()
            if lines is not None or not self._is_put_aside():
                return lines
            lines = self.read()  # it may have grown until it was put aside; now it is final
            if lines is not None or not self._step():
                return lines

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
            following = _successor(self._base, done)
        except OSError:
            return False  # rotated under our eyes; next time
        surplus = max(0, self._offset - done.size()) if done else 0
        self.close()
        self._source, self._offset = following, surplus
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


def _successor(base: str, done: LogSource | None) -> LogSource:
    """The file that follows. If ours is not among them any more, the first that was written to since."""
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
    return source
