"""One stream's log: the file being written, and the index that says when what was written.

Knows how bytes get from a pipe to the file; does not know workers, nor what to do when the disk refuses.

**No byte is ever held here.** `splice` moves bytes from the pipe to the file within one system call: the kernel
copies into the page cache under the pipe's lock, then drops from the pipe exactly what it copied, also when a fatal
signal cuts it short (`iter_file_splice_write` in fs/splice.c). A process killed at any instant has neither lost nor
doubled a byte, as it would between a read and a write.

The index is a row of 16-byte records, little-endian: offset (u64) and wall clock (f64). What stands at or behind the
offset of a record, and before the next record's, was written about then.
"""

import errno
import os
import struct

from beeyard.launcher import rotation

RECORD = struct.Struct("<Qd")
STAMP_EVERY = 0.05
"""Seconds between two records, at least."""


class LogFile:
    """Opened at its first byte, and again after `close`; OSError from any call leaves it usable later."""

    __slots__ = (
        *("_fd", "_index", "_inode", "_stamped"),
        *("base", "cut_lines", "max_files", "max_size", "rotations", "size"),
    )

    def __init__(self, base: str, max_size: int, max_files: int) -> None:
        self.base = base
        self.max_size = max_size
        self.max_files = max_files
        self.size = 0
        self.rotations = 0
        self.cut_lines = 0
        self._fd = self._index = -1
        self._inode = 0
        self._stamped = 0.0

    @property
    def is_open(self) -> bool:
        """Whether descriptors are held."""
        return self._fd >= 0

    @property
    def is_full(self) -> bool:
        """Whether the next byte goes to a new file."""
        return self.size >= self.max_size

    def take(self, pipe: int, most: int, now: float) -> int:
        """Move up to `most` bytes out of the pipe, fewer if that fills the file. BlockingIOError: the pipe is empty."""
        self._prepare(now)
        moved = os.splice(pipe, self._fd, min(most, self.max_size - self.size), flags=os.SPLICE_F_NONBLOCK)
        self.size += moved
        return moved

    def say(self, line: bytes, now: float) -> None:
        """Write a line of our own, whole or not at all, on a line of its own."""
        self._prepare(now)
        if self.size and os.pread(self._fd, 1, self.size - 1) != b"\n":
            line = b"\n" + line
        if os.write(self._fd, line) < len(line):
            os.ftruncate(self._fd, self.size)
            os.lseek(self._fd, self.size, os.SEEK_SET)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += len(line)

    def close(self) -> None:
        """Give the descriptors back; harmless twice."""
        for fd in (self._fd, self._index):
            if fd >= 0:
                os.close(fd)
        self._fd = self._index = -1

    def _prepare(self, now: float) -> None:
        if not 0 <= now - self._stamped < STAMP_EVERY:
            self._verify()
            self._stamp(now, self.size)
        if self._fd < 0:
            self._open()
        while self.is_full:
            self._rotate(now)

    def _verify(self) -> None:
        """Notice a file that someone else deleted, moved or emptied."""
        if self._fd < 0:
            self._open()
            return
        try:
            found = os.stat(rotation.log_name(self.base))
        except FileNotFoundError:
            found = None
        if found is None or found.st_ino != self._inode:
            self.close()
            self._open()
        elif found.st_size != self.size:
            self.size = os.lseek(self._fd, 0, os.SEEK_END)
            self._close_index()

    def _open(self) -> None:
        os.makedirs(os.path.dirname(self.base), mode=0o700, exist_ok=True)
        rotation.mend(self.base)
        # Not O_APPEND: splice refuses that. One pump at a time, so the end is where we left it.
        self._fd = os.open(rotation.log_name(self.base), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.size = os.lseek(self._fd, 0, os.SEEK_END)
        self._inode = os.fstat(self._fd).st_ino

    def _rotate(self, now: float) -> None:
        try:
            whole = rotation.turn(self.base, self._fd, self.size, self.max_files)
        finally:
            self.close()  # done or half done, the names now mean other files
        self.rotations += 1
        self.cut_lines += not whole
        self._open()
        self._stamp(now, 0)

    def _stamp(self, now: float, offset: int) -> None:
        """Add a record, at best: times are a convenience, and no reason to lose output."""
        self._stamped = now
        try:
            if self._index < 0:
                self._open_index()
            if os.write(self._index, RECORD.pack(offset, now)) < RECORD.size:
                self._close_index()
        except OSError:
            self._close_index()

    def _open_index(self) -> None:
        self._index = os.open(
            rotation.index_name(self.base), os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        size = os.lseek(self._index, 0, os.SEEK_END)
        whole = size - size % RECORD.size
        if whole and RECORD.unpack(os.pread(self._index, RECORD.size, whole - RECORD.size))[0] > self.size:
            whole = 0  # it is about a file that is gone
        if whole < size:
            os.ftruncate(self._index, whole)

    def _close_index(self) -> None:
        if self._index >= 0:
            os.close(self._index)
        self._index = -1
