"""Open files handed from one process to another, over a connection of messages (unix(7), SCM_RIGHTS).

Knows descriptors and bytes; what they are, the messages say. Descriptors arrive in the order in which they were sent,
and none later than the bytes it was queued with: whoever reads a message that speaks of one has it already.
"""

import errno
import os
import socket
import struct
from collections import deque
from collections.abc import Iterable, MutableSequence

MOST = 253
"""Descriptors that go with one write: SCM_MAX_FD."""
_INT = struct.Struct("i")


class Outgoing:
    """Bytes and descriptors that wait to be sent; each descriptor is a duplicate of ours until then."""

    __slots__ = ("_files", "data")

    def __init__(self) -> None:
        self.data = bytearray()
        self._files: list[int] = []

    def add(self, data: bytes, files: Iterable[int] = ()) -> None:
        """Queue a message and the descriptors that it speaks of. OSError: no room for those; nothing is queued."""
        copies: list[int] = []
        try:
            for fd in files:
                copies.append(os.dup(fd))
        except OSError:
            close(copies)
            raise
        self.data += data
        self._files += copies

    def send(self, sock: socket.socket) -> None:
        """Send what the socket takes at once. OSError: it is broken, or takes nothing now."""
        while self.data:
            files = self._files[:MOST]
            if not files:
                del self.data[: sock.send(self.data)]
                return
            # With one byte only while there are more: no message may overtake its descriptor.
            part = self.data[:1] if len(self._files) > MOST else self.data
            del self.data[: socket.send_fds(sock, [part], files)]
            self._let_go(len(files))

    def close(self) -> None:
        """Whoever it was meant for is gone."""
        self.data.clear()
        close(self._files)

    def _let_go(self, count: int) -> None:
        for fd in self._files[:count]:
            os.close(fd)
        del self._files[:count]


def receive(sock: socket.socket, size: int, files: deque[int]) -> bytes:
    """Up to so many bytes; descriptors that came with them are put behind `files`. OSError as of recv, or when some of
    them found no room here: whatever comes later would be taken for them."""
    # Not socket.recv_fds: Python 3.11 takes its flags and forgets them, and what we start would have them all.
    data, ancillary, flags, _ = sock.recvmsg(size, socket.CMSG_SPACE(MOST * _INT.size), socket.MSG_CMSG_CLOEXEC)
    for level, kind, numbers in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            files.extend(fd for (fd,) in _INT.iter_unpack(numbers[: len(numbers) - len(numbers) % _INT.size]))
    if flags & socket.MSG_CTRUNC:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return data


def close(files: MutableSequence[int]) -> None:
    """None of these is wanted."""
    while files:
        os.close(files.pop())
