"""Which package each worker runs from; brings it before the first start.

A worker that was installed once starts without a word to any repository. An automatic restart takes the very build
that ran before; a start that somebody asked for takes the newest one installed that fits, of those that the lock has;
with `auto_update` a newer one is looked for before. Nothing is started from a package that is damaged, or might be:
that is mended first.
"""

import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from beeyard.application.audit import Audit
from beeyard.application.packages.errands import Errands, Tell
from beeyard.application.packages.installer import Installer
from beeyard.application.packages.status import PackageStatus
from beeyard.application.packages.wishes import Wish, note
from beeyard.domain.errors import BeeyardError, NotFound, Rejected, Unavailable
from beeyard.domain.packages import Wanted, wanted
from beeyard.domain.resolution import Ask
from beeyard.domain.supply import Supply, probes_of
from beeyard.domain.worker import Preparing, Worker
from beeyard.ports.clock import Clock
from beeyard.ports.package_manager import Installed
from beeyard.ports.provider import Provider

log = logging.getLogger("beeyard")


class Supplies:
    """For the workers of one master. `look` has a worker looked at again."""

    def __init__(
        self,
        installer: Installer,
        workers: Callable[[], Iterable[Worker]],
        providers: Mapping[str, Provider],
        audit: Audit,
        clock: Clock,
        look: Callable[[str], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._installer = installer
        self._workers = workers
        self._providers = providers
        self._audit = audit
        self._look = look
        self._errands = Errands(clock, spawn, self._look_at_all)
        self._doubted: set[str] = set()
        self._doubts: dict[str, tuple[str, int]] = {}
        self._used: dict[str, Installed] = {}
        self._renewed: dict[str, int] = {}

    def of(self, worker: Worker) -> Supply | str | None:
        """What it is to run from; None if from no package; what it waits for, in words, while that is not there."""
        if not worker.spec.package:
            return None
        asked = wanted(worker.spec.package)
        best = self._best(worker, asked)
        if best is None:
            bring = partial(self._bring, worker, asked)
            return self._errands.run(str(asked), f"{asked} is being installed", f"{asked} can't be installed", bring)
        if self._may_be_old(worker, asked):
            renew = partial(self._renew, worker.id, worker.phase.generation, asked)
            return self._errands.run(f"{worker.id} {asked}", f"looks for a newer {asked.name}", "", renew)
        if best.digest in self._doubted or best.digest in self._installer.damaged:
            mend = partial(self._mend, worker.id, best)
            return self._errands.run(best.digest, f"{best} is being repaired", f"{best} can't be repaired", mend)
        return self._supply(worker, best)

    def doubt(self, worker: Worker) -> None:
        """Its executable was not there: what it runs from is looked at before it is started again. Once, for as long as
        nobody asks for another start: what is whole does not get any better."""
        if worker.supply is not None and worker.spec.package:
            doubt = worker.supply.digest, worker.supply.generation
            if self._doubts.get(worker.id) != doubt:
                self._doubts[worker.id] = doubt
                self._doubted.add(worker.supply.digest)

    async def take(self, worker: Worker) -> None:
        """Just before it is started: what it runs from can't be removed now.

        Raises:
            NotFound: it was.
            Rejected: it turned out to be damaged.
        """
        supply = worker.supply if worker.spec.package else None
        found = None
        if supply is not None:
            found = next((one for one in self._installer.installed if one.digest == supply.digest), None)
            if found is None:
                text, hint = "{package} is not there any more", f"beeyard package install {supply.name}"
                package = f"{supply.name} {supply.version}"
                raise NotFound("package_not_installed", text, package=package, hint=hint)
            await self._installer.use(found, worker.id)
        await self.let_go(worker.id, found)
        if found is not None and found.digest in self._installer.damaged:  # Somebody looked since it was chosen.
            text = "{package} is damaged; it is repaired before the next start"
            raise Rejected("package_damaged", text, package=str(found))

    async def let_go(self, worker: str, instead: Installed | None = None) -> None:
        """It runs no more from what it ran from before: that may be removed."""
        before = self._used.pop(worker, None)
        if instead is not None:
            self._used[worker] = instead
        if before is not None and (instead is None or before.digest != instead.digest):
            with suppress(NotFound):
                await self._installer.disuse(before, worker)

    def users(self, digest: str) -> list[str]:
        """The workers that run from it, or will when they are started next."""
        return [worker.id for worker in self._workers() if worker.supply is not None and worker.supply.digest == digest]

    def needed(self) -> frozenset[str]:
        """The digests of all packages that workers run from, or that were installed by hand, and of what those need."""
        return self._installer.closure(worker.supply.digest for worker in self._workers() if worker.supply is not None)

    def progress(self, worker: Worker) -> PackageStatus | None:
        """How it goes on with what this worker waits for, while something comes."""
        if not worker.spec.package or not isinstance(worker.phase, Preparing):
            return None
        asked = wanted(worker.spec.package)
        best = self._best(worker, asked)
        return self._errands.status(str(asked) if best is None else best.digest)

    def retry(self) -> None:
        """Something changed: what could not be had before is tried again at once."""
        self._errands.retry()

    def _best(self, worker: Worker, asked: Wanted) -> Installed | None:
        """The one to start from, whole or not."""
        found, before = self._installer.candidates(asked), worker.supply
        if before is not None and before.generation == worker.phase.generation:
            for one in found:
                if one.digest == before.digest:
                    return one
        return next(iter(self._installer.as_locked(asked, found)), None)

    def _may_be_old(self, worker: Worker, asked: Wanted) -> bool:
        """Whether a newer one is to be looked for first: once for each start that somebody asked for."""
        spec, generation = self._installer.spec, worker.phase.generation
        begun = worker.supply is not None and worker.supply.generation == generation
        fixed = any(one.name == asked.name for one in spec.locked.packages)
        return spec.policies.auto_update and not begun and not fixed and self._renewed.get(worker.id) != generation

    async def _renew(self, worker: str, generation: int, asked: Wanted, tell: Tell) -> None:
        """What is installed is good enough where nothing newer can be had."""
        try:
            ensured = await self._installer.ensure([Ask(asked, worker, newest=True)], Wish(), tell)
            await note(self._audit, ensured, f"{worker} runs from it, and takes the newest")
        except BeeyardError as error:
            log.warning("%s: no newer %s could be had: %s", worker, asked.name, error)
        self._renewed[worker] = generation

    def _supply(self, worker: Worker, installed: Installed) -> Supply | str:
        spec, manifest = worker.spec, installed.manifest
        try:
            run = self._providers[spec.provider].equip(spec, manifest, installed.path)
        except BeeyardError as error:
            return f"{installed}: {error}"
        return Supply(
            generation=worker.phase.generation,
            name=manifest.name,
            version=manifest.version,
            digest=installed.digest,
            path=installed.path,
            trust=installed.trust,
            run=run,
            probes=probes_of(manifest.health_check, spec.endpoints),
        )

    async def _bring(self, worker: Worker, asked: Wanted, tell: Tell) -> None:
        """An older one than others run is no downgrade for a worker that ran none that it now must not run."""
        ran = worker.supply if worker.supply is not None and worker.supply.name == asked.name else None
        wish = Wish(downgrade=True, beside=ran is None or asked.takes(ran.version))
        ensured = await self._installer.ensure([Ask(asked, worker.id)], wish, tell)
        await note(self._audit, ensured, f"{worker.id} runs from it")
        if self._best(worker, asked) is None:
            text, hint = "{package} was there, and is not any more", "is it removed by somebody else?"
            raise Unavailable("package_gone", text, package=str(asked), hint=hint)

    async def _mend(self, worker: str, installed: Installed, tell: Tell) -> None:
        damage = await self._installer.repair(installed, tell)
        self._doubted.discard(installed.digest)
        if damage:
            text = f"{worker} could not start from it: {damage[0].path} {damage[0].what}"
            await self._audit.noted("package_repair", text, {"package": str(installed)})

    def _look_at_all(self) -> None:
        for worker in self._workers():
            if worker.spec.package and isinstance(worker.phase, Preparing):
                self._look(worker.id)
