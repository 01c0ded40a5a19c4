"""Makes packages be there: asks what there is, has versions chosen, and lets managers bring what is missing."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from beeyard.application.feed import Feed
from beeyard.application.packages import locking
from beeyard.application.packages.gathering import Gathered, gather, manager_of, no_repository
from beeyard.application.packages.inventory import Inventory, of
from beeyard.application.packages.shelves import Shelf, shelf
from beeyard.application.packages.status import Meter, PackageStatus
from beeyard.application.packages.turns import Tell, Turns
from beeyard.application.packages.wishes import Ensured, Wish
from beeyard.application.waiting import within
from beeyard.domain.errors import BeeyardError, Refused, Rejected, Unavailable, Untrusted
from beeyard.domain.locked import Lock, Locked
from beeyard.domain.packages import Target, version
from beeyard.domain.resolution import Ask, Resolution
from beeyard.domain.sources import PackagesSpec, RepositorySpec, bound
from beeyard.domain.values import human_duration, human_memory
from beeyard.ports.clock import Clock
from beeyard.ports.host import Facts, Host
from beeyard.ports.package_manager import Installed, Offered, PackageManager
from beeyard.ports.package_store import Damage
from beeyard.ports.resolver import Resolver

PACKAGES = "packages"
"""The fact that keeps the wish."""
TOLD = 0.25
"""Seconds between two words about the same install."""

log = logging.getLogger("beeyard")

How = Literal["there", "fresh", "joined"]
"""How a package came to be there: it was, it was brought, or somebody else brought it meanwhile."""


class _Wished(Struct, frozen=True):
    origin: str
    spec: PackagesSpec


class Installer(Inventory):
    """For one master. `told`: how often anybody was told how an install goes."""

    def __init__(
        self,
        managers: Mapping[str, PackageManager],
        resolver: Callable[[], Resolver],
        host: Host,
        clock: Clock,
        feed: Feed,
    ) -> None:
        super().__init__(managers)
        self.statuses: dict[str, PackageStatus] = {}
        self.told = 0
        self._origin = ""
        self._resolver = resolver
        self._host = host
        self._clock = clock
        self._feed = feed
        self._turns = Turns()
        self._room = asyncio.Semaphore(self.spec.policies.max_concurrent_installs)
        self._told: dict[str, float] = {}

    # --- what is wished ---------------------------------------------------------------------------------------------

    async def wake(self, saved: str | None) -> None:
        """Wish what an earlier master was told to, and sweep what it left half done.

        What is wrong with packages keeps nobody from looking after workers: it is logged, and told to who asks.
        """
        if saved is not None:
            wished = msgspec.json.decode(saved, type=_Wished)
            self.want(wished.spec, wished.origin)
        try:
            for manager in self._managers.values():
                await manager.wake()
            await self.look()
        except BeeyardError as error:
            log.error("packages can't be used: %s", error)

    def concerns(self, spec: PackagesSpec, origin: str) -> bool:
        """Whether a worker file says anything of packages, now or when it was last applied: one file does for all."""
        return spec != PackagesSpec() or origin == self._origin

    def require_managers(self, spec: PackagesSpec) -> None:
        """Raises Refused for a repository whose packages nobody here can bring."""
        for repository in spec.repositories:
            manager_of(self._managers, repository)

    def want(self, spec: PackagesSpec, origin: str) -> None:
        """From now on, as this worker file says."""
        self._origin = origin
        if spec.policies.max_concurrent_installs != self.spec.policies.max_concurrent_installs:
            self._room = asyncio.Semaphore(spec.policies.max_concurrent_installs)
        self.spec = spec

    def saved(self) -> str:
        """The wish, to be kept."""
        return msgspec.json.encode(_Wished(self._origin, self.spec)).decode()

    # --- what can be had --------------------------------------------------------------------------------------------

    async def available(self, name: str) -> list[Offered]:
        """Every build of a package, as its repository says. Raises NotFound, Refused, Unavailable, Untrusted."""
        repository = bound(name, self.spec.repositories)
        if repository is None:
            raise no_repository(name, self.spec)
        found = await manager_of(self._managers, repository).offers(repository, name)
        return sorted(found, key=lambda one: version(one.manifest.version))

    async def shown(self, name: str) -> Shelf:
        """Every build of a package, or those that were last known of. Raises as `available` does."""
        repository = bound(name, self.spec.repositories)
        if repository is None:
            raise no_repository(name, self.spec)
        found = await shelf(self._managers, repository, name)
        return replace(found, offers=sorted(found.offers, key=lambda one: version(one.manifest.version)))

    async def catalog(self) -> list[Shelf]:
        """The packages of each repository that may answer for them, or those that were last known of. Raises
        Unavailable, Untrusted."""
        found = []
        for repository in self.spec.repositories:
            one = await shelf(self._managers, repository)
            names = [name for name in one.names if bound(name, self.spec.repositories) == repository]
            found.append(replace(one, names=names))
        return found

    async def resolve(self, asks: Sequence[Ask], wish: Wish = Wish()) -> tuple[Gathered, Resolution]:  # noqa: B008
        """Which versions would be taken. Raises as `gather` and the resolver do."""
        begun = self._clock.now().mono
        host, lock = await self._facts(), self.spec.locked
        asks = locking.bound_by(lock, asks, host.platform)
        gathered = await gather(
            asks,
            self.spec,
            self._managers,
            locking.kept(lock, asks, await self.look()),
            host.platform,
            host.versions,
            downgrades=wish.beside or (wish.downgrade and self.spec.policies.allow_downgrades),
        )
        self._require_trust(asks, gathered, self.spec)
        found = await asyncio.to_thread(locking.resolved, self._resolver(), gathered, lock)
        self.counts.chose(self._clock.now().mono - begun)
        return found

    async def lock(self, asks: Sequence[Ask], spec: PackagesSpec, renewed: Iterable[str]) -> Lock:
        """The lock of a worker file, made anew for this platform: what it has is kept while it fits and is not to be
        `renewed`. What is installed here does not count, and folders as they stand are in no lock.

        Raises as `resolve` does.
        """
        host, written = await self._facts(), spec.locked
        before = written.without(renewed)
        spec = replace(spec, locked=before)
        builds: list[Locked] = []
        for ask in asks:  # Each on its own: so they are installed.
            ask = locking.pinned(before, ask, host.platform)
            gathered = await gather([ask], spec, self._managers, (), host.platform, host.versions, downgrades=False)
            self._require_trust([ask], gathered, spec)
            question = replace(gathered.question, locked=before.versions(gathered.question.asks, host.platform))
            found = locking.locked(gathered, await asyncio.to_thread(self._resolver().resolve, question))
            builds += [one for one in found if self._managers[gathered.stock[one.name][0].manager].settled]
        return written.renewed(builds, host.platform)

    async def _facts(self) -> Facts:
        facts = await asyncio.to_thread(self._host.facts)
        self._platform = facts.platform
        return facts

    def _require_trust(self, asks: Sequence[Ask], gathered: Gathered, spec: PackagesSpec) -> None:
        required = spec.policies.required_trust
        for ask in asks:
            if (
                (known := gathered.stock.get(ask.wanted.name))
                and known[1]
                and not gathered.question.offered[ask.wanted.name]
            ):
                text = "the trust in {package} from {repository} is `{trust}`, and `{required}` is required"
                hint = "`package_manager.policies.required_trust` of the worker file says how much it has to be"
                fields = {"repository": known[0].name, "package": ask.wanted.name, "trust": known[1][0].trust}
                raise Untrusted("trust_too_low", text, required=required, hint=hint, **fields)

    # --- bringing and taking away -----------------------------------------------------------------------------------

    async def ensure(self, asks: Sequence[Ask], wish: Wish = Wish(), tell: Tell = lambda status: None) -> Ensured:  # noqa: B008
        """Bring what is missing of these packages and of what they need.

        Raises:
            NotFound: `no_repository`.
            Refused: `packages_conflict`, `package_runs_otherwise`, `package_in_two_repositories`, `unknown_manager`.
            Rejected: `package_needs_memory`; as for room on the disk it is the host that says no.
            Untrusted, Rejected, Unavailable: `package_install_timeout`, and what repositories and managers say.
        """
        names = sorted({ask.wanted.name for ask in asks})
        async with self._in_time(names, wish.timeout):
            return await self._ensure(asks, wish, tell)

    @asynccontextmanager
    async def _in_time(self, names: Sequence[str], asked: float | None = None) -> AsyncIterator[None]:
        """What is done for these packages ends; that it failed is kept, for those who ask how it went."""
        allowed = self.spec.policies.installation_timeout
        limit = min(allowed, asked or allowed)
        try:
            try:
                async with within(self._clock, limit):
                    yield
            except TimeoutError:
                text = "{packages} could not be installed within {limit}"
                hint = "what came is kept, and gone on with next time; `installation_timeout` says how long it may take"
                fields = {"packages": ", ".join(names), "limit": human_duration(limit)}
                raise Unavailable("package_install_timeout", text, hint=hint, **fields) from None
        except BeeyardError as error:
            self._failed(names, error)
            raise

    async def _ensure(self, asks: Sequence[Ask], wish: Wish, tell: Tell) -> Ensured:
        gathered, chosen = await self.resolve(asks, wish)
        asked = {ask.wanted.name for ask in asks}
        if wish.target is not None:
            for name in sorted(asked):
                self._require_target(name, chosen[name].version, gathered, wish.target)
        try:
            async with asyncio.TaskGroup() as tasks:  # One that fails ends the others: what they brought is kept.
                works = [
                    tasks.create_task(
                        self._have(name, choice.version, gathered, tell, again=wish.force and name in asked)
                    )
                    for name, choice in chosen.items()
                ]
        except BaseExceptionGroup as failed:
            bugs = (error for error in failed.exceptions if not isinstance(error, BeeyardError))
            raise next(bugs, failed.exceptions[0]) from None
        done = [work.result() for work in works]
        fresh, joined = (tuple(one for one, how in done if how == kind) for kind in ("fresh", "joined"))
        return Ensured(tuple(one for one, _ in done), fresh, chosen, joined)

    def _require_target(self, name: str, chosen: str, gathered: Gathered, target: Target) -> None:
        """Before anything of it comes."""
        found = gathered.offered(name, chosen)
        manifest = self.require(name, f"=={chosen}").manifest if found is None else found[1].manifest
        if lacking := " and ".join(manifest.lacks(target)):
            text = "{package} {version} does not run as {lacking}, only as {types}"
            types = " and ".join(manifest.supported_types) or "what other packages need"
            hint = "ask for that, or for a version that does"
            fields = {"package": name, "version": manifest.version, "lacking": lacking, "types": types}
            raise Refused("package_runs_otherwise", text, hint=hint, **fields)

    async def _have(
        self, name: str, chosen: str, gathered: Gathered, tell: Tell, *, again: bool
    ) -> tuple[Installed, How]:
        """One package, and how it came to be there."""
        before = {one.digest for one in self._installed}
        async with self._turns.turn(name, tell, self.statuses.get(name)) as waited:
            there = [one for one in self._installed if one.manifest.name == name]
            found = gathered.offered(name, chosen)
            same = [
                one
                for one in there
                if of(one) == chosen and self._trusted(one) and (found is None or one.digest == found[1].digest)
            ]
            whole = bool(same) and same[-1].digest not in self.damaged
            if found is None:  # No repository has it any more.
                return self.require(name, f"=={chosen}"), "there"
            if whole and not again:
                return same[-1], "joined" if waited and same[-1].digest not in before else "there"
            repository, offered = found
            self._require_memory(offered)
            return await self._bring(repository, offered, same[-1] if same else None, tell, update=bool(there)), "fresh"

    async def _bring(
        self, repository: RepositorySpec, offered: Offered, there: Installed | None, tell: Tell, *, update: bool
    ) -> Installed:
        """Into what is known to be installed as well: whoever waits for the lock has to see it."""
        manager, manifest = manager_of(self._managers, repository), offered.manifest
        async with self._room:
            meter = Meter(
                manifest.name, manifest.version, offered.size, self._clock, lambda s: self._tell(s, tell), update=update
            )
            try:
                if there is not None:
                    await manager.repair(repository, there, meter.heard)
                    installed = there
                else:
                    installed = await manager.install(repository, offered, meter.heard)
                self.damaged.pop(installed.digest, None)
                await self.look()
            except BaseException as error:
                meter.over("failed", _told_of(error))
                raise
            meter.over("installed")
            self.counts.save(installed.saved)
        if there is not None:  # Then nothing came that was not there before.
            self.changed()
        return installed

    # --- looking after ----------------------------------------------------------------------------------------------

    async def repair(self, installed: Installed, tell: Tell = lambda status: None) -> list[Damage]:
        """Make it whole again, from the repository that it came from. What was mended.

        Raises:
            NotFound: `no_repository`, that is not in the worker file any more.
        """
        name = installed.manifest.name
        async with self._in_time([name]), self._turns.turn(name):
            damage = await self.verify(installed, "digests")
            if not damage:
                return []
            repository = self.home(installed)
            offered = Offered(installed.manifest, repository.name, installed.trust, installed.digest, installed.packed)
            await self._bring(repository, offered, installed, tell, update=True)
        return damage

    def _failed(self, names: Iterable[str], error: BeeyardError) -> None:
        """Also for what never began, or was called off because of it; not for what another asker still brings."""
        self.counts.failed += 1
        for name in names:
            known = self.statuses.get(name)
            if known is not None and known.under_way:
                continue
            if known is None or known.state != "failed":
                known = Meter(name, "", 0, self._clock, lambda status: None, update=False).status
            self._tell(replace(known, state="failed", error=error.advised, eta=None, rate=0.0))

    def _tell(self, status: PackageStatus, tell: Tell = lambda status: None) -> None:
        before, now = self.statuses.get(status.name), self._clock.now()
        self.statuses[status.name] = status
        turned = before is None or before.state != status.state
        waits = before is not None and before.waits != status.waits
        if turned:
            self.counts.turned(status.state, now.wall - status.since, status.done)
        if turned or waits or now.mono - self._told.get(status.name, 0.0) >= TOLD:
            self._told[status.name] = now.mono
            self.told += 1
            self._feed.tell("package", now.wall, lambda: status)
            tell(status)
            self._turns.told(status)

    def _require_memory(self, offered: Offered) -> None:
        need, free = offered.manifest.min_memory, self._host.free_memory()
        if free is not None and need > free:
            text = "{package} needs {need} of free memory, this host has {free}"
            fields = {"package": f"{offered.manifest.name} {offered.manifest.version}"}
            raise Rejected(
                "package_needs_memory",
                text,
                need=human_memory(need),
                free=human_memory(free),
                hint="stop something, or install it where there is more",
                **fields,
            )


def _told_of(error: BaseException) -> str:
    return error.advised if isinstance(error, BeeyardError) else str(error) or "it was called off"
