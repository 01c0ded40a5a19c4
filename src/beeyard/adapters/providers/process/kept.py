"""Files of the kernel's that are read again and again: kept open, as far as descriptors go.

To read a kept one takes 1.5 microseconds, to open, read and close it 6 to 8. At most half of the descriptors this
process may have are used; what is beyond them is opened each time, and if none is left at all, half of the kept ones
are given back. Knows nothing of what the files say.
"""

import errno
import os
import resource
from collections.abc import Collection

ENOUGH = 16384
FIRST = 128
"""Bytes read at most: of a file that is not kept, of one that is."""


class Kept:
    """Reads by path; not for two threads at once."""

    def __init__(self, most: int | None = None) -> None:
        self._most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 if most is None else most
        self._open: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __del__(self) -> None:
        self.only(())

    def read(self, path: str, spare: int = 0) -> bytes:
        """The beginning of this file; empty when it is gone. Kept only if so many more could still be."""
        if (fd := self._open.get(path)) is not None:
            try:
                return os.pread(fd, FIRST, 0)
            except OSError:  # A cgroup that was removed, of whose name there may be a new one.
                self._close(path)
        try:
            fd = self._opened(path)
        except OSError:
            return b""
        try:
            return os.pread(fd, FIRST, 0)
        except OSError:
            return b""
        finally:
            if len(self._open) + spare < self._most:
                self._open[path] = fd
            else:
                os.close(fd)

    def only(self, paths: Collection[str]) -> None:
        """Keep none but these."""
        for path in [path for path in self._open if path not in paths]:
            self._close(path)

    def _opened(self, path: str) -> int:
        try:
            return _open(path)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or not self._open:
                raise
        self._most = len(self._open) // 2
        for held in list(self._open)[self._most :]:
            self._close(held)
        return _open(path)

    def _close(self, path: str) -> None:
        if (fd := self._open.pop(path, None)) is not None:
            os.close(fd)


def once(path: str) -> bytes:
    """The beginning of a file that is not worth keeping; empty when it is gone."""
    try:
        fd = _open(path)
    except OSError:
        return b""
    try:
        return os.read(fd, ENOUGH)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _open(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
