"""Which processes belong to attempts without a cgroup: the leader, those of its session, and those that bear its mark.

The launcher ends them by the same rule. Each process of the host is looked at, at 15 microseconds; its mark is read
once, for a program that writes over its environment does not change families by that.
"""

from collections.abc import Iterator, Sequence

from beeyard.adapters.notify import MARK
from beeyard.launcher import kernel
from beeyard.launcher.kernel import Identity

SLICE = 50
"""Processes looked at at a stretch: less than a millisecond."""


class Families:
    """Remembers the marks of the living."""

    def __init__(self) -> None:
        self._marks: dict[Identity, bytes] = {}

    def find(self, leaders: Sequence[Identity]) -> Iterator[dict[Identity, list[int]]]:
        """The pids of each leader's family, in parts of which the last is complete and the others are empty."""
        leaders = [leader for leader in leaders if kernel.alive(leader)]
        if not leaders:
            return
        by_pid = {leader.pid: leader for leader in leaders}
        by_mark = {mark: leader for leader in leaders if (mark := self._mark(leader))}
        found: dict[Identity, list[int]] = {leader: [] for leader in leaders}
        seen: set[Identity] = set()
        for number, pid in enumerate(kernel.processes(), 1):
            if number % SLICE == 0:
                yield {}
            if (stat := kernel.stat(pid)) is None:
                continue
            one = Identity(pid, stat.start)
            seen.add(one)
            leader = by_pid.get(pid) or by_pid.get(stat.session) or by_mark.get(self._mark(one))
            if leader is not None:
                found[leader].append(pid)
        self._marks = {one: mark for one, mark in self._marks.items() if one in seen}
        yield found

    def _mark(self, one: Identity) -> bytes:
        """Empty for a process without."""
        if one not in self._marks:
            self._marks[one] = kernel.environment(one.pid).get(MARK, b"")
        return self._marks[one]
