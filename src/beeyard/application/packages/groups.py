"""What a rollout sees of its groups: who is in them, what they run from and are to run from, what a gate is told of
them, and which of two colours serves. Changes nothing, and orders nothing."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from beeyard.application.loads import told
from beeyard.application.packages.inventory import Inventory
from beeyard.application.packages.moves import GenerationView, RolloutView, VersionView
from beeyard.application.packages.seen import finished, member
from beeyard.application.packages.versions import Versions, build
from beeyard.application.records import Records
from beeyard.application.supervisor import Supervisor
from beeyard.domain.course import Build, Course, Member, Order
from beeyard.domain.ending import RESTING
from beeyard.domain.errors import NotFound, Refused
from beeyard.domain.generations import History
from beeyard.domain.packages import Wanted, wanted
from beeyard.domain.rollout import assigned
from beeyard.domain.rollout_plan import ORDINARY, Rollout
from beeyard.domain.side_by_side import resting, serving, straightened
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.values import instance_of, number_of
from beeyard.domain.worker import Worker
from beeyard.ports.package_manager import Installed
from beeyard.ports.prober import Prober

LISTED = 3
"""Workers that are named one by one."""


class Said(Struct, frozen=True):
    """What the last look at a group found: what it waits for, and the gate's figures by worker."""

    gate: str = ""
    figures: dict[str, float] = {}


