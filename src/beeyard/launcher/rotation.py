"""How one stream's log files follow each other: names, the turn from a full file to a new one, what mends half a turn.

Knows names and the order of system calls; holds no descriptor, and does not know what is in the files but line ends.

    stdout.log    stdout.idx      being written
    stdout.log.1  stdout.idx.1    the one before, …
    stdout.log.next               only during a turn: the unfinished last line, which moves to the new file

Files end at line ends, so the unfinished line has to be in two files for a moment. A process killed at any step leaves
one of three states, and `mend` tells them apart without a note of its own:

- `next` beside `log`: the turn had not come to pass; `next` is a copy and goes.
- `next` without `log`: it had. If `.1` ends in the very bytes of `next`, they are still to be cut off there; once they
  are, it ends in a newline, which an unfinished line does not contain.
- a gap in the numbers: files were being shifted; the next turn goes on at the gap, so nothing is shifted out twice.
"""

import os
from contextlib import suppress

LINE_LIMIT = 1024 * 1024
"""Bytes looked back for a line end. Without one the file is cut where it stands: no line makes a file grow."""

_BLOCK = 64 * 1024


def log_name(base: str, number: int = 0) -> str:
    """The log file of that age; `base` is the folder and the stream's name."""
    return f"{base}.log.{number}" if number else f"{base}.log"


def index_name(base: str, number: int = 0) -> str:
    """The time index beside the log file of that age."""
    return f"{base}.idx.{number}" if number else f"{base}.idx"


def last_line_end(fd: int, size: int) -> int:
    """The offset behind the last newline, or `size` if there is none within LINE_LIMIT."""
    end = size
    while end > 0 and size - end < LINE_LIMIT:
        start = max(0, end - _BLOCK)
        found = os.pread(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return size


def turn(base: str, fd: int, size: int, max_files: int) -> bool:
    """Put the full file `fd` aside and begin a new one with its unfinished line; False if that line had to be cut.

    What is too old goes first: on a full disk that is where room comes from.
    """
    gap = 1
    while os.path.lexists(log_name(base, gap)):
        gap += 1
    if gap > max_files:
        gap = max(1, max_files)
        _drop(base, gap)
    end = last_line_end(fd, size)
    _write(_next(base), os.pread(fd, size - end, end))
    for number in range(gap - 1, 0, -1):
        os.rename(log_name(base, number), log_name(base, number + 1))
        _move_index(base, number)
    os.rename(log_name(base), log_name(base, 1))
    _move_index(base, 0)
    _finish(base)
    _drop(base, max_files + 1)
    return end < size or os.pread(fd, 1, size - 1) == b"\n"


def mend(base: str) -> None:
    """Bring what a killed process left to one side of the turn. Harmless at any time, and when killed itself."""
    if not os.path.lexists(_next(base)):
        return
    number = 0
    while os.path.lexists(log_name(base, number)) or os.path.lexists(log_name(base, number + 1)):
        if not os.path.lexists(log_name(base, number)) and not os.path.lexists(index_name(base, number + 1)):
            _move_index(base, number)
        number += 1
    if os.path.lexists(log_name(base)):
        os.unlink(_next(base))
    else:
        _finish(base)


def _finish(base: str) -> None:
    """Cut the unfinished line off the full file, if it is still there, and give the new file its name."""
    with open(_next(base), "rb") as file:
        unfinished = file.read()
    full = log_name(base, 1)
    with suppress(FileNotFoundError), open(full, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(unfinished)))
        if unfinished and file.read() == unfinished:
            os.truncate(full, size - len(unfinished))
    os.rename(_next(base), log_name(base))


def _next(base: str) -> str:
    return f"{base}.log.next"


def _write(path: str, data: bytes) -> None:
    """All of it or OSError; power failures are not what this guards against, so nothing is synced."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(fd)


def _move_index(base: str, number: int) -> None:
    """The index follows its log one number up; a log without one must not inherit another's."""
    try:
        os.rename(index_name(base, number), index_name(base, number + 1))
    except FileNotFoundError:
        _unlink(index_name(base, number + 1))


def _drop(base: str, first: int) -> None:
    """Delete that file and all older ones, the oldest first: a gap below a file would look like an unfinished shift."""
    last = first
    while os.path.lexists(log_name(base, last)):
        last += 1
    for number in range(last - 1, first - 1, -1):
        _unlink(index_name(base, number))
        _unlink(log_name(base, number))


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
