"""What is told of processes that come and go: sums that never go back and count nothing twice."""

import os
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beeyard.adapters.providers.process import cgroups, looking, measuring
from beeyard.adapters.providers.process.looking import Seen, Spent
from beeyard.adapters.providers.process.measuring import SLICE, WHOLE, Measuring
from beeyard.domain.watching import Measure
from beeyard.launcher.kernel import Identity

LEADER = Identity(1, 1)
OUTSIDE = 0
"""The parent of the leader, and of orphans, which are reaped by it at once."""


@dataclass
class Process:
    """One, with the number of reads it and those it reaped made."""

    start: int
    parent: int
    reads: int = 0
    zombie: bool = False
    ours: bool = True
    told: bool = True


class Host:
    """The processes of one attempt, as the kernel keeps them. `reads` is the truth."""

    def __init__(self) -> None:
        self.processes: dict[int, Process] = {}
        self.reads = 0
        self.starts = 0
        self.looks = 0
        self.cpu: float | None = None
        self.fork(OUTSIDE)

    def fork(self, parent: int) -> int:
        """The number is one that is free, as soon as that."""
        pid = next(pid for pid in range(1, 100) if pid not in self.processes)
        self.starts += 1
        self.processes[pid] = Process(self.starts, parent)
        return pid

    def read(self, pid: int, count: int) -> None:
        self.processes[pid].reads += count
        self.reads += count

    def exit(self, pid: int) -> None:
        """It waits for its parent to ask; its children go to who asks at once."""
        self.processes[pid].zombie = True
        for child in [child for child, seen in self.processes.items() if seen.parent == pid]:
            self.processes[child].parent = OUTSIDE
            if self.processes[child].zombie:
                self.reap(child)
        if self.processes[pid].parent == OUTSIDE:
            self.reap(pid)

    def reap(self, pid: int) -> None:
        gone = self.processes.pop(pid)
        if gone.parent != OUTSIDE:
            self.processes[gone.parent].reads += gone.reads

    def living(self) -> list[int]:
        return [pid for pid, seen in self.processes.items() if seen.ours and not seen.zombie]

    def look(self, pid: int) -> Seen | None:
        self.looks += 1
        if (seen := self.processes.get(pid)) is None:
            return None
        size = 0 if seen.zombie else 100
        spent = Spent(0, 0, 0, seen.reads if seen.told else 0, 0)
        return Seen(seen.start, seen.parent, seen.zombie, spent, seen.told, size, 2 * size, 0, 3)


class Measurer:
    """Measures a host's one attempt."""

    def __init__(self, patch: pytest.MonkeyPatch, host: Host) -> None:
        patch.setattr(cgroups, "folder", lambda leader: "/nowhere")
        patch.setattr(cgroups, "members", lambda folder: host.living())
        patch.setattr(measuring, "look", host.look)
        patch.setattr(measuring, "_cpu", lambda folder: host.cpu)
        self.now = 0.0
        self._measuring = Measuring(lambda: self.now)

    def __call__(self) -> Measure | None:
        parts = self._measuring.read([LEADER], [LEADER])
        [measure] = [measure for part in parts for measure in part]
        return measure

    def reads(self) -> int | None:
        measure = self()
        assert measure is not None
        return measure.read_ops


KINDS = ("fork", "read", "exit", "reap", "lose")
ACTIONS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 9), st.booleans()), min_size=20, max_size=60)


@settings(max_examples=100)
@given(ACTIONS)
def test_no_sum_goes_back_or_beyond_the_truth(actions: list[tuple[str, int, bool]]) -> None:
    """Whoever forks, ends, is reaped or not, and whichever number is given anew."""
    host = Host()
    with pytest.MonkeyPatch.context() as patch:
        measurer, last = Measurer(patch, host), 0
        for kind, number, measured in actions:
            living = host.living()
            zombies = [pid for pid, seen in host.processes.items() if seen.zombie]
            if kind == "fork":
                host.fork(living[number % len(living)])
            elif kind == "read":
                host.read(living[number % len(living)], number)
            elif kind == "exit" and len(living) > 1:
                host.exit(living[1:][number % len(living[1:])])
            elif kind == "reap" and zombies:
                host.reap(zombies[number % len(zombies)])
            elif kind == "lose" and zombies:
                host.processes.pop(zombies[number % len(zombies)])
            if measured:
                reads = measurer.reads()
                assert reads is not None
                assert last <= reads <= host.reads
                last = reads


@pytest.fixture
def host() -> Host:
    """One process."""
    return Host()


@pytest.fixture
def measurer(host: Host, monkeypatch: pytest.MonkeyPatch) -> Measurer:
    """Measures it."""
    return Measurer(monkeypatch, host)


