"""Everything that attempts use, for limits that are watched: one look at each of their processes.

Memory is what is resident of each process, even where the kernel counts for a cgroup: its count holds the page cache
of files that were read or written as well, which it takes back when it likes, and for which nobody should be ended.
CPU is the cgroup's own count where there is a cgroup. Operations are calls of read and write, be it on a disk or not;
bytes are those that went to disks and came from them.

A process that ended must not make use go back. Who reaped it inherited what it had spent, and as long as nobody did it
can still be seen; of one whose parents are all gone from the attempt, what it was last seen to have spent is kept.
So only numbers are kept of those that ended, and a process is remembered no longer than it is there. What a child
spent since it was last seen is missing when it is an orphan's, or its parent ignores how its children end.

Whoever calls does so in a thread: see counters. Limits are not known here.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from operator import add

from msgspec import Struct, field

from beeyard.adapters.providers.process import cgroups
from beeyard.adapters.providers.process.families import Families
from beeyard.adapters.providers.process.kept import once
from beeyard.adapters.providers.process.looking import TICK, Seen, Spent, look
from beeyard.domain.watching import Measure
from beeyard.launcher.kernel import Identity

SLICE = 20
"""Looks at a stretch, at processes or at whether any of an attempt ran: a millisecond or two."""
WHOLE = 10.0
"""Seconds after which an attempt is looked at though nothing of it ran: the kernel may have swapped it out."""


class _Account(Struct):
    """One attempt: its cgroup if it has one, its processes at the last look, what the vanished ones had spent that
    nobody inherited, and the most that was told; what was told last, when, and the CPU the cgroup had used by then."""

    folder: str | None
    before: dict[int, Seen] = field(default_factory=dict)
    gone: Spent = Spent()
    most: Spent = Spent()
    last: Measure | None = None
    at: float = float("-inf")
    cpu: float | None = None

    def slept(self, now: float) -> bool:
        """Whether what was told last is still so: without using CPU nobody can open, write or allocate anything."""
        if self.folder is None:
            return False
        # Before the processes are looked at: what they do meanwhile makes another number.
        before, self.cpu = self.cpu, _cpu(self.folder)
        return self.cpu is not None and self.cpu == before and now - self.at < WHOLE


class Measuring:
    """Remembers what is needed so that sums never go back. One round at a time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._accounts: dict[Identity, _Account] = {}
        self._families = Families()

    def read(self, leaders: Sequence[Identity | None], living: Collection[Identity]) -> Iterator[list[Measure | None]]:
        """What the attempt of each leader uses, in order, None for what is gone; the others `living` are remembered.

        In parts, some of them empty, so that whoever calls can do something else after each: see SLICE.
        """
        self._accounts = {leader: known for leader, known in self._accounts.items() if leader in living}
        asked = [leader for leader in leaders if leader is not None]
        for number, leader in enumerate([leader for leader in asked if leader not in self._accounts], 1):
            self._accounts[leader] = _Account(cgroups.folder(leader))
            if number % SLICE == 0:
                yield []
        families: dict[Identity, list[int]] = {}
        for families in self._families.find([one for one in asked if self._accounts[one].folder is None]):  # noqa: B007
            yield []
        part: list[Measure | None] = []
        now, looks = self._clock(), 0
        for wanted in leaders:
            if wanted is None:
                part.append(None)
                continue
            account = self._accounts[wanted]
            looks += 1
            if looks % SLICE == 0:
                yield part
                part = []
            if account.slept(now):
                part.append(account.last)
                continue
            members = families.get(wanted, []) if account.folder is None else cgroups.members(account.folder)
            seen: dict[int, Seen] = {}
            for pid in [*members, *(account.before.keys() - members)]:
                one = look(pid)
                if one is not None and (pid in members or _same(one, account.before[pid])):
                    seen[pid] = one
                looks += 1
                if looks % SLICE == 0:
                    yield part
                    part = []
            account.at, account.last = now, _measured(account, seen)
            part.append(account.last)
        yield part


def _measured(account: _Account, now: dict[int, Seen]) -> Measure | None:
    """Takes what was seen of the attempt's processes into its account."""
    before, account.before = account.before, now
    for pid, was in before.items():
        if not _same(was, now.get(pid)) and not _inherited(pid, before, now):
            account.gone = Spent(*map(add, account.gone, was.spent))
    living = [seen for seen in now.values() if not seen.ended]
    if not living:
        return None
    sums = map(sum, zip(account.gone, *(seen.spent for seen in now.values()), strict=True))
    spent = account.most = Spent(*map(max, account.most, sums))
    told = all(seen.told for seen in living)
    opened = [seen.descriptors for seen in living]
    return Measure(
        cpu=account.cpu if account.cpu is not None else spent.ticks / TICK,
        rss=sum(seen.rss for seen in living),
        processes=len(living),
        virtual=max(seen.virtual for seen in living),
        swap=sum(seen.swap for seen in living),
        read_bytes=spent.read_bytes if told else None,
        write_bytes=spent.write_bytes if told else None,
        read_ops=spent.read_ops if told else None,
        write_ops=spent.write_ops if told else None,
        descriptors=None if None in opened else max(filter(None, opened), default=0),
    )


def _same(was: Seen, seen: Seen | None) -> bool:
    """Whether a process is the one that had its number before."""
    return seen is not None and seen.start == was.start


def _inherited(pid: int, before: Mapping[int, Seen], now: Mapping[int, Seen]) -> bool:
    """Whether one of its forebears is still there, who has what it spent."""
    for _ in before:  # No chain is longer.
        if (was := before.get(pid)) is None:
            return False
        if _same(was, now.get(pid)):
            return True
        pid = was.parent
    return False


def _cpu(folder: str) -> float | None:
    """CPU seconds of all that ever was in this cgroup; None when it is gone."""
    text = once(f"{folder}/cpu.stat")
    return int(text[11 : text.index(b"\n")]) / 1e6 if text else None
