"""Writes a tree below one folder that is open, never following a link, never over something. Standard library only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
READABLE, RUNNABLE = 0o444, 0o555


class Tree:
    """Files that nobody may write to later. Folders are made first, and closed last."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._place: tuple[str, int] = ("", root)

    def folder(self, path: str) -> None:
        """Make a folder in one that is there; it can be written to until `close`."""
        with self._in(path) as (above, name):
            os.mkdir(name, 0o700, dir_fd=above)

    @contextmanager
    def file(self, path: str, *, executable: bool) -> Iterator[int]:
        """Make a file, open for writing."""
        with self._in(path) as (above, name):
            file = os.open(name, _NEW, RUNNABLE if executable else READABLE, dir_fd=above)
        try:
            yield file
        finally:
            os.close(file)

    def link(self, path: str, target: str) -> None:
        """Make a link."""
        with self._in(path) as (above, name):
            os.symlink(target, name, dir_fd=above)

    def close(self, path: str) -> None:
        """Nothing more is written into this folder."""
        with self._in(f"{path}/.") as (folder, _):
            os.fchmod(folder, RUNNABLE)

    @contextmanager
    def _in(self, path: str) -> Iterator[tuple[int, str]]:
        """The folder of a path, walked down part by part unless it is the one of before, and the last name."""
        above, _, name = path.rpartition("/")
        if above != self._place[0]:
            self._go(above)
        yield self._place[1], name

    def _go(self, above: str) -> None:
        at = os.dup(self._root)
        try:
            for part in above.split("/") if above else ():
                below = os.open(part, _FOLDER, dir_fd=at)
                os.close(at)
                at = below
        except BaseException:
            os.close(at)
            raise
        if self._place[1] != self._root:
            os.close(self._place[1])
        self._place = (above, at)
