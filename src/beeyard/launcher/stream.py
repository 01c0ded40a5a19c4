"""One worker's standard output or error: from its pipe to its log, or, where the log can't be written, to nowhere.

Knows when to drop and how to say so; does not know when it is its turn.

A worker must never wait for a disk. While the log refuses bytes they are dropped and counted; the log is tried again
every second, and its first line then says how many are missing.
"""

import errno
import fcntl
import os
import stat
import struct
import termios
from contextlib import suppress

from beeyard.launcher.logfile import LogFile

ROOMY = 1024 * 1024
"""Bytes a busy pipe is grown to: an unprivileged pipe's most (fs.pipe-max-size). An idle one keeps its 64 KiB."""

RETRY_EVERY = 1.0


class Stream:
    """A pipe and its log. OSError: there is no such pipe."""

    __slots__ = ("_retry_at", "_unsaid", "bytes", "capacity", "dropped", "error", "log", "pipe", "worker")

    def __init__(self, worker: str, fifo: str, log: LogFile) -> None:
        # O_RDWR: with a writing end of our own, a launcher and a worker that both die leave no hang-up to spin on.
        self.pipe = os.open(fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        if not stat.S_ISFIFO(os.fstat(self.pipe).st_mode):
            os.close(self.pipe)
            raise OSError(errno.ENOTSUP, "not a pipe", fifo)
        self.capacity = fcntl.fcntl(self.pipe, fcntl.F_GETPIPE_SZ)
        self.worker = worker
        self.log = log
        self.bytes = 0
        self.dropped = 0
        self.error = ""
        self._unsaid = 0
        self._retry_at = 0.0

    def drain(self, most: int, now: float, nowhere: int) -> int:
        """Take up to `most` bytes out of the pipe; returns how many. `nowhere`: /dev/null, for what the log refuses."""
        taken = 0
        with suppress(BlockingIOError):
            while taken < most:
                taken += self._move(most - taken, now, nowhere)
                if not self.log.is_full:
                    break  # the pipe is empty, then
        if taken >= self.capacity // 2:
            self._grow()
        return taken

    def waiting(self) -> int:
        """Bytes in the pipe now."""
        return int(struct.unpack("i", fcntl.ioctl(self.pipe, termios.FIONREAD, b"\0\0\0\0"))[0])

    def settle(self, now: float, nowhere: int) -> None:
        """Take what is in the pipe now, and not what comes meanwhile: a chatty worker would never let us end."""
        left = self.waiting()
        while left > 0 and (taken := self.drain(left, now, nowhere)):
            left -= taken

    def retry(self, now: float) -> None:
        """Try the log again; on success the outage is over. To be called while nothing comes through the pipe."""
        if not self._may_try(now):
            return
        try:
            self._tell(now)
        except OSError as error:
            self._refused(error, now)
        else:
            self.error = ""

    def reads(self, fifo: str) -> bool:
        """Whether that path still is the pipe we have; one removed and made again is another."""
        try:
            found = os.stat(fifo)
        except FileNotFoundError:
            return False
        return os.path.samestat(found, os.fstat(self.pipe))

    def close(self) -> None:
        """Give up pipe and log."""
        os.close(self.pipe)
        self.log.close()

    def _move(self, most: int, now: float, nowhere: int) -> int:
        if not self.error or self._may_try(now):
            try:
                if self.error:
                    self._tell(now)
                moved = self.log.take(self.pipe, most, now)
            except BlockingIOError:
                raise
            except OSError as error:
                self._refused(error, now)
            else:
                self.error = ""
                self.bytes += moved
                return moved
        dropped = os.splice(self.pipe, nowhere, most, flags=os.SPLICE_F_NONBLOCK)
        self.dropped += dropped
        self._unsaid += dropped
        return dropped

    def _may_try(self, now: float) -> bool:
        return not 0 < self._retry_at - now <= RETRY_EVERY  # nor does a clock set back keep us from it

    def _tell(self, now: float) -> None:
        if self._unsaid:
            self.log.say(f"[beeyard: {self._unsaid} bytes of output dropped: {self.error}]\n".encode(), now)
            self._unsaid = 0

    def _refused(self, error: OSError, now: float) -> None:
        self.error = error.strerror or str(error)
        self._retry_at = now + RETRY_EVERY
        self.log.close()

    def _grow(self) -> None:
        """Give a busy writer room. Half full is full: a pipe counts pages, and writes of 2,100 bytes take one each."""
        size = ROOMY
        while size > self.capacity:
            try:
                self.capacity = fcntl.fcntl(self.pipe, fcntl.F_SETPIPE_SZ, size)
            except OSError:  # over this user's share (fs.pipe-user-pages-soft); less may still be had
                size //= 2
