"""What attempts use, read from the kernel: from each one's cgroup where it has one, else from its session.

Made for reading all of them every few seconds. Whether any attempt ran at all, their common cgroup tells: one file,
kept open. If one did, one kept file each tells which. Memory takes a list and a file for each process, those of the
leader kept as long as there is room, so it is read of what ran, and not each time: see SPENT. Whoever calls does so in
a thread: the kernel makes who reads a cgroup's list wait while another process is born into one.

Pages that several processes share count once for each.
"""

import os
from collections.abc import Iterator, Sequence

from msgspec import Struct

from beeyard.adapters.providers.process import cgroups
from beeyard.adapters.providers.process.kept import FIRST, Kept, once
from beeyard.adapters.providers.process.sessions import sessions
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
SIZED = 6
"""Files read at a stretch, at most 2 ms, in which the loop may have to wait for the interpreter; for how many of the
kept ones the memory of an attempt counts."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


class _Group(Struct):
    """An attempt's cgroup: its folder, its CPU file and that of the cgroup above, the list of its processes and the
    memory of its leader; what was found, and when memory was read, at how many CPU microseconds."""

    folder: str
    used_file: str
    above: str
    list_file: str
    leader: int
    leader_file: str
    used: int = -1
    reading: Reading | None = None
    sized_at: float = 0.0
    sized_used: int = 0


class Counters:
    """Remembers where each attempt is to be read, and what did not change. One look at a time."""

    def __init__(self) -> None:
        self._kept = Kept()
        self._leaders: list[Identity | None] = []
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
        self._groups, self._leaders, self._above, self._asleep = {}, [], {}, set()
        self._kept.only(())

    def read(self, leaders: Sequence[Identity | None], now: float) -> Iterator[list[Reading | None]]:
        """What the attempt of each leader uses, in order, None for what is gone; those not asked for are forgotten.

        In parts, some of them empty, so that whoever calls can do something else after each: see SLICE.
        """
        if leaders != self._leaders:
            known: dict[Identity, _Group | None] = {}
            for number, leader in enumerate([leader for leader in leaders if leader is not None], 1):
                if leader in self._groups:
                    known[leader] = self._groups[leader]
                    continue
                known[leader] = _found(leader)
                if number % (SLICE // SIZED) == 0:
                    yield []
            self._groups, self._leaders = known, list(leaders)
            self._kept.only({file for group in known.values() if group is not None for file in _files(group)})
        self._compare({group.above for group in self._groups.values() if group is not None})
        apart: dict[Identity, Reading] = {}
        for apart in sessions([leader for leader, group in self._groups.items() if group is None]):  # noqa: B007
            yield []
        part: list[Reading | None] = []
        self._read = 0
        for wanted in leaders:
            group = self._groups[wanted] if wanted is not None else None
            if group is not None:
                part.append(self._look(group, now))
            else:
                part.append(apart.get(wanted) if wanted is not None else None)
            if self._read >= SLICE:
                yield part
                part, self._read = [], 0
        yield part

    def _compare(self, files: set[str]) -> None:
        """Find those cgroups below which nothing ran since the last look."""
        now = {file: self._used(file) for file in files}
        self._asleep = {file for file, used in now.items() if used is not None and self._above.get(file) == used}
        self._above = now

    def _look(self, group: _Group, now: float) -> Reading | None:
        known = group.reading
        whole = known is None or now - group.sized_at >= WHOLE
        if not whole and group.above in self._asleep:
            return known
        self._read += 1
        used = self._used(group.used_file)
        if used is None:
            group.reading = None
        elif whole or used != group.used:
            group.used = used
            if known is None or whole or used - group.sized_used >= SPENT or now - group.sized_at >= AWAKE:
                group.reading = self._sized(group, now)
            else:
                group.reading = Reading(used / 1e6, known.rss, known.processes)
        return group.reading

    def _sized(self, group: _Group, now: float) -> Reading | None:
        """With its memory as it is now."""
        self._read += SIZED
        group.sized_at, group.sized_used = now, group.used
        sizes = [size for pid in self._members(group) if (size := self._resident(group, pid)) is not None]
        return Reading(group.used / 1e6, sum(sizes), len(sizes)) if sizes else None

    def _members(self, group: _Group) -> list[int]:
        text = self._kept.read(group.list_file, len(self._groups) + 1)
        return [int(pid) for pid in text.split()] if len(text) < FIRST else cgroups.members(group.folder)

    def _resident(self, group: _Group, pid: int) -> int | None:
        """Bytes; None for a process that is ending: it has given its memory back already, which is no use of 0."""
        leads = pid == group.leader
        text = self._kept.read(group.leader_file, len(self._groups) + 1) if leads else once(f"/proc/{pid}/statm")
        fields = text.split(b" ", 2)
        return int(fields[1]) * _PAGE if len(fields) > 1 and fields[0] != b"0" else None

    def _used(self, file: str) -> int | None:
        """CPU microseconds of all that ever was in this cgroup and below; None when it is gone."""
        text = self._kept.read(file)
        return int(text[11 : text.index(b"\n")]) if text.startswith(b"usage_usec ") else None


def _found(leader: Identity) -> _Group | None:
    folder = cgroups.folder(leader)
    if folder is None:
        return None
    above = os.path.dirname(folder)
    return _Group(
        folder,
        used_file=f"{folder}/cpu.stat",
        above=f"{above}/cpu.stat",
        list_file=f"{folder}/cgroup.procs",
        leader=leader.pid,
        leader_file=f"/proc/{leader.pid}/statm",
    )


def _files(group: _Group) -> tuple[str, ...]:
    """Those that may be kept."""
    return group.used_file, group.above, group.list_file, group.leader_file
