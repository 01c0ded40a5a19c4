"""Where this process stands in the control groups of this host: version 2, version 1, or both at once.

Knows the two files in which the kernel tells it, and how a name in one becomes a folder of the other. Makes nothing.
"""

import contextlib
import re
from typing import NamedTuple

_OURS = re.compile(r"/beeyard-[0-9a-f]{16}(?:-launcher)?(?:/|$)")
"""A folder that some launcher made: what is started from inside a worker's must not hang its own below that one."""


class Hierarchies(NamedTuple):
    """The folder of our own cgroup, or that above what a launcher made: in v2, and in v1 for each controller."""

    v2: str | None
    v1: dict[str, str]


def find() -> Hierarchies:
    """Looked up now; nothing where the kernel has no cgroups or does not tell."""
    v2, v1 = None, {}
    with contextlib.suppress(OSError):
        own = _own()
        for mount, root, kind, controllers in _mounts():
            if kind == "cgroup2" and v2 is None:
                v2 = _folder(mount, root, own.get(""))
            for name in controllers if kind == "cgroup" else ():
                if name not in v1 and (folder := _folder(mount, root, own.get(name))) is not None:
                    v1[name] = folder
    return Hierarchies(v2, v1)


def _own() -> dict[str, str]:
    """Controller -> our cgroup; v2 has the empty name."""
    found = {}
    with open("/proc/self/cgroup") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            found.update(dict.fromkeys(controllers.split(","), path))
    return found


def _mounts() -> list[tuple[str, str, str, list[str]]]:
    """Of every hierarchy: where it is mounted, which of its folders that is, its kind, what it was mounted with."""
    found = []
    with open("/proc/self/mountinfo") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            kind, _, options = after.split(maxsplit=2)
            if kind.startswith("cgroup"):
                root, mount = before.split(" ")[3:5]
                found.append((mount, root, kind, options.strip().split(",")))
    return found


def _folder(mount: str, root: str, own: str | None) -> str | None:
    """None when our cgroup does not lie in that part of the hierarchy which is mounted."""
    if own is None or not f"{own}/".startswith(f"{root.rstrip('/')}/"):
        return None
    return _OURS.split(mount + own[len(root.rstrip("/")) :].rstrip("/"))[0]
