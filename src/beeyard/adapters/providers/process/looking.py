"""What the kernel tells of one process at one look: files of /proc, at 50 to 80 microseconds."""

import os
import time
from typing import NamedTuple

from beeyard.adapters.providers.process.kept import once

TICK = os.sysconf("SC_CLK_TCK")

_COUNTED = os.path.exists("/proc/self/io")


class Spent(NamedTuple):
    """What a process used up since it began, and its ended children with it, as far as it asked how they ended: who
    reaps a process inherits these numbers of it. `ticks` is CPU, TICK of them a second."""

    ticks: int = 0
    read_bytes: int = 0
    write_bytes: int = 0
    read_ops: int = 0
    write_ops: int = 0


class Seen(NamedTuple):
    """One process. Sizes in bytes; 0 of each for one that ended. `told` is False where who asks may not see what it
    reads and writes, `descriptors` None where not how many files it has open."""

    start: int
    parent: int
    ended: bool
    spent: Spent
    told: bool
    rss: int
    virtual: int
    swap: int
    descriptors: int | None


def born(start: int) -> float:
    """Wall-clock seconds of what the kernel counts in ticks since it booted."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + start / TICK


def look(pid: int) -> Seen | None:
    """None when there is no such process. One that ended and was not reaped yet is seen: see `Spent`."""
    stat = once(f"/proc/{pid}/stat").rpartition(b") ")[2].split()
    if not stat:
        return None
    status = once(f"/proc/{pid}/status")
    descriptors = _descriptors(pid)
    try:
        io = _io(pid)  # Last: where this is, the others were.
    except (FileNotFoundError, ProcessLookupError):
        return None
    rss = _size(status, b"\nVmRSS:")
    return Seen(
        start=int(stat[19]),
        parent=int(stat[1]),
        ended=stat[0] in b"ZX" or not rss,  # It gives its memory back some moments before it is a zombie.
        spent=Spent(sum(map(int, stat[11:15])), *io),  # utime, stime, and those of ended children
        told=bool(io),
        rss=rss,
        virtual=_size(status, b"\nVmSize:"),
        swap=_size(status, b"\nVmSwap:"),
        descriptors=descriptors,
    )


def _size(status: bytes, name: bytes) -> int:
    at = status.find(name)
    return int(status[at + len(name) : status.index(b"kB", at)]) * 1024 if at >= 0 else 0


def _io(pid: int) -> tuple[int, ...]:
    """Bytes from and to disks, calls of read and write; empty where that may not be seen, or nobody counts it."""
    if not _COUNTED:
        return ()
    try:
        with open(f"/proc/{pid}/io", "rb", buffering=0) as file:
            words = file.read().split()
    except PermissionError:
        return ()
    # rchar: N wchar: N syscr: N syscw: N read_bytes: N write_bytes: N …
    return int(words[9]), int(words[11]), int(words[5]), int(words[7])


def _descriptors(pid: int) -> int | None:
    """Since Linux 6.2 the folder's size says how many are open; before, it was 0."""
    folder = f"/proc/{pid}/fd"
    try:
        return os.stat(folder).st_size or len(os.listdir(folder))
    except PermissionError:
        return None
    except OSError:
        return 0
