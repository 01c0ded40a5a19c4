"""Has as many instances of each group run as it needs: asks `domain.scaling` every few seconds, and starts and stops
them as people do, with a reason.

How many are to run is what the workers' own records say, so a master that comes back goes on where the last one was;
of the past it keeps only the last change (a fact in the store). An instance that people stopped, or asked for by
itself, is theirs until the group is asked for as a whole; a group of which all are stopped is left alone. A change
counts only once it is saved: what could not be done has no cool-down.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
from msgspec import Struct

from beeyard.application.audit import Audit
from beeyard.application.feed import Feed
from beeyard.application.loads import load
from beeyard.application.records import Records
from beeyard.application.supervisor import Supervisor
from beeyard.application.views import ScalingView
from beeyard.domain.ending import RESTING
from beeyard.domain.errors import BeeyardError
from beeyard.domain.messages import Asked, Event
from beeyard.domain.scaling import Past, Scaling, decide
from beeyard.domain.values import instance_of, number_of
from beeyard.domain.worker import Down, Running, Wanted
from beeyard.ports.clock import Clock
from beeyard.ports.prober import Prober

LOOK = 3.0
"""Seconds between two looks: CPU is read as often."""
SCALING = "scaling"
"""Who did it, in a worker's story; and the fact that keeps the last changes."""

log = logging.getLogger("beeyard")

Group = Sequence[Supervisor]


class Change(Struct, frozen=True):
    """The last change of a group, and the event that tells it. `at` is wall-clock seconds."""

    group: str
    wanted: int
    started: tuple[str, ...]
    stopped: tuple[str, ...]
    why: str
    at: float


