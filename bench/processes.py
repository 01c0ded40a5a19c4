"""Processes, by pid only: their memory, their children, their CPU time, their end.

The harness makes itself a subreaper, so that whatever a peer detaches comes back to it as a child. Hence
`end_descendants` finds everything that a run started, whatever the peer did with it, and nothing else.
"""

import ctypes
import os
import signal
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Memory:
    """Sums over processes, in kB. PSS counts a page shared by n processes as 1/n."""

    rss_kb: int
    pss_kb: int
    processes: int


def adopt_orphans() -> None:
    """Makes this process the parent of every orphan below it."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(keep: Collection[int] = ()) -> None:
    """Takes the exit statuses of adopted orphans, but not of `keep`: a `Popen` waits for those itself."""
    for pid in children(os.getpid()):
        if pid not in keep and state(pid) == "Z":
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def children(pid: int) -> list[int]:
    """Direct children, of all threads."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (task / "children").read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    """Children, their children and so on; parents come before their children."""
    found = children(pid)
    for child in found:
        found += children(child)  # the list grows while it is walked
    return found


def state(pid: int) -> str:
    """The letter of the kernel's process state, or "" when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    return state(pid) not in ("", "Z", "X")


def program(pid: int) -> str:
    """The path of the running executable, or "" when it can't be told."""
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return ""


def memory(pids: Iterable[int]) -> Memory:
    """Resident memory of these processes, summed."""
    rss = pss = count = 0
    for pid in pids:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Rss:"):
                    rss += int(line.split()[1])
                    count += 1
                elif line.startswith("Pss:"):
                    pss += int(line.split()[1])
    return Memory(rss, pss, count)


def cpu_ns(pids: Iterable[int]) -> int:
    """CPU time of these processes' living threads, in ns; what their children used is not in it."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                with suppress(OSError):
                    total += int((task / "schedstat").read_text().split()[0])
    return total


def end_descendants(limit_s: float = 20.0) -> list[int]:
    """Kills everything below this process, parents first, until nothing is left; gives what would not go."""
    deadline = time.monotonic() + limit_s
    me = os.getpid()
    while (left := [pid for pid in descendants(me) if alive(pid)]) and time.monotonic() < deadline:
        for pid in left:
            # A pid of this list belongs to a descendant of ours: only we, its reaper at last, could free the number.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reap()
        time.sleep(0.02)
    reap()
    return left