class Groups:
    """Of one master."""

    def __init__(self, records: Records, versions: Versions, inventory: Inventory, prober: Prober) -> None:
        self._records = records
        self._versions = versions
        self._inventory = inventory
        self._prober = prober
        self._counted: tuple[int, Mapping[str, str]] = (-1, {})

    def of(self, name: str) -> list[Supervisor]:
        """A group in the order of its numbers; empty: there is none."""
        found = (one for one in self._records.supervisors.values() if instance_of(one.worker.id) == name)
        return sorted(found, key=_number)

    def plan(self, group: str) -> Rollout:
        """How it goes over."""
        found = self.of(group)
        return (found[0].worker.spec.rollout or ORDINARY) if found else ORDINARY

    def active(self) -> list[tuple[str, History]]:
        """Those that are on their way."""
        return [(group, history) for group, history in self._versions.histories.items() if not history.course.over]

    def members(self, group: str, course: Course) -> list[Member]:
        """Those that are to run; where two colours stand side by side also those that are not."""
        found = [one.worker for one in self.of(group) if not one.worker.wanted.held and not finished(one.worker)]
        return [member(one) for one in found if one.wanted.up or course.green]

    async def figures(self, group: str, course: Course) -> dict[str, float | None]:
        """What each that is ready tells the gate of itself, all asked at once; None: nothing. Empty without a gate."""
        gate = self.plan(group).gate
        if gate is None or course.back:
            return {}
        ready = [one.worker for one in self.members(group, course) if one.healthy and not one.coming]
        workers = [self._records.supervisors[name].worker for name in ready]
        found = await asyncio.gather(*(told(gate, worker, self._prober) for worker in workers))
        return dict(zip(ready, found, strict=True))

    def gated(self, group: str, course: Course, figures: Mapping[str, float | None]) -> list[Member]:
        """The members with their figures. Of those that went one is not well while nobody knows its figure."""
        gate, members = self.plan(group).gate, self.members(group, course)
        if gate is None or course.back:
            return members
        found = []
        for one in members:
            value, went = figures.get(one.worker), one.worker in course.moved
            if value is not None:
                fault = f"{gate.name} is {value:g}, more than {gate.most:g}" if went and value > gate.most else ""
                found.append(replace(one, figure=value, fault=fault))
            elif went and one.healthy:
                found.append(replace(one, healthy=False, trouble=f"it tells no {gate.name}"))
            else:
                found.append(one)
        return found

    def possible(self, group: str, course: Course, orders: Sequence[Order]) -> list[Order]:
        """Without those to start anew from what can't be given: they would come up on something else each time."""
        given = {one.digest for one in self._given(group)}
        return [one for one in orders if one.want != "renew" or assigned(course, one.worker).digest in given]

    def lost(self, group: str, course: Course) -> str:
        """Why workers can't be given what they are to run from."""
        needed = course.source if course.back else course.target
        if any(one.digest == needed.digest for one in self._given(group)):
            return ""
        asked, package = self._asked(group), f"{course.package} {needed.version}"
        if any(one.digest == needed.digest for one in self._inventory.candidates(asked)):
            return f"{package} is not what the lock names"
        return f"{package} is not there any more, or {asked} does not take it"

    def _asked(self, group: str) -> Wanted:
        return wanted(self._require(group)[0].worker.spec.package)

    def _given(self, group: str) -> list[Installed]:
        """What its workers may be started from, by the worker file and the lock."""
        asked = self._asked(group)
        return self._inventory.as_locked(asked, self._inventory.candidates(asked))

    def source(self, group: str, target: str = "") -> Build:
        """What a group runs from now; another version than the target, if one of them does. Raises NotFound, and
        Refused for one that runs from no package yet."""
        found = self._require(group)
        half = found[0].worker.spec.half
        if half:
            serve = {one.worker for one in serving(half, _seen(found))}
            found = [one for one in found if one.worker.id in serve] or found
        supplied = [one.worker for one in found if one.worker.supply is not None and one.worker.spec.package]
        running = [one for one in supplied if one.wanted.up and not finished(one)]
        supplies = [one.supply for one in running or supplied if one.supply is not None]
        if not supplies:
            text, hint = "{group} runs from no package yet", f"beeyard start {group}"
            raise Refused("nothing_to_update", text, hint=hint, group=group)
        supply = next((one for one in supplies if one.version != target), supplies[0])
        there = {one.digest: one for one in self._inventory.installed}
        gone = Build(supply.version, supply.digest, supply.epoch)
        return build(there[supply.digest]) if supply.digest in there else gone

    def needs(self, group: str, source: Build) -> tuple[str, ...]:
        """The digests of what it finds beside this build, where it runs from that."""
        found = (one.worker.supply for one in self.of(group))
        return next((one.needs for one in found if one is not None and one.digest == source.digest), ())

    def green(self, group: str) -> tuple[str, ...]:
        """Where it goes over blue-green, who is on standby and goes; else nobody."""
        found = self.of(group)
        half = found[0].worker.spec.half if found else 0
        return tuple(one.worker for one in resting(half, _seen(found))) if half else ()

    def astray(self) -> list[tuple[str, list[Order]]]:
        """Of groups that are on no way, those in which not one colour serves and the other one is on standby, and what
        they are told; nothing, while one of them starts."""
        under_way = {group for group, _ in self.active()}
        halves = {instance_of(name): one.worker.spec.half for name, one in self._records.supervisors.items()}
        found = []
        for group, half in halves.items():
            members = [] if not half or group in under_way else _seen(self.of(group))
            wishes = [self._records.supervisors[one.worker].worker.wanted for one in members]
            if any(wish.held for wish in wishes) or not any(wish.on for wish in wishes):
                continue
            history, orders = self._versions.histories.get(group), straightened(half, members)
            if history is not None and history.course.stage == "failed":
                orders = [one for one in orders if one.want == "wake"]  # It ended where it was, both perhaps awake.
            elif not orders and all(one.rests for one in resting(half, members)):
                continue
            if orders or history is None or history.course.stage != "failed":
                found.append((group, orders))
        return found

    def standby(self, version: int) -> Mapping[str, str]:
        """Group -> why some of it are on standby, in words; counted anew for each version of the workers."""
        if self._counted[0] != version:
            halves = {instance_of(name): one.worker.spec.half for name, one in self._records.supervisors.items()}
            self._counted = version, {name: self._standby(name, half) for name, half in halves.items() if half}
        return self._counted[1]

    def _standby(self, group: str, half: int) -> str:
        history = self._versions.of(self.of(group)[0].worker)
        names = [one.worker for one in serving(half, _seen(self.of(group)))]
        listed = ", ".join(names) if len(names) <= LISTED else f"{names[0]} to {names[-1]}"
        serve = f"{listed} serve{'s' if len(names) == 1 else ''}"
        if history is None or history.course.over:
            return f"{RESTING} for the next version: {serve}"
        return f"{RESTING} to go back to {history.course.source.version}: {serve}"

    def history(self, group: str, package: str) -> History | None:
        """That of a group, with this package."""
        history = self._versions.histories.get(group)
        return history if history is not None and history.course.package == package else None

    def under_way(self, group: str) -> History:
        """Raises NotFound, and Refused: `no_rollout`."""
        self._require(group)
        history = self._versions.histories.get(group)
        if history is None or history.course.over:
            raise no_rollout(group)
        return history

    def require_free(self, group: str) -> None:
        """Raises Refused: `rollout_under_way`."""
        history = self._versions.histories.get(group)
        if history is not None and not history.course.over:
            text, hint = "{group} is on its way to {package} {version}", f"beeyard rollout abort {group}"
            fields = {"package": history.course.package, "version": history.course.target.version}
            raise Refused("rollout_under_way", text, hint=hint, group=group, **fields)

    def require_size(self, specs: Iterable[WorkerSpec]) -> None:
        """Raises Refused: `rollout_under_way`, where a group of two colours is to be of another size meanwhile."""
        halves = {instance_of(one.id): one.half for one in specs}
        for group, _ in self.active():
            found, half = self.of(group), halves.get(group, 0)
            if found and half and found[0].worker.spec.half not in (0, half):
                self.require_free(group)

    def view(self, group: str, said: Said) -> RolloutView | None:
        """None where nothing was ever rolled out."""
        found = self.of(group)
        history = self._versions.of(found[0].worker) if found else None
        if history is None:
            return None
        course = history.course
        go = [one.worker.id for one in found if not course.green or one.worker.id in course.green]
        return RolloutView(
            group=group,
            package=course.package,
            stage=course.stage,
            source=course.source.version,
            target=course.target.version,
            moved=[name for name in go if assigned(course, name) == course.target],
            members=go,
            gate="" if course.over else said.gate,
            reason=course.reason,
            paused=course.paused,
            held=self._versions.held(found[0].worker),
            by=course.by,
            generations=[
                GenerationView(
                    one.build.version, one.build.digest, one.at, one.verdict or "open", one.reason, one.judged_at
                )
                for one in history.generations
            ],
            versions=[_version(one, course, found, said.figures) for one in (course.source, course.target)],
            standby=[one.worker.id for one in found if one.worker.wanted.standby],
        )

    def _require(self, group: str) -> list[Supervisor]:
        if not (found := self.of(group)):
            raise NotFound("worker_not_found", "there is no worker {worker}", worker=group, hint="beeyard ps")
        return found


def no_rollout(group: str) -> Refused:
    """There is nothing to take a hand in."""
    text, hint = "nothing is being rolled out to {group}", "beeyard rollout status"
    return Refused("no_rollout", text, hint=hint, group=group)


def _version(build: Build, course: Course, group: Sequence[Supervisor], figures: Mapping[str, float]) -> VersionView:
    """How those are that run from it."""
    found = [one.worker for one in group if one.worker.wanted.up and member(one.worker).digest == build.digest]
    told = [figures[one.id] for one in found if one.id in figures]
    return VersionView(
        version=build.version,
        workers=[one.id for one in found],
        ready=sum(member(one).healthy for one in found),
        restarts=sum(_restarts(one, course) for one in found),
        figure=max(told, default=None),
    )


def _restarts(worker: Worker, course: Course) -> int:
    """Since it was sent to the version that it runs, or since somebody set out."""
    mark = course.moved.get(worker.id)
    return worker.restarts - (course.counted.get(worker.id, worker.restarts) if mark is None else mark.restarts)


def _seen(group: Sequence[Supervisor]) -> list[Member]:
    return [member(one.worker) for one in group]


def _number(supervisor: Supervisor) -> int:
    return number_of(supervisor.worker.id)
