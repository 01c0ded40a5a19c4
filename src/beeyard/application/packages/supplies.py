"""Which package each worker runs from; brings it before the first start.

A worker that was installed once starts without a word to any repository; which of the installed ones it takes is known
elsewhere. Before a start that somebody asked for, its repository is asked where a channel or `auto_update` says so, and
a folder is read as it is now. Nothing is started from a package that is damaged, or might be: that is mended first.
"""

import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from msgspec.structs import replace

from beeyard.application.audit import Audit
from beeyard.application.packages.choosing import Choices
from beeyard.application.packages.errands import Errands, Tell
from beeyard.application.packages.installer import Installer
from beeyard.application.packages.readable import crossed
from beeyard.application.packages.status import PackageStatus
from beeyard.application.packages.versions import Versions
from beeyard.application.packages.wishes import Wish, note
from beeyard.domain.errors import BeeyardError, NotFound, Rejected, Unavailable
from beeyard.domain.generations import History
from beeyard.domain.packages import Manifest, Wanted, wanted
from beeyard.domain.resolution import Ask
from beeyard.domain.supply import Supply, probes_of
from beeyard.domain.values import instance_of
from beeyard.domain.worker import Down, Preparing, Worker
from beeyard.ports.clock import Clock
from beeyard.ports.package_manager import Installed
from beeyard.ports.provider import Provider

log = logging.getLogger("beeyard")


