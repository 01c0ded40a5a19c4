"""Which version groups go to, and back to: finds it, has it brought, and has the rollout begin.

By itself it does so for workers that have a `rollout`, where `auto_update` says so, within their windows, and for
nothing that is on hold. Moves nobody itself.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from beeyard.application.audit import Audit
from beeyard.application.packages.installer import Installer
from beeyard.application.packages.moves import Move
from beeyard.application.packages.status import PackageStatus
from beeyard.application.packages.versions import Versions, build
from beeyard.application.packages.wishes import Wish, note
from beeyard.application.rollouts import Rollouts
from beeyard.application.supervisor import Supervisor
from beeyard.domain.course import Build
from beeyard.domain.errors import BeeyardError, NotFound, Refused, Unavailable
from beeyard.domain.generations import History, before
from beeyard.domain.packages import Wanted, version, wanted
from beeyard.domain.resolution import Ask
from beeyard.domain.values import instance_of
from beeyard.domain.windows import opened
from beeyard.domain.worker import Worker
from beeyard.ports.clock import Clock
from beeyard.ports.package_manager import Installed

FIRST, PERIOD = 60.0, 600.0
"""Seconds until repositories are asked for something newer the first time, and between two times."""
BY_ITSELF = "auto_update"
"""Who asked for an update, where nobody did."""

log = logging.getLogger("beeyard")

Tell = Callable[[PackageStatus], None]


class Updates:
    """For the groups of one master. `saved` returns once what was noted is saved."""

    def __init__(
        self,
        supervisors: Mapping[str, Supervisor],
        installer: Installer,
        versions: Versions,
        rollouts: Rollouts,
        audit: Audit,
        clock: Clock,
        saved: Callable[[], Awaitable[None]],
    ) -> None:
        self._supervisors = supervisors
        self._installer = installer
        self._versions = versions
        self._rollouts = rollouts
        self._audit = audit
        self._clock = clock
        self._saved = saved

    def groups(self, package: str) -> list[str]:
        """Those that run from a package. Raises NotFound."""
        found = [one.worker for one in self._supervisors.values() if wanted_of(one.worker) == package]
        if not found:
            text, hint = "no worker runs from {package}", "`package:` in the worker file; beeyard package list"
            raise NotFound("package_not_used", text, package=package, hint=hint)
        return list(dict.fromkeys(instance_of(one.id) for one in found))

    async def each(self, groups: Sequence[str], move: Callable[[str], Awaitable[Move]]) -> list[Move]:
        """What becomes of each, one after the other; what went wrong with one is said of that. Raises the first error
        where none of them goes."""
        found: list[Move] = []
        errors: list[BeeyardError] = []
        for group in groups:
            try:
                found.append(await move(group))
            except BeeyardError as error:
                errors.append(error)
                found.append(self._kept(group, error))
        if errors and all(one.why for one in found):
            raise errors[0]
        return found

    async def update(
        self, group: str, to: str, by: str, tell: Tell, *, dry_run: bool = False, restored: bool = False
    ) -> Move:
        """Go to this version (empty: the newest that fits), unless it is there, or was bad and nobody named it.

        Raises:
            Refused: `package_on_hold`; `version_not_wanted`, the worker file asks for others; as `Rollouts.begin`.
            NotFound, Rejected, Untrusted, Unavailable: as `Installer.ensure`.
        """
        worker, asked = self._asked(group)
        self._rollouts.groups.require_free(group)
        source = self._rollouts.groups.source(group)
        if held := self._versions.held(worker):
            text, hint = "{package} is on hold: {held}", f"beeyard package unhold {asked.name}"
            raise Refused("package_on_hold", text, hint=hint, package=asked.name, held=held)
        if to:
            self._require_taken(group, asked, to)
        ask = Ask(Wanted(asked.name, f"=={to}") if to else asked, group, newest=True)
        runs = partial(self._rollouts.groups.source, group)
        # Others of it may be installed, such as one that was bad: what counts is what the group runs.
        onward = bool(to) and version(to) >= version(source.version)
        wish = Wish(beside=bool(asked.channel) or onward, downgrade=bool(to))
        if dry_run:
            _, chosen = await self._installer.resolve([ask], wish)
            found = chosen[asked.name].version
            source = runs(found)
            return Move(group, asked.name, source.version, found, self._against(worker, found, source, to))
        ensured = await self._installer.ensure([ask], wish, tell)
        await note(self._audit, ensured, f"{by} updates {group}")
        target = next(one for one in ensured.packages if one.manifest.name == asked.name)
        source = runs(target.manifest.version)
        why = self._against(worker, target.manifest.version, source, to)
        if not why:
            await self._rollouts.begin(group, target, by, restored=restored)
        return Move(group, asked.name, source.version, target.manifest.version, why)

    async def rollback(self, group: str, to: str, by: str, *, restored: bool = False) -> Move:
        """Go back to this version (empty: the last healthy one before), and try the present one no more by itself.

        Raises:
            Refused: `nothing_before`; `version_not_wanted`; as `Rollouts.begin`.
            NotFound: `package_not_installed`.
        """
        worker, asked = self._asked(group)
        source, history = self._rollouts.groups.source(group, to), self._versions.of(worker)
        if history is not None and not history.course.over and to in ("", history.course.source.version):
            await self._rollouts.steered(group, "abort", by, restored=restored)
            return Move(group, asked.name, history.course.target.version, history.course.source.version)
        if to:
            self._require_taken(group, asked, to)
        found = self._there(asked, source, history, to)
        await self._rollouts.begin(group, found, by, away=f"rolled back by {by}", restored=restored)
        return Move(group, asked.name, source.version, found.manifest.version)

    async def hold(self, package: str, why: str) -> None:
        """Nothing of it is updated from now on, for this reason; empty: it may be again. Raises Unavailable."""
        before = self._versions.holds.get(package, "")
        self._versions.hold(package, why)
        try:
            await self._saved()
        except Unavailable:
            self._versions.hold(package, before)
            raise
        self._rollouts.regrouped()

    async def run(self) -> None:
        """Until cancelled. Paced by the loop itself."""
        await asyncio.sleep(FIRST)
        while True:
            await self.look()
            await asyncio.sleep(PERIOD)

    async def look(self) -> None:
        """Once at every group that may be updated by itself."""
        for group, worker in self._by_themselves().items():
            try:
                found = await self.update(group, "", BY_ITSELF, lambda status: None)
                if not found.why:
                    log.info("%s: %s %s -> %s, by itself", group, found.package, found.source, found.target)
            except BeeyardError as error:
                log.warning("%s: no newer %s could be had: %s", group, wanted_of(worker), error)
            except Exception:
                log.exception("%s can't be updated", group)

    def _by_themselves(self) -> dict[str, Worker]:
        if not self._installer.spec.policies.auto_update:
            return {}
        local = time.localtime(self._clock.now().wall)
        found: dict[str, Worker] = {}
        for supervisor in self._supervisors.values():
            worker = supervisor.worker
            plan, history = worker.spec.rollout, self._versions.of(worker)
            if plan is None or worker.supply is None or not wanted_of(worker) or self._versions.held(worker):
                continue
            if not worker.wanted.on:  # It would go on when somebody starts it, in a window or not.
                continue
            if self._installer.locks(wanted_of(worker)) or (history is not None and not history.course.over):
                continue
            if opened(plan.windows, local.tm_wday, local.tm_hour * 60 + local.tm_min):
                found.setdefault(instance_of(worker.id), worker)
        return found

    def _asked(self, group: str) -> tuple[Worker, Wanted]:
        found = next((one.worker for one in self._supervisors.values() if instance_of(one.worker.id) == group), None)
        if found is None or not found.spec.package:
            raise NotFound("package_not_used", "{worker} runs from no package", worker=group, hint="beeyard ps")
        return found, wanted(found.spec.package)

    def _kept(self, group: str, error: BeeyardError) -> Move:
        """It stays, because that went wrong."""
        try:
            name, source = self._asked(group)[1].name, self._rollouts.groups.source(group).version
        except BeeyardError:  # That it runs from no package may be what went wrong.
            name, source = "", ""
        return Move(group, name, source, "", error.advised, error.code)

    def _against(self, worker: Worker, found: str, source: Build, to: str) -> str:
        """Why it is not gone to."""
        if found == source.version:
            return "it runs already"
        history = self._versions.of(worker)
        known = (
            next((one for one in reversed(history.generations) if one.build.version == found), None)
            if history
            else None
        )
        if not to and known is not None and known.verdict == "bad":
            return f"it is bad: {known.reason}"
        return ""

    def _there(self, asked: Wanted, source: Build, history: History | None, to: str) -> Installed:
        """The installed one to go back to; the best that is older and not known as bad, where that is not there."""
        known = None if history is None else before(history, source.digest)
        fit = [one for one in self._installer.fitting(asked) if one.digest != source.digest]
        if to:
            fit = [one for one in fit if version(one.manifest.version) == version(to)]
        else:
            same = [one for one in fit if known is not None and build(one) == known]
            fit = same or [one for one in fit if version(one.manifest.version) < version(source.version)]
            fit = [one for one in fit if history is None or history.bad(one.digest) is None]
        if not fit:
            text, hint = "there is no {package} to go back to", "beeyard package list; beeyard package update NAME --to"
            raise Refused("nothing_before", text, hint=hint, package=f"{asked.name} {to}".rstrip())
        return fit[0]

    def _require_taken(self, group: str, asked: Wanted, to: str) -> None:
        try:
            version(to)
        except ValueError:
            raise Refused("version_not_wanted", "{to} is not a version", to=to, hint="such as 1.2.3") from None
        if not asked.takes(to):
            text, hint = "{group} asks for {asked}, and {to} is none of these", "change `package:` in the worker file"
            raise Refused("version_not_wanted", text, hint=hint, group=group, asked=str(asked), to=to)


def wanted_of(worker: Worker) -> str:
    """The name of the package that it runs from; empty: none."""
    return worker.spec.package.partition(":")[0]
