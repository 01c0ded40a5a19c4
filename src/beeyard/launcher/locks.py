"""Lock files: held for the life of a process, the holder's pid inside, never unlinked (that would let two hold one)."""

import fcntl
import os
import time


def lock(path: str) -> int | None:
    """Hold it. Returns the descriptor to keep open, or None when another process holds it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _ in range(5):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            time.sleep(0.002)  # One who only looks (see `holder`), or a child just forked, is gone by then.
    else:
        os.close(fd)
        return None
    os.ftruncate(fd, 0)
    os.pwrite(fd, str(os.getpid()).encode(), 0)
    return fd


def holder(path: str) -> int | None:
    """The pid that holds it; None when nobody does."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Shared, so that two who only look do not take each other for a holder.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return int(os.pread(fd, 32, 0) or 0) or None
    finally:
        os.close(fd)
    return None
