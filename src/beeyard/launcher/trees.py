"""Everything that a worker started, kept together so that all of it can be ended.

Where this host lets us make a cgroup, each attempt has one of its own (see `cgroups`). Elsewhere, as here, a process
belongs to an attempt by its process group or by the mark in its environment, which children inherit even across setsid
and a double fork.
"""

import contextlib
import errno
import os
import signal
from collections.abc import Callable
from typing import Protocol

from beeyard.launcher import kernel

MARK = "BEEYARD_MARK"
"""Environment variable of every worker: `STATE-IDENTITY/WORKER/ATTEMPT`."""


class Tree(Protocol):
    """All processes of one attempt."""

    @property
    def folder(self) -> str | None:
        """Its cgroup of version 2, if it has one."""

    def door(self) -> int | None:
        """A descriptor by which a child can be born into it, to be closed by the caller; None if it needs none."""

    def enter(self) -> None:
        """What is spawned from now on belongs to it. Always followed by `leave`. Slow if rare: see kernel.fork_into."""

    def leave(self) -> None: ...

    def members(self) -> list[int]:
        """The pids in it at this moment, the leader included while it lives."""
        ...

    def kill(self) -> None:
        """SIGKILL to all of it."""

    def remove(self) -> bool:
        """Forget it if nothing is left in it; False when something is."""
        ...


class Forest(Protocol):
    """Makes trees. `strays` tells whether some child of the launcher is none that it started itself; `offers`: which
    controllers of version 2 its trees can have."""

    means: str
    slow_to_enter: bool
    offers: frozenset[str]
    strays: Callable[[], bool]

    def plant(self, worker: str, attempt: int, leader: int | None = None) -> Tree:
        """A tree for this attempt; the same one again if it is there already."""
        ...

    def standing(self) -> list[Tree]:
        """What an earlier launcher planted and still has something in it; whose it is, its members' mark tells."""
        ...

    def grant(self, controller: str) -> None:
        """Let its trees have what it offers, those that there are and those that come. OSError says why not."""

    def clear(self) -> None:
        """Take back what was made for all trees, once none is left."""


class MarkForest:
    """No cgroup: process group and inherited mark. A program that clears its environment and its group escapes."""

    def __init__(self, identity: str) -> None:
        self.means = "process group and inherited mark (no cgroup can be had here)"
        self.slow_to_enter = False
        self.offers: frozenset[str] = frozenset()
        self.strays: Callable[[], bool] = lambda: True
        self._identity = identity

    def plant(self, worker: str, attempt: int, leader: int | None = None) -> "Marked":
        tree = Marked(f"{self._identity}/{worker}/{attempt}".encode(), self)
        tree.leader = leader
        return tree

    def standing(self) -> list[Tree]:
        return []

    def grant(self, controller: str) -> None:
        raise OSError(errno.ENOTSUP, "no cgroup can be had here")

    def clear(self) -> None:
        """Nothing was made."""


class Marked:
    """One attempt's processes, found by looking through /proc."""

    __slots__ = ("_forest", "_mark", "leader")

    def __init__(self, mark: bytes, forest: MarkForest) -> None:
        self._mark = mark
        self._forest = forest
        self.leader: int | None = None

    folder = None

    def door(self) -> None:
        """None is needed: the mark is in the environment."""

    def enter(self) -> None:
        """Nothing to enter."""

    def leave(self) -> None:
        """Nothing to leave."""

    def members(self) -> list[int]:
        own = os.getpid()
        found = []
        for pid in kernel.processes():
            seen = kernel.stat(pid) if pid != own else None
            if seen is None or seen.state in "ZX":
                continue
            if seen.session == self.leader or kernel.environment(pid).get(MARK.encode()) == self._mark:
                found.append(pid)
        return found

    def kill(self) -> None:
        # Stopping what was found before looking again leaves a forking program no time to outrun us.
        seen: set[int] = set()
        while fresh := [pid for pid in self.members() if pid not in seen]:
            for pid in fresh:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGSTOP)
            seen.update(fresh)
        for pid in seen:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def remove(self) -> bool:
        # Looking through /proc costs milliseconds: only if the group still lives, or an orphan came to us.
        return not (self._group_lives() or self._forest.strays()) or not self.members()

    def _group_lives(self) -> bool:
        if self.leader is None:
            return True
        try:
            os.killpg(self.leader, 0)
        except OSError:
            return False
        return True
