"""What attempts use, read from the kernel: from each one's cgroup where it has one, else from its session.

Made for reading all of them again and again. Files are read one after the other by whoever calls, which takes 8 to 10
microseconds a file: one for an attempt that did not run since the last look, two and one for each process for one
that did. If no worker at all ran, which their common cgroup tells, one file is enough for all.

A session tells less: a child that left it is missed, and so is the CPU of children whose parent never asked how they
ended. Pages that several processes share count once for each.
"""

import functools
import os
import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from beeyard.launcher import kernel
from beeyard.launcher.kernel import Identity
from beeyard.ports.provider import Reading

WHOLE = 12
"""Every so many looks memory is read also of what did not run: the kernel may have swapped it out."""

SLICE = 50
"""Attempts, or processes, read at a stretch: at most 2 ms, in which the loop may have to wait for the interpreter."""

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

_OURS = re.compile(r"^0::(.*/beeyard-[0-9a-f]{16}/[^/\n]+)", re.MULTILINE)
"""In /proc/PID/cgroup: the cgroup that the launcher made for one attempt."""


class _Group(Struct):
    """An attempt's cgroup: its folder and the one above, its CPU microseconds at the last look, and what was found."""

    folder: str
    above: str
    used: int = -1
    reading: Reading | None = None


class Counters:
    """Remembers where each attempt is to be read, and what did not change. One look at a time."""

    def __init__(self) -> None:
        self._groups: dict[Identity, _Group | None] = {}
        self._above: dict[str, int | None] = {}
        self._asleep: set[str] = set()
        self._looks = 0
        self._read = 0

    def read(self, leaders: Sequence[Identity | None]) -> Iterator[list[Reading | None]]:
        """What the attempt of each leader uses, in order, None for what is gone; those not asked for are forgotten.

        In parts, some of them empty, so that whoever calls can do something else after each: see SLICE.
        """
        self._looks += 1
        known: dict[Identity, _Group | None] = {}
        for number, leader in enumerate([leader for leader in leaders if leader is not None], 1):
            if leader in self._groups:
                known[leader] = self._groups[leader]
                continue
            known[leader] = _found(leader)
            if number % SLICE == 0:
                yield []
        self._groups = known
        self._compare({group.above for group in known.values() if group is not None})
        apart: dict[Identity, Reading] = {}
        for apart in _sessions([leader for leader, group in known.items() if group is None]):  # noqa: B007
            yield []
        part: list[Reading | None] = []
        self._read = 0
        for wanted in leaders:
            part.append(None if wanted is None else self._look(known[wanted], apart.get(wanted)))
            if self._read >= SLICE:
                yield part
                part, self._read = [], 0
        yield part

    def _compare(self, folders: set[str]) -> None:
        """Find those cgroups below which nothing ran since the last look."""
        now = {folder: _used(folder) for folder in folders}
        self._asleep = {folder for folder, used in now.items() if used is not None and self._above.get(folder) == used}
        self._above = now

    def _look(self, group: _Group | None, apart: Reading | None) -> Reading | None:
        if group is None:
            return apart
        whole = group.reading is None or self._looks % WHOLE == 0
        if group.above in self._asleep and not whole:
            return group.reading
        self._read += 1
        used = _used(group.folder)
        if used is None:
            group.reading = None
        elif whole or used != group.used:
            sizes = [size for pid in _members(group.folder) if (size := _resident(pid)) is not None]
            group.reading = Reading(used / 1e6, sum(sizes), len(sizes)) if sizes else None
            group.used = used
        return group.reading


# --- cgroups --------------------------------------------------------------------------------------------------------


def _found(leader: Identity) -> _Group | None:
    folder = _folder(leader)
    return _Group(folder, os.path.dirname(folder)) if folder is not None else None


def _folder(leader: Identity) -> str | None:
    """The folder of the attempt's own cgroup, if it has one."""
    mount, text = _mount(), _read(f"/proc/{leader.pid}/cgroup")
    match = _OURS.search(text.decode()) if mount is not None and kernel.alive(leader) else None
    return f"{mount}{match[1]}" if match else None


@functools.cache
def _mount() -> str | None:
    """Where the v2 hierarchy is."""
    for line in _read("/proc/self/mountinfo").decode().splitlines():
        fields = line.split(" ")
        if fields[fields.index("-") + 1] == "cgroup2":
            return fields[4]
    return None


def _used(folder: str) -> int | None:
    """CPU microseconds of all that ever was in this cgroup and below; None when it is gone."""
    first = _read(f"{folder}/cpu.stat").partition(b"\n")[0]
    return int(first[11:]) if first.startswith(b"usage_usec ") else None


def _members(folder: str) -> list[bytes]:
    return _read(f"{folder}/cgroup.procs").split()


def _resident(pid: bytes) -> int | None:
    """None for a process that is ending: it has given its memory back already, which is no use of 0 bytes."""
    fields = _read(f"/proc/{pid.decode()}/statm").split()
    return int(fields[1]) * _PAGE if fields and fields[0] != b"0" else None


# --- sessions -------------------------------------------------------------------------------------------------------


def _sessions(leaders: Sequence[Identity]) -> Iterator[dict[Identity, Reading]]:
    """Readings of attempts without cgroup, from one look at every process of the host; the last ones are complete."""
    by_pid = {leader.pid: leader for leader in leaders}
    found: dict[Identity, Reading] = {}
    living: set[Identity] = set()
    for number, pid in enumerate(kernel.processes() if by_pid else (), 1):
        if number % SLICE == 0:
            yield {}
        fields = _read(f"/proc/{pid}/stat").rpartition(b") ")[2].split()
        leader = by_pid.get(pid) or by_pid.get(int(fields[3])) if fields else None
        if leader is None or fields[20] == b"0":  # As in _resident: no address space any more.
            continue
        if pid == leader.pid and int(fields[19]) == leader.start:
            living.add(leader)
        before = found.get(leader, _NOTHING)
        cpu = before.cpu + sum(map(int, fields[11:15])) / _TICK  # utime, stime, and those of ended children
        found[leader] = Reading(cpu, before.rss + int(fields[21]) * _PAGE, before.processes + 1)
    yield {leader: reading for leader, reading in found.items() if leader in living}


_NOTHING = Reading(0.0, 0, 0)


def _read(path: str) -> bytes:
    """The beginning of a file of the kernel's; empty when it is gone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, 16384)
    except OSError:
        return b""
    finally:
        os.close(fd)
