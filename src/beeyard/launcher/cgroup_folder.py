"""One cgroup, which is a folder: what its files say, who is in it, how it is written to and removed.

The same in both versions. Knows neither controllers nor attempts.
"""

import contextlib
import os
import time


def put(path: str, text: str) -> None:
    """One write, as the kernel wants it."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def words(path: str) -> frozenset[str]:
    """What a file lists; nothing when it is not there."""
    try:
        with open(path) as file:
            return frozenset(file.read().split())
    except OSError:
        return frozenset()


def members(folder: str) -> list[int]:
    """The pids in it at this moment."""
    try:
        with open(f"{folder}/cgroup.procs", "rb") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def remove(folder: str) -> bool:
    """Whether it is gone now. The kernel refuses while a live process is inside: one call both asks and removes."""
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def let_go(folder: str) -> None:
    """Remove it if nobody lives in it: the kernel takes a moment after the last process was reaped."""
    for _ in range(50):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
            return
        if members(folder):
            return
        time.sleep(0.002)
