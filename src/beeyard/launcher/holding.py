"""What the kernel is to keep an attempt within, and by which of this host's controllers it does.

A controller of version 2 that the trees can have is used in the attempt's own tree; else one of version 1, in a folder
of the attempt's own below ours. That one is made only for what is asked for, and is found again by its name, so the
next launcher knows it. What nothing keeps is said in words.

A command beside a worker is in its tree, and so within what version 2 keeps; version 1 does not count it.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from beeyard.launcher import cgroup_folder, hierarchies
from beeyard.launcher.cgroup_folder import put
from beeyard.launcher.controllers import REFUSED, V1, V2, Hold, controller_of, means, oom_kills, write
from beeyard.launcher.trees import Forest

LATE = " (what it had before does not count)"
"""Said of memory when its controller comes to an attempt that lives: what a page is charged to never changes."""


NONE = "no {} controller in a cgroup here"

_V1 = {knobs[0].controller for knobs in V1.values()}


def holding(identity: str, forest: Forest) -> "Holding":
    """By what this host offers."""
    return Holding(identity, forest, hierarchies.find().v1)


class Holding:
    """Holds attempts by name, which is `WORKER@ATTEMPT`. `means`: by what each bound is kept here, in words."""

    def __init__(self, identity: str, forest: Forest, v1: Mapping[str, str]) -> None:
        self._forest = forest
        self._roots = {name: f"{folder}/beeyard-{identity}" for name, folder in v1.items() if name in _V1}
        self._known = {name for _, name in self._standing()}
        self.means: dict[str, str] = {}
        for version, controller, fields in list(self._parts(V2)):
            self.means |= self._tried(version, controller, fields)

    def moves(self, hold: Hold) -> bool:
        """Whether a process has to be moved for this: version 2 is entered with the tree."""
        return any(version == "cgroup v1" for version, _, _ in self._parts(hold))

    def hold(
        self, name: str, tree: str | None, hold: Hold, members: Callable[[], list[int]], *, late: bool = False
    ) -> dict[str, str]:
        """Keep these processes within `hold`, and within nothing that was held before and is not in it.

        Args:
            tree: the attempt's cgroup of version 2, if it has one.
            late: they run already.

        Returns:
            For each field by what it is held, or `not held: …`.
        """
        said: dict[str, str] = {}
        for version, controller, fields in self._parts(V2):
            asked = [field for field in fields if field in hold]
            folder = self._folder(version, controller, name, tree)
            if folder is None:
                said |= dict.fromkeys(asked, f"{REFUSED}{NONE.format(controller)}")
                continue
            counted = _counts(version, controller, folder)
            if not asked and not counted:
                continue
            try:
                self._make(version, controller, folder)
                words = write(version, folder, fields, hold)
                if version == "cgroup v1":
                    self._known.add(name)
                    _join(folder, members)
            except OSError as error:
                words = dict.fromkeys(asked, f"{REFUSED}{version} {controller}: {error.strerror}")
                if version == "cgroup v1" and not counted:
                    cgroup_folder.remove(folder)
            if late and not counted and not words.get("memory", REFUSED).startswith(REFUSED):
                words["memory"] += LATE
            said |= words
        return said

    def oom_kills(self, name: str, tree: str | None) -> int | None:
        """How many of its processes the kernel's OOM killer ended; None when none of its cgroups counts memory."""
        folders = [tree] if tree is not None and "memory" in self._forest.offers else []
        if name in self._known and "memory" in self._roots:
            folders.append(f"{self._roots['memory']}/{name}")
        return next((kills for folder in folders if (kills := oom_kills(folder)) is not None), None)

    def remove(self, name: str) -> bool:
        """Forget it; False while the kernel has not let go of its processes."""
        if name not in self._known:
            return True
        gone = [cgroup_folder.remove(f"{root}/{name}") for root in self._roots.values()]
        if all(gone):
            self._known.discard(name)
        return all(gone)

    def sweep(self, living: Iterable[str]) -> None:
        """Remove what earlier launchers made for attempts that are none of these, where nothing lives in it."""
        known = set(living)
        for root, name in self._standing():
            if name not in known:
                cgroup_folder.let_go(f"{root}/{name}")

    def clear(self) -> None:
        """Take back what was made for all, once none is left."""
        self.sweep(())
        for root in self._roots.values():
            cgroup_folder.remove(root)

    def _parts(self, fields: Iterable[str]) -> Iterator[tuple[str, str, list[str]]]:
        """These fields by version and controller that keep them; the version is empty where none does."""
        parts: dict[tuple[str, str], list[str]] = {}
        for field in fields:
            second, first = controller_of(field, "cgroup v2"), controller_of(field, "cgroup v1")
            if second in self._forest.offers:
                parts.setdefault(("cgroup v2", second), []).append(field)
            else:
                parts.setdefault(("cgroup v1" if first in self._roots else "", first), []).append(field)
        for (version, controller), some in parts.items():
            yield version, controller, some

    def _folder(self, version: str, controller: str, name: str, tree: str | None) -> str | None:
        if version == "cgroup v2":
            return tree
        return f"{self._roots[controller]}/{name}" if version else None

    def _make(self, version: str, controller: str, folder: str) -> None:
        os.makedirs(folder, exist_ok=True)
        if version == "cgroup v2":
            self._forest.grant(controller)

    def _tried(self, version: str, controller: str, fields: Sequence[str]) -> dict[str, str]:
        """By what these would be kept, as far as it can be told before anything is."""
        if not version:
            return dict.fromkeys(fields, f"{REFUSED}{NONE.format(controller)}")
        if version == "cgroup v2":
            return {field: means(version, field, [knob.file for knob in V2[field]]) for field in fields}
        root = self._roots[controller]
        try:
            os.makedirs(root, exist_ok=True)
            files = os.listdir(root)
        except OSError as error:
            return dict.fromkeys(fields, f"{REFUSED}{version} {controller}: {error.strerror}")
        cgroup_folder.remove(root)  # Unless a predecessor's attempts stand in it.
        return {field: means(version, field, files) for field in fields}

    def _standing(self) -> list[tuple[str, str]]:
        """What was made for attempts: each root, each name in it."""
        return [
            (root, name)
            for root in self._roots.values()
            if os.path.isdir(root)
            for name in os.listdir(root)
            if "@" in name
        ]


def _counts(version: str, controller: str, folder: str) -> bool:
    """Whether this controller keeps account of that cgroup already."""
    if version == "cgroup v1":
        return os.path.isdir(folder)
    return controller in cgroup_folder.words(f"{folder}/cgroup.controllers")


def _join(folder: str, members: Callable[[], list[int]]) -> None:
    """Move them in, and what they start meanwhile. One that ended is no error."""
    seen: set[int] = set()
    while fresh := [pid for pid in members() if pid not in seen]:
        for pid in fresh:
            with contextlib.suppress(ProcessLookupError):
                put(f"{folder}/cgroup.procs", str(pid))
        seen.update(fresh)
