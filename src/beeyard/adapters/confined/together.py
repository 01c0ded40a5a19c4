"""Bounds what a command and all that it starts use together: the memory, and how many processes, by control groups.

Only where we may make such groups, as it is with the workers'; `held` says what came of it. They stand beside those of
the launcher, and are gone with the command; what a kill left there goes when the next one is made.
"""

import contextlib
import os
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from beeyard.launcher import cgroup_folder, controllers, hierarchies

_NAME = "beeyard-command-"
_FRESH = 60.0
"""Seconds for which a group in which nobody lives may be waiting for its command."""


class Together(Struct):
    """The groups of one command, by what they bound."""

    folders: dict[str, str] = {}

    def enter(self, pid: int) -> None:
        """From now on it and what it starts; a group that does not take it bounds nothing."""
        for what, folder in list(self.folders.items()):
            try:
                cgroup_folder.put(f"{folder}/cgroup.procs", str(pid))
            except OSError:
                del self.folders[what]
                cgroup_folder.remove(folder)

    @property
    def held(self) -> frozenset[str]:
        """What is bounded: `memory`, `processes`."""
        return frozenset(self.folders)

    @property
    def starved(self) -> bool:
        """Whether the kernel ended one of them because all of them together filled their memory."""
        return "memory" in self.folders and bool(controllers.oom_kills(self.folders["memory"]))


@contextmanager
def together(bounds: Mapping[str, float]) -> Iterator[Together]:
    """Groups with as many of these `bounds` as can be had, for one command; none of it lives any more afterwards."""
    name = _NAME + secrets.token_hex(8)
    found = Together({what: folder for what in bounds if (folder := _planted(what, bounds[what], name))})
    try:
        yield found
    finally:
        for folder in set(found.folders.values()):
            for pid in cgroup_folder.members(folder):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            cgroup_folder.let_go(folder)


def _planted(what: str, bound: float, name: str) -> str:
    """The folder of a group that bounds this; empty where none can."""
    here = hierarchies.find()
    for version, above in (
        ("cgroup v1", here.v1.get(controllers.controller_of(what, "cgroup v1"))),
        ("cgroup v2", here.v2),
    ):
        if above is None:
            continue
        folder = f"{above}/{name}"
        with contextlib.suppress(OSError):
            for old in Path(above).glob(f"{_NAME}*"):
                if time.time() - old.stat().st_ctime > _FRESH:
                    cgroup_folder.remove(str(old))
            os.makedirs(folder, exist_ok=True)
            if not controllers.write(version, folder, [what], {what: bound})[what].startswith(controllers.REFUSED):
                return folder
            cgroup_folder.remove(folder)
    return ""
