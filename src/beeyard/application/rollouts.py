"""Takes groups from one version of their package to another, and back: asks `domain.rollout`, and restarts workers as
people do, with a reason.

What a group is to run is written down in the commit that asks for the restart, so that a master which is killed at any
moment leaves either nothing begun, or what the next one goes on with. Decides nothing about versions itself.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from msgspec.structs import replace

from beeyard.application.audit import Audit
from beeyard.application.feed import Feed
from beeyard.application.packages import readable
from beeyard.application.packages.groups import Groups, Said, no_rollout
from beeyard.application.packages.inventory import Inventory
from beeyard.application.packages.moves import RolloutView
from beeyard.application.packages.versions import Versions, build, highest
from beeyard.application.records import Records
from beeyard.domain.course import Course, Mark, Member, Order
from beeyard.domain.errors import BeeyardError
from beeyard.domain.generations import History, before, begun, judged
from beeyard.domain.messages import Asked, Event
from beeyard.domain.rollout import asks, assigned, orders, step, turned
from beeyard.ports.clock import Clock
from beeyard.ports.package_manager import Installed
from beeyard.ports.prober import Prober

ROLLOUT = "rollout"
"""Who did it, in a worker's story; and the kind of its events."""
PERIOD = 3.0
"""Seconds between two looks at a figure, and between two tries where nothing could be done."""

log = logging.getLogger("beeyard")


