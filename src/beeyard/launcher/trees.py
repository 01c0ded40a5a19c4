"""Everything that a worker started, kept together so that all of it can be ended.

Where this host lets us make a cgroup (v2, or the v2 hierarchy beside v1), each attempt has one of its own: nothing
escapes it and one write ends it. Elsewhere a process belongs to an attempt by its process group or by the mark in its
environment, which children inherit even across setsid and a double fork.
"""

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable
from typing import Protocol

from beeyard.launcher import kernel

MARK = "BEEYARD_MARK"
"""Environment variable of every worker: `STATE-IDENTITY/WORKER/ATTEMPT`."""


class Tree(Protocol):
    """All processes of one attempt."""

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
    """Makes trees. `strays` tells whether some child of the launcher is none that it started itself."""

    means: str
    slow_to_enter: bool
    strays: Callable[[], bool]

    def plant(self, worker: str, attempt: int, leader: int | None = None) -> Tree:
        """A tree for this attempt; the same one again if it is there already."""
        ...

    def standing(self) -> list[Tree]:
        """What an earlier launcher planted and still has something in it; whose it is, its members' mark tells."""
        ...

    def clear(self) -> None:
        """Take back what was made for all trees, once none is left."""


def forest(identity: str) -> Forest:
    """The best this host offers."""
    return CgroupForest.found(identity) or MarkForest(identity)


# --- cgroup ---------------------------------------------------------------------------------------------------------


class CgroupForest:
    """One cgroup below our own for each attempt. Only tracking and killing need it, so no controller is enabled."""

    def __init__(self, root: str, home: int) -> None:
        self.means = f"cgroup ({root})"
        self.slow_to_enter = True
        self.strays: Callable[[], bool] = lambda: True
        self._root = root
        self._home = home

    @classmethod
    def found(cls, identity: str) -> "CgroupForest | None":
        """None where there is no v2 hierarchy, or it is not ours to write to."""
        with contextlib.suppress(OSError, StopIteration):
            mount = next(
                fields[4]
                for line in open("/proc/self/mountinfo")  # noqa: SIM115  (closed with the generator)
                if (fields := line.split(" ")) and fields[fields.index("-") + 1] == "cgroup2"
            )
            own = next(line[3:].strip() for line in open("/proc/self/cgroup") if line.startswith("0::"))  # noqa: SIM115
            above = mount + own.rstrip("/")
            # A launcher that was started from inside a worker's cgroup must not hang its own below that one.
            above = re.split(r"/beeyard-[0-9a-f]{16}(?:/|$)", above)[0]
            root = f"{above}/beeyard-{identity}"
            os.makedirs(root, exist_ok=True)
            home = os.open(f"{above}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
            os.write(home, b"0")
            trial = f"{root}/trial"
            os.makedirs(trial, exist_ok=True)
            try:
                with open(f"{trial}/cgroup.procs", "w") as file:
                    file.write("0")
                os.write(home, b"0")
                if not os.path.exists(f"{trial}/cgroup.kill"):  # Linux 5.14
                    return None
            finally:
                os.rmdir(trial)
            return cls(root, home)
        return None

    def plant(self, worker: str, attempt: int, leader: int | None = None) -> "Cgroup":
        name = f"{worker}@{attempt}"
        if leader is not None:
            # One that was a spare has its cgroup from then.
            with contextlib.suppress(OSError), open(f"/proc/{leader}/cgroup") as file:
                own = next((line for line in file if line.startswith("0::")), "").strip()
                parent, _, last = own.rpartition("/")
                if parent.endswith(os.path.basename(self._root)):
                    name = last
        return Cgroup(f"{self._root}/{name}", self._home)

    def standing(self) -> list[Tree]:
        trees = [Cgroup(f"{self._root}/{name}", self._home) for name in os.listdir(self._root) if "@" in name]
        return [tree for tree in trees if not tree.remove()]

    def clear(self) -> None:
        with contextlib.suppress(OSError):
            for name in os.listdir(self._root):
                if os.path.isdir(f"{self._root}/{name}"):
                    self._let_go(f"{self._root}/{name}")
            os.rmdir(self._root)

    def _let_go(self, path: str) -> None:
        """The kernel takes a moment after the last process was reaped; one that still lives is left alone."""
        for _ in range(50):
            with contextlib.suppress(OSError):
                os.rmdir(path)
                return
            if Cgroup(path, self._home).members():
                return
            time.sleep(0.002)


class Cgroup:
    """One attempt's cgroup."""

    __slots__ = ("_home", "_path")

    def __init__(self, path: str, home: int) -> None:
        self._path = path
        self._home = home

    def door(self) -> int:
        with contextlib.suppress(FileExistsError):
            os.mkdir(self._path)
        return os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def enter(self) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkdir(self._path)
        self._write("cgroup.procs", b"0")

    def leave(self) -> None:
        os.write(self._home, b"0")

    def members(self) -> list[int]:
        try:
            with open(f"{self._path}/cgroup.procs", "rb") as file:
                return [int(pid) for pid in file.read().split()]
        except OSError:
            return []

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self._write("cgroup.kill", b"1")

    def remove(self) -> bool:
        # rmdir fails with EBUSY while a live process is inside: one call both asks and removes.
        try:
            os.rmdir(self._path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def _write(self, name: str, data: bytes) -> None:
        fd = os.open(f"{self._path}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)


# --- mark -----------------------------------------------------------------------------------------------------------


class MarkForest:
    """No cgroup: process group and inherited mark. A program that clears its environment and its group escapes."""

    def __init__(self, identity: str) -> None:
        self.means = "process group and inherited mark (no cgroup can be had here)"
        self.slow_to_enter = False
        self.strays: Callable[[], bool] = lambda: True
        self._identity = identity

    def plant(self, worker: str, attempt: int, leader: int | None = None) -> "Marked":
        tree = Marked(f"{self._identity}/{worker}/{attempt}".encode(), self)
        tree.leader = leader
        return tree

    def standing(self) -> list[Tree]:
        return []

    def clear(self) -> None:
        """Nothing was made."""


class Marked:
    """One attempt's processes, found by looking through /proc."""

    __slots__ = ("_forest", "_mark", "leader")

    def __init__(self, mark: bytes, forest: MarkForest) -> None:
        self._mark = mark
        self._forest = forest
        self.leader: int | None = None

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