class Scaler:
    """The groups of one master that scale. `request` returns once these events are taken and saved."""

    def __init__(
        self,
        records: Records,
        prober: Prober,
        clock: Clock,
        feed: Feed,
        audit: Audit,
        request: Callable[[list[tuple[str, Event]]], Awaitable[None]],
    ) -> None:
        self._records = records
        self._prober = prober
        self._clock = clock
        self._feed = feed
        self._audit = audit
        self._request = request
        self._past: dict[str, Past] = {}
        self._changes: dict[str, Change] = {}
        self._said: dict[str, str] = {}
        self._counted: tuple[int, Mapping[str, str]] = (-1, {})

    def wake(self, saved: str | None) -> None:
        """Go on after the changes of an earlier master."""
        self._changes = {} if saved is None else msgspec.json.decode(saved, type=dict[str, Change])

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self.look()
            except Exception:
                log.exception("how many instances are needed can't be decided")

    async def look(self) -> None:
        """Once at every group; all at the same time, because some have to be asked."""
        groups = self._groups()
        self._past = {name: past for name, past in self._past.items() if name in groups}
        self._changes = {name: change for name, change in self._changes.items() if name in groups}
        await asyncio.gather(*(self._turn(name, group) for name, group in groups.items()))

    def view(self, worker: str) -> ScalingView | None:
        """How it is with the group of a worker; None where it does not scale."""
        group = _members(self._records.supervisors, instance_of(worker))
        if not group:
            return None
        scaling, up = _scaling(group), _up(group)
        change = self._changes.get(instance_of(worker))
        return ScalingView(
            wanted=len(up),
            ready=sum(_ready(one) for one in up),
            min=scaling.min,
            max=scaling.max,
            spares=scaling.spares,
            load=self._said.get(instance_of(worker), ""),
            last="" if change is None else change.why,
            at=None if change is None else change.at,
        )

    def resting(self, version: int) -> Mapping[str, str]:
        """Group -> why some of it are on standby, in words; counted anew for each version of the workers."""
        if self._counted[0] != version:
            found = self._groups().items()
            self._counted = version, {name: f"{RESTING}: {len(_up(one))} of {len(one)} wanted" for name, one in found}
        return self._counted[1]

    # ----------------------------------------------------------------------------------------------------------------

    async def _turn(self, name: str, group: Group) -> None:
        now, scaling = self._clock.now(), _scaling(group)
        if not any(one.worker.wanted.on for one in group) or any(one.worker.wanted.held for one in group):
            self._past.pop(name, None)  # What it bore before it was stopped says nothing of what it is to bear.
            self._said.pop(name, None)
            return
        up = _up(group)
        found = await load(scaling, up, self._prober, now.mono)
        past = self._past.get(name)
        if past is None:
            change = self._changes.get(name)
            past = Past(now.mono, changed=None if change is None else now.mono - max(0.0, now.wall - change.at))
        wanted, self._past[name] = decide(scaling, len(up), found, now.mono, past)
        self._said[name] = "" if found is None else found.text
        if wanted != len(up):
            bounds = len(up) < scaling.least or len(up) > scaling.max
            why = f"{scaling.least} to {scaling.max} are to run" if bounds or found is None else found.text
            spares = f", spares: {scaling.spares}" if scaling.spares else ""
            await self._apply(name, group, wanted, f"{why}: {wanted} instance{'' if wanted == 1 else 's'}{spares}")

    async def _apply(self, name: str, group: Group, wanted: int, why: str) -> None:
        up = _up(group)
        rest = [one.worker.id for one in group if one.worker.wanted.rests]
        loose = [one.worker.id for one in reversed(up) if not one.worker.wanted.fixed]
        started, stopped = rest[: max(0, wanted - len(up))], loose[: max(0, len(up) - wanted)]
        if not started and not stopped:
            return
        events: list[tuple[str, Event]] = [(worker, Asked("wake", SCALING, why=why)) for worker in started]
        events += [(worker, Asked("rest", SCALING, why=why)) for worker in stopped]
        try:
            await self._request(events)
        except BeeyardError as error:
            log.warning("%s: %s, but that can't be done now: %s", name, why, error)
            return
        # Somebody may have asked for something else just before: then it was not done, and nobody is to think so.
        started, stopped = self._those(started, lambda wish: wish.up), self._those(stopped, lambda wish: wish.rests)
        if not started and not stopped:
            return
        now = self._clock.now()
        change = Change(name, wanted, tuple(started), tuple(stopped), why, round(now.wall, 3))
        self._past[name] = msgspec.structs.replace(self._past[name], changed=now.mono)
        self._changes[name] = change
        self._records.fact(SCALING, msgspec.json.encode(self._changes).decode())
        log.info("%s: %s", name, why)
        self._feed.tell(SCALING, now.wall, lambda: change, name)
        try:
            about = {"started": started, "stopped": stopped}
            await self._audit.noted("scale", why, {"workers": [name], "wanted": wanted} | about)
        except BeeyardError as error:
            log.warning("%s: %s, but the journal can't be written: %s", name, why, error)

    def _those(self, names: Sequence[str], are: Callable[[Wanted], bool]) -> list[str]:
        """Those of them that are known still, and of which this is so."""
        known = self._records.supervisors
        return [name for name in names if name in known and are(known[name].worker.wanted)]

    def _groups(self) -> dict[str, list[Supervisor]]:
        """Those that scale, each in the order of its numbers."""
        found: dict[str, list[Supervisor]] = {}
        for worker, supervisor in self._records.supervisors.items():
            if supervisor.worker.spec.scaling is not None:
                found.setdefault(instance_of(worker), []).append(supervisor)
        return {name: sorted(group, key=_number) for name, group in found.items()}


def _members(supervisors: Mapping[str, Supervisor], name: str) -> list[Supervisor]:
    of_it = (one for one in supervisors.values() if instance_of(one.worker.id) == name)
    return sorted((one for one in of_it if one.worker.spec.scaling is not None), key=_number)


def _number(supervisor: Supervisor) -> int:
    return number_of(supervisor.worker.id)


def _scaling(group: Group) -> Scaling:
    """What its first instance says, as all do that come from one file."""
    scaling = group[0].worker.spec.scaling
    assert scaling is not None
    return scaling


def _up(group: Group) -> list[Supervisor]:
    """Those that are to run. One that is done will not, whatever is wanted."""
    return [one for one in group if one.worker.wanted.on and not one.worker.wanted.standby and not _done(one)]


def _done(supervisor: Supervisor) -> bool:
    phase = supervisor.worker.phase
    return isinstance(phase, Down) and phase.done is not None


def _ready(supervisor: Supervisor) -> bool:
    phase = supervisor.worker.phase
    return isinstance(phase, Running) and phase.ready_since is not None
