"""The cgroup that the launcher made for one attempt: where it is, and who is in it. Reads, and changes nothing."""

import functools
import os
import re

from beeyard.adapters.providers.process.kept import once
from beeyard.launcher import kernel
from beeyard.launcher.kernel import Identity

LONG = 2048
"""Bytes of a list from which there may be more of it: the kernel gives at most a page at a time, cut at a line end."""

_OURS = re.compile(r"^0::(.*/beeyard-[0-9a-f]{16}/[^/\n]+)", re.MULTILINE)
"""In /proc/PID/cgroup: the cgroup that the launcher made for one attempt."""


def folder(leader: Identity) -> str | None:
    """The folder of the attempt's own cgroup, if it has one."""
    mount, text = _mount(), once(f"/proc/{leader.pid}/cgroup")
    match = _OURS.search(text.decode()) if mount is not None and kernel.alive(leader) else None
    return f"{mount}{match[1]}" if match else None


def members(folder: str) -> list[int]:
    """All pids in it; none when it is gone."""
    try:
        fd = os.open(f"{folder}/cgroup.procs", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        text = part = os.read(fd, 1 << 16)
        while len(part) >= LONG:
            part = os.read(fd, 1 << 16)
            text += part
    except OSError:
        return []
    finally:
        os.close(fd)
    return [int(pid) for pid in text.split()]


@functools.cache
def _mount() -> str | None:
    """Where the v2 hierarchy is."""
    for line in once("/proc/self/mountinfo").decode().splitlines():
        fields = line.split(" ")
        if fields[fields.index("-") + 1] == "cgroup2":
            return fields[4]
    return None