class Supplies:
    """For the workers of one master. `look` has a worker looked at again."""

    def __init__(
        self,
        installer: Installer,
        versions: Versions,
        workers: Callable[[], Iterable[Worker]],
        providers: Mapping[str, Provider],
        audit: Audit,
        clock: Clock,
        look: Callable[[str], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._installer = installer
        self._versions = versions
        self._workers = workers
        self._providers = providers
        self._audit = audit
        self._look = look
        self._errands = Errands(clock, spawn, self._look_at_all)
        self._doubted: set[str] = set()
        self._doubts: dict[str, tuple[str, int]] = {}
        self._used: dict[str, tuple[Installed, ...]] = {}
        self._choices = Choices(installer, versions, workers)
        self._asked: dict[str, int] = {}

    def of(self, worker: Worker) -> Supply | str | None:
        """What it is to run from; None if from no package; what it waits for, in words, while that is not there."""
        if not worker.spec.package:
            return None
        asked = wanted(worker.spec.package)
        best, generation = self._choices.best(worker, asked), worker.phase.generation
        run = partial(self._errands.run, anew=self._asked.get(worker.id) != generation)
        self._asked[worker.id] = generation
        if best is None:
            bring = partial(self._look_at if self._choices.follows(asked) else self._bring, worker, asked)
            return run(self._key(worker, asked), f"{asked} is being installed", f"{asked} can't be installed", bring)
        if self._choices.due(worker, asked, best):
            look = partial(self._look_at, worker, asked)
            return run(f"{worker.id} {asked}", f"looks for a newer {asked.name}", "", look)
        if barred := crossed(worker, best.manifest):
            return barred.advised
        if best.digest in self._doubted or best.digest in self._installer.damaged:
            mend = partial(self._mend, worker.id, best)
            return run(best.digest, f"{best} is being repaired", f"{best} can't be repaired", mend)
        return self._supply(worker, best)

    async def require_readable(self, workers: Iterable[Worker]) -> None:
        """Before any of these is restarted, as far as it is known what they start from then: what runs is better than
        what may not. Raises Refused: `epoch_crossed`."""
        for worker in workers:
            if worker.epochs.get(worker.spec.package.partition(":")[0]):
                manifest = await self._next(replace(worker, phase=Down(worker.wanted.generation + 1)))
                if manifest is not None and (barred := crossed(worker, manifest)):
                    raise barred

    async def _next(self, worker: Worker) -> Manifest | None:
        """That of the build which it would be started from; None if nobody can tell."""
        asked = wanted(worker.spec.package)
        best = self._choices.best(worker, asked)
        if best is None or self._choices.renews(asked):
            try:
                ask = Ask(asked, worker.id, newest=self._choices.renews(asked))
                gathered, chosen = await self._installer.resolve([ask], Wish(downgrade=True, beside=True))
                offered = gathered.offered(asked.name, chosen[asked.name].version)
                return None if offered is None else offered[1].manifest
            except BeeyardError as error:
                log.info("%s: what it would be started from nobody says: %s", worker.id, error)
        return None if best is None else best.manifest

    def doubt(self, worker: Worker) -> None:
        """Its executable was not there: what it runs from is looked at before it is started again. Once, for as long as
        nobody asks for another start: what is whole does not get any better."""
        if worker.supply is not None and worker.spec.package:
            doubt = worker.supply.digest, worker.supply.generation
            if self._doubts.get(worker.id) != doubt:
                self._doubts[worker.id] = doubt
                self._doubted.add(worker.supply.digest)

    async def take(self, worker: Worker) -> None:
        """Just before it is started: what it runs from, and with, can't be removed now.

        Raises:
            NotFound: it was.
            Rejected: it turned out to be damaged.
        """
        supply = worker.supply if worker.spec.package else None
        found: list[Installed] = []
        if supply is not None:
            there = {one.digest: one for one in self._installer.installed}
            found = [there[digest] for digest in (supply.digest, *supply.needs) if digest in there]
            if len(found) < 1 + len(supply.needs):
                text, hint = "{package} is not there any more", f"beeyard package install {supply.name}"
                package = f"{supply.name} {supply.version}{', or what it needs,' if supply.needs else ''}"
                raise NotFound("package_not_installed", text, package=package, hint=hint)
            for one in found:
                await self._installer.use(one, worker.id)
        await self._let_go(worker.id, tuple(found))
        if found and found[0].digest in self._installer.damaged:  # Somebody looked since it was chosen.
            text = "{package} is damaged; it is repaired before the next start"
            raise Rejected("package_damaged", text, package=str(found[0]))

    async def let_go(self, worker: str) -> None:
        """There is no such worker any more: what it ran from may be removed."""
        self._choices.forget(worker)
        self._asked.pop(worker, None)
        await self._let_go(worker, ())

    async def _let_go(self, worker: str, instead: tuple[Installed, ...]) -> None:
        before = self._used.pop(worker, ())
        if instead:
            self._used[worker] = instead
        kept = {one.digest for one in instead}
        for one in before:
            if one.digest not in kept:
                with suppress(NotFound):
                    await self._installer.disuse(one, worker)

    def users(self, digest: str) -> list[str]:
        """The workers that run from it, or will when they are started next."""
        return [worker.id for worker in self._workers() if worker.supply is not None and worker.supply.digest == digest]

    def beside(self, digest: str) -> list[str]:
        """The workers that find it beside the package that they run from."""
        return [worker.id for worker in self._workers() if worker.supply is not None and digest in worker.supply.needs]

    def ahead(self, digest: str) -> list[str]:
        """The rollouts that may yet give it to workers, there or back."""
        return [f"the rollout of {group}" for group, one in self._histories().items() if digest in one.ahead]

    def behind(self, digest: str) -> list[str]:
        """The groups that go back to it, or with it, when somebody rolls back what they run."""
        return [group for group, one in self._histories().items() if digest in one.behind]

    def needed(self) -> frozenset[str]:
        """The digests of all packages that workers run from, may have to go back to, or that were installed by hand,
        and of what those need."""
        used = [worker.supply for worker in self._workers() if worker.supply is not None]
        running = [digest for one in used for digest in (one.digest, *one.needs)]
        return self._installer.closure([*running, *self._versions.needed()])

    def progress(self, worker: Worker) -> PackageStatus | None:
        """How it goes on with what this worker waits for, while something comes."""
        if not worker.spec.package or not isinstance(worker.phase, Preparing):
            return None
        asked = wanted(worker.spec.package)
        best = self._choices.best(worker, asked)
        found = self._errands.status(self._key(worker, asked)) if best is None else self._errands.status(best.digest)
        return found or self._errands.status(f"{worker.id} {asked}")

    def retry(self) -> None:
        """Something changed: what could not be had before is tried again at once."""
        self._errands.retry()

    def _histories(self) -> dict[str, History]:
        found = {instance_of(one.id): self._versions.of(one) for one in self._workers()}
        return {group: one for group, one in found.items() if one is not None}

    async def _look_at(self, worker: Worker, asked: Wanted, tell: Tell) -> None:
        """What is installed is good enough where nothing newer, or no word of a channel, can be had."""
        found = None
        try:
            await self._installer.look()
            if self._choices.renews(asked):
                wish = Wish(beside=bool(asked.channel))
                ensured = await self._installer.ensure([Ask(asked, worker.id, newest=True)], wish, tell)
                await note(self._audit, ensured, f"{worker.id} runs from it, and takes the newest")
                found = next(one for one in ensured.packages if one.manifest.name == asked.name)
        except BeeyardError as error:
            if self._choices.best(worker, asked) is None:
                raise
            log.warning("%s: no newer %s could be had: %s", worker.id, asked.name, error)
        self._choices.looked(worker, found)

    def _supply(self, worker: Worker, installed: Installed) -> Supply | str:
        spec, manifest = worker.spec, installed.manifest
        try:
            needs = self._choices.company(worker, installed)
            places = {one.manifest.name: one.path for one in needs}
            provider = self._providers[spec.provider]
            equipment = provider.equip(spec, manifest, installed.path, places, installed.image)
        except BeeyardError as error:
            return error.advised
        return Supply(
            generation=worker.phase.generation,
            name=manifest.name,
            version=manifest.version,
            digest=installed.digest,
            path=installed.path,
            trust=installed.trust,
            run=equipment.run,
            module=equipment.module,
            probes=probes_of(manifest.health_check, spec.endpoints),
            channel=wanted(spec.package).channel,
            needs=tuple(one.digest for one in needs),
            epoch=manifest.epoch,
        )

    async def _bring(self, worker: Worker, asked: Wanted, tell: Tell) -> None:
        """An older one than others run is no downgrade for a worker that ran none that it now must not run."""
        ran = worker.supply if worker.supply is not None and worker.supply.name == asked.name else None
        wish = Wish(downgrade=True, beside=ran is None or asked.takes(ran.version))
        ensured = await self._installer.ensure([Ask(asked, worker.id)], wish, tell)
        await note(self._audit, ensured, f"{worker.id} runs from it")
        if self._choices.best(worker, asked) is None:
            text, hint = "{package} was there, and is not any more", "is it removed by somebody else?"
            raise Unavailable("package_gone", text, package=str(asked), hint=hint)

    async def _mend(self, worker: str, installed: Installed, tell: Tell) -> None:
        damage = await self._installer.repair(installed, tell)
        self._doubted.discard(installed.digest)
        if damage:
            text = f"{worker} could not start from it: {damage[0].path} {damage[0].what}"
            await self._audit.noted("package_repair", text, {"package": str(installed)})

    def _key(self, worker: Worker, asked: Wanted) -> str:
        """What is brought for all who want the same, or, for each who follows a channel, what that names."""
        return f"{worker.id} {asked}" if self._choices.follows(asked) else str(asked)

    def _look_at_all(self) -> None:
        for worker in self._workers():
            if worker.spec.package and isinstance(worker.phase, Preparing):
                self._look(worker.id)
