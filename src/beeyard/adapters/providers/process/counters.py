"""What attempts use, read from the kernel: from each one's cgroup where it has one, else from its session.

Made for reading all of them every few seconds. Whether any attempt ran at all, their common cgroup tells: one file,
kept open. If one did, one kept file each tells which. Memory takes a list and a file for each process, so it is read of
what ran, and not each time: see SPENT. Whoever calls does so in a thread: the kernel makes who reads a cgroup's list
wait while another process is born into one.

Pages that several processes share count once for each.
"""

import functools
import os
import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from beeyard.adapters.providers.process.kept import Kept, once
from beeyard.adapters.providers.process.sessions import sessions
from beeyard.launcher import kernel
from beeyard.launcher.kernel import Identity
from beeyard.ports.provider import Reading

SPENT = 5000
"""Microseconds of CPU after which an attempt's memory is read again: the reading costs less than a hundredth of that,
and in this time no program fills more than some tens of MB."""
AWAKE = 8.0
"""Seconds after which the memory of what ran, however little, is read again."""
WHOLE = 60.0
"""Seconds after which memory is read also of what did not run: the kernel may have swapped it out."""

SLICE = 250
SIZED = 10
"""Files read at a stretch, at most 2 ms, in which the loop may have to wait for the interpreter; for how many of the
kept ones the memory of an attempt counts."""

_PAGE = os.sysconf("SC_PAGE_SIZE")

_OURS = re.compile(r"^0::(.*/beeyard-[0-9a-f]{16}/[^/\n]+)", re.MULTILINE)
"""In /proc/PID/cgroup: the cgroup that the launcher made for one attempt."""


class _Group(Struct):
    """An attempt's cgroup: its folder, its CPU file and that of the cgroup above; what was found, and when memory
    was read, at how many CPU microseconds."""

    folder: str
    used_file: str
    above: str
    used: int = -1
    reading: Reading | None = None
    sized_at: float = 0.0
    sized_used: int = 0


class Counters:
    """Remembers where each attempt is to be read, and what did not change. One look at a time."""

    def __init__(self) -> None:
        self._kept = Kept()
        self._groups: dict[Identity, _Group | None] = {}
        self._above: dict[str, int | None] = {}
        self._asleep: set[str] = set()
        self._read = 0

    def stirred(self) -> bool | None:
        """Whether anything that the last look saw ran since then; None where only another look can tell."""
        if None in self._groups.values():
            return None
        return not self._above or any(used is None or used != self._used(file) for file, used in self._above.items())

    def forget(self) -> None:
        """Nothing runs any more: no file is kept."""
        self._groups, self._above, self._asleep = {}, {}, set()
        self._kept.only(())

    def read(self, leaders: Sequence[Identity | None], now: float) -> Iterator[list[Reading | None]]:
        """What the attempt of each leader uses, in order, None for what is gone; those not asked for are forgotten.

        In parts, some of them empty, so that whoever calls can do something else after each: see SLICE.
        """
        known: dict[Identity, _Group | None] = {}
        for number, leader in enumerate([leader for leader in leaders if leader is not None], 1):
            if leader in self._groups:
                known[leader] = self._groups[leader]
                continue
            known[leader] = _found(leader)
            if number % (SLICE // SIZED) == 0:
                yield []
        if known.keys() != self._groups.keys():
            groups = [group for group in known.values() if group is not None]
            self._kept.only({group.used_file for group in groups} | {group.above for group in groups})
        self._groups = known
        self._compare({group.above for group in known.values() if group is not None})
        apart: dict[Identity, Reading] = {}
        for apart in sessions([leader for leader, group in known.items() if group is None]):  # noqa: B007
            yield []
        part: list[Reading | None] = []
        self._read = 0
        for wanted in leaders:
            group = known[wanted] if wanted is not None else None
            part.append(apart.get(wanted) if wanted and group is None else self._look(group, now))
            if self._read >= SLICE:
                yield part
                part, self._read = [], 0
        yield part

    def _compare(self, files: set[str]) -> None:
        """Find those cgroups below which nothing ran since the last look."""
        now = {file: self._used(file) for file in files}
        self._asleep = {file for file, used in now.items() if used is not None and self._above.get(file) == used}
        self._above = now

    def _look(self, group: _Group | None, now: float) -> Reading | None:
        if group is None:
            return None
        whole = group.reading is None or now - group.sized_at >= WHOLE
        if group.above in self._asleep and not whole:
            return group.reading
        self._read += 1
        used = self._used(group.used_file)
        if used is None:
            group.reading = None
        elif whole or used != group.used:
            group.reading = self._measured(group, used, now)
            group.used = used
        return group.reading

    def _measured(self, group: _Group, used: int, now: float) -> Reading | None:
        known = group.reading
        if known is not None and used - group.sized_used < SPENT and now - group.sized_at < AWAKE:
            return Reading(used / 1e6, known.rss, known.processes)
        self._read += SIZED
        group.sized_at, group.sized_used = now, used
        sizes = [size for pid in _members(group.folder) if (size := _resident(pid)) is not None]
        return Reading(used / 1e6, sum(sizes), len(sizes)) if sizes else None

    def _used(self, file: str) -> int | None:
        """CPU microseconds of all that ever was in this cgroup and below; None when it is gone."""
        text = self._kept.read(file)
        return int(text[11 : text.index(b"\n")]) if text.startswith(b"usage_usec ") else None


def _found(leader: Identity) -> _Group | None:
    folder = _folder(leader)
    return _Group(folder, f"{folder}/cpu.stat", f"{os.path.dirname(folder)}/cpu.stat") if folder is not None else None


def _folder(leader: Identity) -> str | None:
    """The folder of the attempt's own cgroup, if it has one."""
    mount, text = _mount(), once(f"/proc/{leader.pid}/cgroup")
    match = _OURS.search(text.decode()) if mount is not None and kernel.alive(leader) else None
    return f"{mount}{match[1]}" if match else None


@functools.cache
def _mount() -> str | None:
    """Where the v2 hierarchy is."""
    for line in once("/proc/self/mountinfo").decode().splitlines():
        fields = line.split(" ")
        if fields[fields.index("-") + 1] == "cgroup2":
            return fields[4]
    return None


def _members(folder: str) -> list[bytes]:
    return once(f"{folder}/cgroup.procs").split()


def _resident(pid: bytes) -> int | None:
    """None for a process that is ending: it has given its memory back already, which is no use of 0 bytes."""
    fields = once(f"/proc/{pid.decode()}/statm").split()
    return int(fields[1]) * _PAGE if fields and fields[0] != b"0" else None
