"""Trees in the v2 hierarchy of control groups, which may stand alone or beside version 1: nothing escapes one of them,
and one write ends it.

Only tracking and killing need it, so at first no controller is enabled, and a worker without limits costs nothing more.
When the first limit asks for one, it is passed down to the trees. The kernel then allows no process in the cgroup above
them, where the launcher lives: it steps aside with all who live there, into a leaf beside the trees.
"""

import contextlib
import errno
import os
from collections.abc import Callable, Iterable

from beeyard.launcher import cgroup_folder, hierarchies
from beeyard.launcher.cgroup_folder import put
from beeyard.launcher.trees import Forest, MarkForest, Tree

CONTROLLERS = frozenset({"memory", "cpu", "pids", "io"})


def forest(identity: str) -> Forest:
    """The best this host offers."""
    return CgroupForest.found(identity) or MarkForest(identity)


class CgroupForest:
    """One cgroup for each attempt, in a folder of this state folder's, beside the launcher."""

    def __init__(self, root: str) -> None:
        self.means = f"cgroup ({root})"
        self.slow_to_enter = True
        self.offers: frozenset[str] = frozenset()
        self.strays: Callable[[], bool] = lambda: True
        self._root = root
        self._above = os.path.dirname(root)
        self._leaf = f"{root}-launcher"
        self._home = -1

    @classmethod
    def found(cls, identity: str) -> "CgroupForest | None":
        """None where there is no v2 hierarchy, or it is not ours to write to."""
        above = hierarchies.find().v2
        if above is None:
            return None
        made = cls(f"{above}/beeyard-{identity}")
        try:
            made.settle()
        except OSError:
            made.clear()
            return None
        return made

    def settle(self) -> None:
        """Make the folder, and see that we may come and go. OSError: we may not."""
        os.makedirs(self._root, exist_ok=True)
        try:
            self._live_in(self._above)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            # A predecessor passed controllers down.
            os.makedirs(self._leaf, exist_ok=True)
            self._live_in(self._leaf)
        trial = f"{self._root}/trial"
        os.makedirs(trial, exist_ok=True)
        try:
            put(f"{trial}/cgroup.procs", "0")
            self.go_home()
            if not os.path.exists(f"{trial}/cgroup.kill"):
                raise OSError(errno.ENOSYS, "no cgroup.kill before Linux 5.14")
        finally:
            os.rmdir(trial)
        self.offers = CONTROLLERS & cgroup_folder.words(f"{self._above}/cgroup.controllers")

    def plant(self, worker: str, attempt: int, leader: int | None = None) -> "Cgroup":
        name = f"{worker}@{attempt}"
        if leader is not None:
            # One that was a spare has its cgroup from then.
            with contextlib.suppress(OSError), open(f"/proc/{leader}/cgroup") as file:
                own = next((line for line in file if line.startswith("0::")), "").strip()
                parent, _, last = own.rpartition("/")
                if parent.endswith(os.path.basename(self._root)):
                    name = last
        return Cgroup(f"{self._root}/{name}", self)

    def standing(self) -> list[Tree]:
        trees = [Cgroup(f"{self._root}/{name}", self) for name in os.listdir(self._root) if "@" in name]
        return [tree for tree in trees if not tree.remove()]

    def go_home(self) -> None:
        """Back from a tree to where the launcher lives."""
        os.write(self._home, b"0")

    # --- controllers ------------------------------------------------------------------------------------------------

    def grant(self, controller: str) -> None:
        for folder in (self._above, self._root):
            if controller in cgroup_folder.words(f"{folder}/cgroup.subtree_control"):
                continue
            try:
                put(f"{folder}/cgroup.subtree_control", f"+{controller}")
            except OSError as error:
                if error.errno != errno.EBUSY or folder == self._root:
                    raise
                self._step_aside()
                put(f"{folder}/cgroup.subtree_control", f"+{controller}")

    def _step_aside(self) -> None:
        """Empty the cgroup whose children are to have controllers. OSError: some in it can't be moved."""
        os.makedirs(self._leaf, exist_ok=True)
        self._live_in(self._leaf)
        left: list[int] = []
        while (living := cgroup_folder.members(self._above)) and living != left:
            left = living
            _move(living, self._leaf)
        if living:
            few = ", ".join(map(str, living[:3])) + (", …" if len(living) > 3 else "")
            raise OSError(errno.EBUSY, f"{self._above} has processes that can't be moved (pid {few})")

    def _live_in(self, folder: str) -> None:
        put(f"{folder}/cgroup.procs", "0")
        home = os.open(f"{folder}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        if self._home >= 0:
            os.close(self._home)
        self._home = home

    # ----------------------------------------------------------------------------------------------------------------

    def clear(self) -> None:
        with contextlib.suppress(OSError):
            for name in os.listdir(self._root):
                if os.path.isdir(f"{self._root}/{name}"):
                    cgroup_folder.let_go(f"{self._root}/{name}")
            os.rmdir(self._root)
            if os.path.isdir(self._leaf):
                for controller in cgroup_folder.words(f"{self._above}/cgroup.subtree_control") & CONTROLLERS:
                    put(f"{self._above}/cgroup.subtree_control", f"-{controller}")
                _move(cgroup_folder.members(self._leaf), self._above)
                os.rmdir(self._leaf)


class Cgroup:
    """One attempt's cgroup."""

    __slots__ = ("_forest", "folder")

    def __init__(self, folder: str, forest: CgroupForest) -> None:
        self.folder = folder
        self._forest = forest

    def door(self) -> int:
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.folder)
        return os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def enter(self) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.folder)
        put(f"{self.folder}/cgroup.procs", "0")

    def leave(self) -> None:
        self._forest.go_home()

    def members(self) -> list[int]:
        return cgroup_folder.members(self.folder)

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            put(f"{self.folder}/cgroup.kill", "1")

    def remove(self) -> bool:
        return cgroup_folder.remove(self.folder)


def _move(pids: Iterable[int], folder: str) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            put(f"{folder}/cgroup.procs", str(pid))