class Rollouts:
    """For the groups of one master. `request` returns once these events are taken and saved, together with what was
    noted; `saved` once that is."""

    def __init__(
        self,
        records: Records,
        versions: Versions,
        inventory: Inventory,
        prober: Prober,
        clock: Clock,
        feed: Feed,
        audit: Audit,
        request: Callable[[list[tuple[str, Event]]], Awaitable[None]],
        saved: Callable[[], Awaitable[None]],
        until: Callable[[Callable[[], bool], float | None], Awaitable[bool]],
        stir: Callable[[], None],
    ) -> None:
        self.groups = Groups(records, versions, inventory, prober)
        self._versions = versions
        self._inventory = inventory
        self._clock = clock
        self._feed = feed
        self._audit = audit
        self._request = request
        self._saved = saved
        self._until = until
        self._stir = stir
        self._seen: dict[str, tuple[Course, list[Member]]] = {}
        self._said: dict[str, Said] = {}
        self._other = True
        self._turning = asyncio.Lock()

    # --- what others ask --------------------------------------------------------------------------------------------

    async def begin(self, group: str, target: Installed, by: str, *, away: str = "", restored: bool = False) -> None:
        """Set out for this version. `away`: why the present one is not to be tried again. `restored`: their data is as
        it was before, so all of them start from it, and none from the present one before that.

        Raises:
            NotFound: there is no such worker, or group.
            Refused: `rollout_under_way`; `epoch_crossed`, it can't read what the present one wrote; `worker_busy`, one
                lives whose data is said to be restored.
        """
        async with self._turning:
            self.groups.require_free(group)
            new = build(target)
            source = self.groups.source(group, new.version)
            history = self.groups.history(group, target.manifest.name)
            green = () if restored else self.groups.green(group)
            if history is not None and not green and not away and history.bad(source.digest):
                healthy = before(history, source.digest)
                source = healthy if healthy is not None and healthy.epoch >= source.epoch else source
            if restored:
                await self._request(readable.restored(self.groups.of(group), by))
            workers = [one.worker for one in self.groups.of(group)]
            readable.require_readable(group, workers, target.manifest)
            now, name = self._clock.now(), target.manifest.name
            known = [build(one) for one in self._inventory.installed if one.manifest.name == name]
            course = Course(name, source, new, by, progress=now.mono, ceiling=highest([*known, source, new]))
            course = replace(course, counted={one.id: one.restarts for one in workers})
            if restored or (not green and not any(one.wanted.up for one in workers)):  # They come up on it.
                course = replace(course, moved={one.id: Mark(now.mono, one.restarts) for one in workers})
            else:
                course = replace(course, green=green)
            history = begun(history, course, round(now.wall, 3), self.groups.needs(group, source))
            if away:
                history = judged(history, source.digest, "bad", away, round(now.wall, 3))
            await self._asked(group, history)
        self._stir()

    async def steered(
        self, group: str, act: Literal["pause", "resume", "abort"], by: str, *, restored: bool = False
    ) -> RolloutView:
        """Somebody takes a hand in it. Raises NotFound, and Refused where it is over, or can't go back; `restored`: it
        can, for their data is as it was before."""
        async with self._turning:
            history = self.groups.under_way(group)
            course, now = history.course, self._clock.now()
            if act == "abort":
                if restored:
                    await self._request(readable.restored(self.groups.of(group), by))
                    course = replace(course, restored=True)
                if course.one_way and not course.beside:
                    there, hint = course.source, readable.back(group, course.source.version)
                    package = f"{course.package} {there.version}"
                    raise readable.barred(group, package, course.target.epoch, there.epoch, hint)
                if not course.back:
                    course = turned(course, f"aborted by {by}", now.mono)
                    history = judged(history, course.target.digest, "bad", course.reason, round(now.wall, 3))
            elif act == "pause":
                course = replace(course, paused=f"paused by {by}", progress=now.mono)
            else:
                said = not course.paused and asks(self.groups.plan(group), course, self.groups.members(group, course))
                course = replace(course, paused="", promoted=course.promoted or said, progress=now.mono)
            await self._asked(group, replace(history, course=course))
        self._stir()
        if (view := self.view(group)) is None:
            raise no_rollout(group)  # It is gone, or runs from another package by now.
        return view

    def regrouped(self) -> None:
        """Groups may be of other workers than they were."""
        self._sweep()
        self._other = True
        self._stir()

    def view(self, group: str) -> RolloutView | None:
        """None where nothing was ever rolled out."""
        return self.groups.view(group, self._said.get(group, Said()))

    # --- what goes on -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled: a look at whatever changed, and when something is due."""
        while True:
            due, reached = None, self._stirred
            try:
                due = await self.look()
            except BeeyardError as error:
                log.warning("a rollout can't go on now: %s", error)
                due, reached = PERIOD, _never
            except Exception:
                log.exception("a rollout can't go on")
                due, reached = PERIOD, _never
            await self._until(reached, due)
            await asyncio.sleep(0)  # Whatever shows something else each time, others get on.

    async def look(self) -> float | None:
        """Once at every group that is on its way, or not as it has to be. Returns after how many seconds something is
        due."""
        async with self._turning:
            self._other = False
            self._sweep()
            dues = [await self._turn(group, history) for group, history in self.groups.active()]
            for _, found in self.groups.astray():
                await self._order(found, "one colour serves, and the other one is on standby")
                dues.append(PERIOD)
        return min((due for due in dues if due is not None), default=None)

    def _stirred(self) -> bool:
        """Whether a group shows something else than when it was looked at last."""
        return self._other or any(
            self._seen.get(group) != (history.course, self.groups.members(group, history.course))
            for group, history in self.groups.active()
        )

    async def _asked(self, group: str, history: History) -> None:
        """One step because somebody asked. It is saved when this returns; if it can't be, it does not happen later."""
        before = self._versions.histories.get(group)
        try:
            await self._turn(group, history, asked=True)
        except BeeyardError:
            self._versions.note(group, before)
            raise
        finally:
            self._seen.pop(group, None)  # When it is due next is for the loop to find out.

    async def _turn(self, group: str, history: History, *, asked: bool = False) -> float | None:
        """One step, written down together with what follows of it. Returns after how many seconds the next is due."""
        figures = await self.groups.figures(group, history.course)
        # All else is read after that: meanwhile workers may have been stopped, changed or removed.
        if not asked and self._versions.histories.get(group) is not history:
            return None
        found, plan, now = self.groups.of(group), self.groups.plan(group), self._clock.now()
        if history.course.package not in {one.worker.spec.package.partition(":")[0] for one in found}:
            self._gone(group)
            return None
        if not found[0].worker.spec.half:  # The file wants it otherwise by now: there is no other colour any more.
            history = replace(history, course=replace(history.course, green=()))
        members, lost = self.groups.gated(group, history.course, figures), self.groups.lost(group, history.course)
        leaves = history.bad(history.course.source.digest) is not None  # What goes back may do so on hold.
        hold = "" if leaves else self._versions.held(found[0].worker)
        next = step(plan, history.course, members, now.mono, lost, hold)
        needed = orders(next.course, members)
        due = self.groups.possible(group, next.course, needed)
        after = self._judged(replace(history, course=next.course), history.course, lost)
        if after != self._versions.histories.get(group):
            self._versions.note(group, after)
        await self._order(due, "", next.course)
        if asked and not due:
            await self._saved()
        said = Said(next.gate, {one.worker: one.figure for one in members if one.figure is not None})
        if self._said.get(group) != said:
            self._said[group] = said
            self._stir()  # Somebody may follow it.
        self._seen[group] = (next.course, self.groups.members(group, next.course))
        if due:
            self._seen.pop(group)  # What follows of that, the next look finds.
        await self._tell(group, history.course, next.course, due)
        if next.course.over and next.course.green:
            self._other = True  # Its size may have changed meanwhile.
        if (plan.gate is not None and not next.course.over) or len(due) < len(needed):
            return PERIOD
        return None if next.until is None else max(0.0, next.until - self._clock.now().mono)

    async def _order(self, due: Sequence[Order], why: str, course: Course | None = None) -> None:
        """Tell them; what was written down is saved with that."""
        events: list[tuple[str, Event]] = []
        for one in due:
            said = why if course is None else _because(one, course)
            events.append((one.worker, Asked(one.want, ROLLOUT, why=said)))
        if events:
            await self._request(events)

    def _judged(self, history: History, was: Course, lost: str) -> History:
        """With a verdict, if it came to one. That it could not be given any more says nothing against a version."""
        course, at = history.course, round(self._clock.now().wall, 3)
        if course.stage == was.stage:
            return history
        if course.stage == "done":
            return judged(history, course.target.digest, "healthy", "", at)
        if course.stage in ("returning", "failed") and was.stage not in ("returning", "failed") and not lost:
            return judged(history, course.target.digest, "bad", course.reason, at)
        return history

    def _sweep(self) -> None:
        """What became of groups that are no more is not for others of that name."""
        for group in [group for group in self._versions.histories if not self.groups.of(group)]:
            self._gone(group)

    def _gone(self, group: str) -> None:
        """Nobody runs from that package as this group any more."""
        self._versions.note(group, None)
        self._said.pop(group, None)
        self._seen.pop(group, None)

    async def _tell(self, group: str, was: Course, course: Course, due: Sequence[Order]) -> None:
        known = self._versions.histories.get(group)
        if (was.stage == course.stage and not due) or known is None:
            return
        text = f"{course.package} {course.source.version} -> {course.target.version}: {course.stage}"
        text += f": {course.reason}" if course.reason else ""
        log.log(logging.WARNING if course.reason else logging.INFO, "%s: %s", group, text)
        self._feed.tell(ROLLOUT, self._clock.now().wall, lambda: self.view(group), group)
        try:
            version = course.source.version if course.back else course.target.version
            about = {"workers": [one.worker for one in due] or [group], "package": f"{course.package} {version}"}
            await self._audit.noted(f"package_rollout_{course.stage}", text, about)
        except BeeyardError as error:
            log.warning("%s: %s, but the journal can't be written: %s", group, text, error)


def _because(order: Order, course: Course) -> str:
    """Why a worker is told this, for its story."""
    version = assigned(course, order.worker).version
    if course.back:
        return f"goes back to {course.source.version}: {course.reason}"
    if order.want == "rest":
        return f"{course.target.version} took over"
    return f"starts {version} beside {course.source.version}" if order.want == "wake" else f"goes over to {version}"


def _never() -> bool:
    """What failed is tried again in its time, not at once."""
    return False
