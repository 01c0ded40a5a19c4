"""What groups were told to run, which package is on hold, and what became of each version: kept as one fact.

Says what a worker may be started from. Moves nobody, and brings nothing.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec
from msgspec import Struct, field

from beeyard.application.records import Records
from beeyard.domain.course import Build
from beeyard.domain.generations import History, open_to
from beeyard.domain.packages import Wanted, version
from beeyard.domain.rollout import woken
from beeyard.domain.values import instance_of
from beeyard.domain.worker import Worker
from beeyard.ports.package_manager import Installed

ROLLOUTS = "rollouts"
"""The fact that keeps it."""


class _Kept(Struct):
    """`histories` by group, `holds`: package -> who put it on hold, and why."""

    histories: dict[str, History] = field(default_factory=dict)
    holds: dict[str, str] = field(default_factory=dict)


class Versions:
    """For one master. `stir` has a turn, in which it is saved."""

    def __init__(self, records: Records, stir: Callable[[], None]) -> None:
        self._records = records
        self._stir = stir
        self._kept = _Kept()

    def wake(self, saved: str | None, now: float) -> None:
        """Go on after an earlier master."""
        if saved is not None:
            self._kept = msgspec.json.decode(saved, type=_Kept)
        for group, history in self._kept.histories.items():
            course = history.course if history.course.over else woken(history.course, now)
            self._kept.histories[group] = msgspec.structs.replace(history, course=course)

    @property
    def histories(self) -> Mapping[str, History]:
        """By group."""
        return self._kept.histories

    @property
    def holds(self) -> Mapping[str, str]:
        """Package -> who put it on hold, and why."""
        return self._kept.holds

    def note(self, group: str, history: History | None) -> None:
        """It goes with the next commit; None: there is no such group any more."""
        if history is None:
            self._kept.histories.pop(group, None)
        else:
            self._kept.histories[group] = history
        self._save()

    def hold(self, package: str, why: str) -> None:
        """From now on nothing of it is updated; empty: it may be again."""
        if why:
            self._kept.holds[package] = why
        else:
            self._kept.holds.pop(package, None)
        self._save()

    def held(self, worker: Worker) -> str:
        """Why no update of this worker begins by itself; empty: one may."""
        name = worker.spec.package.partition(":")[0]
        if worker.spec.rollout is not None and worker.spec.rollout.hold:
            return f"`rollout.hold` of {instance_of(worker.id)}"
        return self._kept.holds.get(name, "")

    def of(self, worker: Worker) -> History | None:
        """That of its group, with the package that it runs from now."""
        history = self._kept.histories.get(instance_of(worker.id))
        package = worker.spec.package.partition(":")[0]
        return history if history is not None and history.course.package == package else None

    def steer(self, worker: Worker, asked: Wanted, found: list[Installed], named: str | None) -> list[Installed]:
        """Of what fits, the best first, what it may be started from. `named`: the build that its channel names."""
        history = self.of(worker)
        ran = worker.supply if worker.supply is not None and worker.supply.name == asked.name else None
        alone = ran is not None and bool(worker.spec.rollout is not None or asked.name in self._kept.holds)
        if history is None and not alone:
            return found if named is None else [one for one in found if one.digest == named]
        builds = {build(one): one for one in found}
        stays = ran.digest if ran is not None and alone else ""
        return [builds[one] for one in open_to(history, worker.id, list(builds), stays, named)]

    def needed(self) -> Iterable[str]:
        """The digests of what somebody may yet have to be given, or may want to go back to."""
        return [digest for one in self._kept.histories.values() for digest in (*one.ahead, *one.behind)]

    def beside(self, worker: Worker, digest: str) -> tuple[str, ...]:
        """On the way from this build, or back to it: the digests of what its group found beside it."""
        history = self.of(worker)
        return () if history is None or history.course.over else history.needs(digest)

    def _save(self) -> None:
        self._records.fact(ROLLOUTS, msgspec.json.encode(self._kept).decode())
        self._stir()


def build(installed: Installed) -> Build:
    """As rollouts know it."""
    return Build(installed.manifest.version, installed.digest, installed.manifest.epoch)


def highest(builds: Iterable[Build]) -> str:
    """The highest version of these."""
    return max((one.version for one in builds), key=version)