def test_a_child_leaves_what_it_did_to_its_parent(host: Host, measurer: Measurer) -> None:
    """Before it is reaped and after, also when its parent follows it; others do more meanwhile."""
    parent = host.fork(LEADER.pid)
    child = host.fork(parent)
    host.read(child, 5)
    told = [measurer.reads()]
    host.exit(child)
    host.read(LEADER.pid, 1)
    told.append(measurer.reads())
    host.reap(child)
    told.append(measurer.reads())
    host.read(parent, 2)
    host.exit(parent)
    host.reap(parent)
    told.append(measurer.reads())
    assert told == [5, 6, 6, 8]


def test_what_an_orphan_did_is_kept(host: Host, measurer: Measurer) -> None:
    """While others do more, and when its number goes to another process."""
    parent = host.fork(LEADER.pid)
    child = host.fork(parent)
    host.exit(parent)
    host.reap(parent)
    host.read(child, 5)
    assert measurer.reads() == 5
    host.exit(child)
    for _ in range(2):
        host.read(host.fork(LEADER.pid), 1)
    assert child in host.processes
    assert measurer.reads() == 7


def test_a_number_that_went_to_a_stranger_is_not_ours(host: Host, measurer: Measurer) -> None:
    """What the stranger did counts for nobody here."""
    child = host.fork(OUTSIDE)
    host.read(child, 5)
    assert measurer.reads() == 5
    host.exit(child)
    stranger = host.fork(OUTSIDE)
    assert stranger == child
    host.processes[stranger].ours = False
    host.read(stranger, 50)
    assert measurer.reads() == 5


def test_one_that_hides_what_it_does_makes_it_unknown(host: Host, measurer: Measurer) -> None:
    """Half a sum would look like a whole one; what it holds is told all the same."""
    host.processes[host.fork(LEADER.pid)].told = False
    seen = measurer()
    assert seen is not None
    assert (seen.read_ops, seen.write_ops, seen.read_bytes, seen.write_bytes) == (None, None, None, None)
    assert (seen.processes, seen.rss, seen.virtual, seen.descriptors) == (2, 200, 200, 3)


def test_nothing_is_told_when_all_have_ended(host: Host, measurer: Measurer) -> None:
    """Zombies use nothing."""
    assert measurer() is not None
    host.processes[LEADER.pid].zombie = True
    assert measurer() is None


def test_what_slept_is_not_looked_at_for_a_while(host: Host, measurer: Measurer) -> None:
    """Without CPU it can't have done anything; only the kernel can, to its memory."""
    host.cpu = 1.0
    first = measurer()
    assert first is not None
    assert first.cpu == 1.0
    measurer.now += WHOLE - 1
    assert measurer() == first
    assert host.looks == 1
    measurer.now += 1
    assert measurer() == first
    assert host.looks == 2
    host.cpu = 1.1
    host.read(LEADER.pid, 5)
    assert measurer.reads() == 5
    assert host.looks == 3


def test_many_processes_are_looked_at_in_parts(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each small enough for the loop; the answer is one for each asked."""
    for _ in range(2 * SLICE):
        host.fork(LEADER.pid)
    Measurer(monkeypatch, host)
    looked: list[int] = []

    def look(pid: int) -> Seen | None:
        looked.append(pid)
        return host.look(pid)

    monkeypatch.setattr(measuring, "look", look)
    counts, told = [], []
    for part in Measuring().read([None, LEADER], [LEADER]):
        counts.append(len(looked))
        told += part
    assert counts == [SLICE - 1, 2 * SLICE - 1, 2 * SLICE + 1]
    assert [measure and measure.processes for measure in told] == [None, 2 * SLICE + 1]


def test_many_that_sleep_are_told_in_parts(host: Host, measurer: Measurer) -> None:
    """To find out that one did not run takes a file as well."""
    host.cpu = 1.0
    measurer()
    parts = list(measurer._measuring.read([LEADER] * (2 * SLICE), [LEADER]))
    assert max(map(len, parts)) <= SLICE
    assert [measure is None for part in parts for measure in part] == [False] * (2 * SLICE)
    assert host.looks == 1


def test_what_lives_is_remembered_though_others_were_asked_for(
    host: Host, measurer: Measurer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker has a period of its own; what lives no more is forgotten."""
    child = host.fork(OUTSIDE)
    host.read(child, 5)
    measurer.reads()
    host.exit(child)
    list(measurer._measuring.read([None], [LEADER]))
    assert measurer.reads() == 5
    list(measurer._measuring.read([None], []))
    assert measurer.reads() == 0


def test_a_process_that_may_not_be_seen_into_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel refuses some files of some processes, to some users."""

    def refused(path: str, *rest: object, **more: object) -> object:
        raise PermissionError(path)

    monkeypatch.setattr(looking, "open", refused, raising=False)
    seen = looking.look(os.getpid())
    assert seen is not None
    assert (seen.told, seen.rss > 0, seen.spent.read_ops) == (False, True, 0)
