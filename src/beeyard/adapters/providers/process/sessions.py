"""What attempts without a cgroup use, from one look at every process of the host, at 11 microseconds each.

A session tells less than a cgroup: a child that left it is missed, and so is the CPU of children whose parent never
asked how they ended.
"""

import os
from collections.abc import Iterator, Sequence

from beeyard.adapters.providers.process.kept import once
from beeyard.launcher import kernel
from beeyard.launcher.kernel import Identity
from beeyard.ports.provider import Reading

SLICE = 50
"""Processes read at a stretch: less than a millisecond."""

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_NOTHING = Reading(0.0, 0, 0)


def sessions(leaders: Sequence[Identity]) -> Iterator[dict[Identity, Reading]]:
    """Readings of these leaders' sessions, in parts of which the last is complete and the others are empty."""
    by_pid = {leader.pid: leader for leader in leaders}
    found: dict[Identity, Reading] = {}
    living: set[Identity] = set()
    for number, pid in enumerate(kernel.processes() if by_pid else (), 1):
        if number % SLICE == 0:
            yield {}
        fields = once(f"/proc/{pid}/stat").rpartition(b") ")[2].split()
        leader = by_pid.get(pid) or by_pid.get(int(fields[3])) if fields else None
        if leader is None or fields[20] == b"0":  # It is ending, and has no address space any more.
            continue
        if pid == leader.pid and int(fields[19]) == leader.start:
            living.add(leader)
        before = found.get(leader, _NOTHING)
        cpu = before.cpu + sum(map(int, fields[11:15])) / _TICK  # utime, stime, and those of ended children
        found[leader] = Reading(cpu, (before.rss or 0) + int(fields[21]) * _PAGE, before.processes + 1)
    yield {leader: reading for leader, reading in found.items() if leader in living}
