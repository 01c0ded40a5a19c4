"""Where an attempt within the master writes: its worker's pipes, as if it were a process of its own.

They are opened when something is written first. A pipe that is full holds up who writes into it and nobody else, and
a worker whose pipe can't be had is not to blame for that: what it writes is then lost, and the master says so once.
"""

import contextlib
import errno
import io
import logging
import os
import select
import threading
from typing import Any

log = logging.getLogger("beeyard")

LOOK_UP = 1000
"""Milliseconds that who waits for room in a pipe can't be interrupted."""


FLAGS = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
"""For reading as well, so that nothing is lost and nobody is told of a broken pipe while no one reads."""


class _Pipe(io.RawIOBase):
    """An open one, that waits for room unless it was abandoned."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._room = select.poll()
        self._room.register(self._fd, select.POLLOUT)
        self.abandoned = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def write(self, data: Any) -> int:
        while True:
            try:
                return os.write(self._fd, data)
            except BlockingIOError:
                if self.abandoned:
                    raise BrokenPipeError(errno.EPIPE, "nobody waits for room any more") from None
                self._room.poll(LOOK_UP)

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._fd)


class Outlet:
    """One stream of one attempt, in lines."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._text: io.TextIOWrapper | None = None
        self._pipe: _Pipe | None = None
        self._abandoned = False
        self._opening = threading.Lock()

    def stream(self) -> io.TextIOWrapper:
        """What takes the text."""
        if self._text is None:
            with self._opening:
                if self._text is None:
                    self._text = io.TextIOWrapper(self._opened(), "utf-8", "backslashreplace", line_buffering=True)
        return self._text

    def write(self, text: str) -> int:
        return self.stream().write(text)

    def write_bytes(self, data: bytes) -> None:
        """As they are, and at once. Raises OSError when it was abandoned, and there is no room."""
        stream = self.stream().buffer
        stream.write(data)
        stream.flush()

    def abandon(self) -> None:
        """From now on nobody waits for room: what finds none is lost."""
        self._abandoned = True
        if self._pipe is not None:
            self._pipe.abandoned = True

    def flush(self) -> None:
        if self._text is not None and not self._text.closed:
            self._text.flush()

    def close(self) -> None:
        """Write what is left, and let go of the pipe. Harmless twice."""
        if self._text is not None:
            with contextlib.suppress(OSError, ValueError):
                self._text.close()

    def _opened(self) -> io.BufferedWriter:
        try:
            self._pipe = _Pipe(os.open(self._path, FLAGS))
            self._pipe.abandoned = self._abandoned
            return io.BufferedWriter(self._pipe)
        except OSError as error:
            log.warning("what is written to %s is lost: %s", self._path, error.strerror)
            return open(os.devnull, "wb")
