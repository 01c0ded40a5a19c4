"""Which installed package each worker starts from, and what lies beside it that it needs. Brings and asks nothing.

An automatic restart takes what ran before. A start that somebody asked for takes the newest that fits, of those that
the lock has. What a channel names only its repository can say: what it said when somebody asked for this start, and
while it can't be asked, what the worker, or another one of that channel, ran from by its last word.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable

from msgspec import Struct

from beeyard.application.packages.inventory import Inventory
from beeyard.application.packages.versions import Versions
from beeyard.domain.packages import Wanted, needed_range
from beeyard.domain.rollout import assigned
from beeyard.domain.supply import Supply
from beeyard.domain.worker import Worker
from beeyard.ports.package_manager import Installed


class _Look(Struct, frozen=True):
    """What was looked at before a start: the build that a channel names, if one was found."""

    generation: int
    digest: str = ""


class Choices:
    """For the workers of one master."""

    def __init__(self, inventory: Inventory, versions: Versions, workers: Callable[[], Iterable[Worker]]) -> None:
        self._inventory = inventory
        self._versions = versions
        self._workers = workers
        self._looks: dict[str, _Look] = {}

    def best(self, worker: Worker, asked: Wanted) -> Installed | None:
        """The one to start from, whole or not; None if it is not there, or nobody knows which one that is."""
        found, before = self._inventory.candidates(asked), _current(worker)
        if before is not None:
            for one in found:
                if one.digest == before.digest:
                    return one
        found = self._inventory.as_locked(asked, found)
        named = self._named(worker, asked) if self.follows(asked) else None
        return next(iter(self._versions.steer(worker, asked, found, named)), None)

    def follows(self, asked: Wanted) -> bool:
        """Whether a repository says which version that is: a lock says it before any channel."""
        return bool(asked.channel) and not self._inventory.locks(asked.name)

    def due(self, worker: Worker, asked: Wanted, best: Installed) -> bool:
        """Whether to look first at what there is now: once for each start that somebody asked for. A rollout says by
        itself what its workers are to run from."""
        history = self._versions.of(worker)
        course = None if history is None or history.course.over else history.course
        if course is not None and assigned(course, worker.id).digest == best.digest:
            return False
        look = self._looks.get(worker.id)
        if _current(worker) is not None or (look is not None and look.generation == worker.phase.generation):
            return False
        return self.renews(asked) or not self._inventory.settled(best)

    def renews(self, asked: Wanted) -> bool:
        """Whether its repository is asked before such a start."""
        eager = self._inventory.spec.policies.auto_update and not self._inventory.locks(asked.name)
        return eager or self.follows(asked)

    def looked(self, worker: Worker, found: Installed | None = None) -> None:
        """It was looked at, and this was found."""
        self._looks[worker.id] = _Look(worker.phase.generation, "" if found is None else found.digest)

    def forget(self, worker: str) -> None:
        """There is no such worker any more."""
        self._looks.pop(worker, None)

    def company(self, worker: Worker, one: Installed) -> tuple[Installed, ...]:
        """What is installed of all that it needs, and that these need, by name: what lay beside it where it runs
        already or is gone back to, else the best that all of them take.

        Raises Invalid: `package_range`.
        """
        before = _current(worker)
        same = frozenset(before.needs if before is not None else self._versions.beside(worker, one.digest))
        found: dict[str, Installed] = {}
        for _ in range(len(self._inventory.installed) + 1):  # Each turn may find what needs more.
            ranges: dict[str, list[str]] = defaultdict(list)
            for each in (one, *found.values()):
                for need in each.manifest.dependencies:
                    ranges[need.name].append(needed_range(each.manifest, need))
            ranges.pop(one.manifest.name, None)
            wanted = [Wanted(name, ",".join(filter(None, ranges[name]))) for name in sorted(ranges)]
            fitting = {each.name: self._inventory.as_locked(each, self._inventory.candidates(each)) for each in wanted}
            now = {name: min(fit, key=lambda one: one.digest not in same) for name, fit in fitting.items() if fit}
            if now == found:
                break
            found = now
        return tuple(found.values())

    def _named(self, worker: Worker, asked: Wanted) -> str:
        """The digest of the build that the channel names, as far as that is known."""
        look = self._looks.get(worker.id)
        if look is not None and look.generation == worker.phase.generation and look.digest:
            return look.digest
        known = (one.supply for one in (worker, *self._workers()))
        return next((one.digest for one in known if one is not None and _by(one, asked)), "")


def _current(worker: Worker) -> Supply | None:
    """What it runs from by the wish that counts now."""
    supply = worker.supply
    return supply if supply is not None and supply.generation == worker.phase.generation else None


def _by(supply: Supply, asked: Wanted) -> bool:
    """Whether this channel of this package chose it."""
    return (supply.name, supply.channel) == (asked.name, asked.channel)
