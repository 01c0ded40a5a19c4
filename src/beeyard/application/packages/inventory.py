"""What is installed on one host: known at any moment without a look at the disk, which a `look` brings up to date.

Knows what may be run, what is damaged, and what needs what; brings nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

from beeyard.application.packages.counts import Counts
from beeyard.domain.errors import NotFound
from beeyard.domain.packages import PaperKind, Wanted, needed_range, version
from beeyard.domain.sources import PackagesSpec, RepositorySpec, enough
from beeyard.ports.package_manager import Installed, Offered, PackageManager, Papers, Serves
from beeyard.ports.package_store import Damage, Depth, Reclaimed


class Inventory:
    """For one master. `managers` by name; whoever is told of changes sets `changed`."""

    def __init__(self, managers: Mapping[str, PackageManager]) -> None:
        self.spec = PackagesSpec()
        self.damaged: dict[str, list[Damage]] = {}
        self.counts = Counts()
        self.changed: Callable[[], None] = lambda: None
        self._managers = dict(managers)
        self._platform = ""  # Known once there was something to choose.
        self._installed: tuple[Installed, ...] = ()
        self._looking = asyncio.Lock()

    async def employ(self, manager: PackageManager) -> None:
        """From now on this one too, in the place of any of its name. Raises what it can't be woken for."""
        await manager.wake()
        self._managers[manager.name] = manager
        await self.look()

    async def look(self) -> tuple[Installed, ...]:
        """All that is installed, as the disk says now."""
        async with self._looking:  # Or a look that began before a change could end after one that saw it.
            found: list[Installed] = []
            for manager in self._managers.values():
                found += await manager.facts(self.spec.repositories)
            before, digests = self._installed, {one.digest for one in found}
            self._installed = tuple(sorted(found, key=lambda one: (one.manifest.name, version(one.manifest.version))))
            self.damaged = {digest: damage for digest, damage in self.damaged.items() if digest in digests}
        if self._installed != before:
            self.changed()
        return self._installed

    @property
    def installed(self) -> tuple[Installed, ...]:
        """By name, oldest version first, as of the last look."""
        return self._installed

    def fitting(self, wanted: Wanted) -> list[Installed]:
        """What is installed of it, the best first, that may be run."""
        return [one for one in self.candidates(wanted) if one.digest not in self.damaged]

    def candidates(self, wanted: Wanted) -> list[Installed]:
        """What is installed of it, the best first, whole or not. Old trust is no reason to run what is not trusted
        enough any more."""
        found = [
            one
            for one in self._installed
            if one.manifest.name == wanted.name and wanted.takes(one.manifest.version) and self._trusted(one)
        ]
        return sorted(found, key=lambda one: (not version(one.manifest.version).is_prerelease, _age(one)), reverse=True)

    def _trusted(self, one: Installed) -> bool:
        return enough(one.trust, self.spec.policies.required_trust)

    def as_locked(self, wanted: Wanted, found: list[Installed]) -> list[Installed]:
        """Of these, the builds that the lock has of it; all of them, if it does not name it."""
        builds = self.spec.locked.builds(wanted.name, self._platform)
        digests = {one.digest for one in builds if not wanted.channel or wanted.channel in one.channels}
        return [one for one in found if not builds or one.digest in digests]

    def locks(self, name: str) -> bool:
        """Whether the lock names a package."""
        return any(one.name == name for one in self.spec.locked.packages)

    def settled(self, one: Installed) -> bool:
        """Whether it stays as it is, once it is installed."""
        return self._managers[one.manager].settled

    def require(self, name: str, range: str = "") -> Installed:
        """The newest one that is installed. Raises NotFound."""
        found = [one for one in self._installed if one.manifest.name == name and Wanted(name, range).takes(of(one))]
        if not found:
            wanted = Wanted(name, range)
            text, hint = "{package} is not installed", "beeyard package list"
            raise NotFound("package_not_installed", text, package=str(wanted) if range else name, hint=hint)
        return found[-1]

    def closure(self, digests: Iterable[str]) -> frozenset[str]:
        """These packages and those that somebody wants to keep, with all that they need. Raises Invalid."""
        known = {one.digest: one for one in self._installed}
        queue = [*digests, *(one.digest for one in self._installed if one.held)]
        for digest in queue:  # It grows while it is read.
            if digest not in known:
                continue
            manifest = known[digest].manifest
            for need in manifest.dependencies:
                found = self.candidates(Wanted(need.name, needed_range(manifest, need)))[:1]
                queue += [one.digest for one in found if one.digest not in queue]
        return frozenset(queue)

    async def remove(self, installed: Installed) -> None:
        """Raises Refused while something runs from it."""
        await self._managers[installed.manager].remove(installed)
        await self.look()

    async def hold(self, installed: Installed, why: str) -> Installed:
        """Note why it stays although no worker needs it; empty: it need not."""
        found = await self._managers[installed.manager].hold(installed, why)
        await self.look()
        return found

    async def collect(self, needed: frozenset[str], *, keep: int, dry_run: bool) -> Reclaimed:
        """Remove what nobody needs."""
        found = [await manager.collect(needed, keep=keep, dry_run=dry_run) for manager in self._managers.values()]
        await self.look()
        return Reclaimed(tuple(one for part in found for one in part.packages), sum(part.size for part in found))

    async def use(self, installed: Installed, owner: str) -> None:
        """Keep it from being removed. Raises NotFound if it was removed meanwhile."""
        async with self._there():
            await self._managers[installed.manager].use(installed, owner)

    async def disuse(self, installed: Installed, owner: str) -> None:
        """This owner does not use it any more."""
        async with self._there():
            await self._managers[installed.manager].disuse(installed, owner)

    @asynccontextmanager
    async def _there(self) -> AsyncIterator[None]:
        """What others removed is not thought to be installed any longer than until somebody finds out."""
        try:
            yield
        except NotFound:
            await self.look()
            raise

    def home(self, one: Installed | Offered) -> RepositorySpec:
        """Where it came from, or is to come from. Raises NotFound: `no_repository`, that is not in the worker file."""
        found = next((known for known in self.spec.repositories if known.name == one.repository), None)
        if found is None:
            text, hint = "{package} came from {repository}, which is no repository any more", "write it back"
            package = f"{one.manifest.name} {one.manifest.version}"
            raise NotFound("no_repository", text, hint=hint, package=package, repository=one.repository)
        return found

    async def paper(self, one: Installed | Offered, kind: PaperKind) -> bytes | None:
        """A paper of it, from its repository and its own for sure; None: it has none. Raises as `Papers.paper` does."""
        repository = self.home(one)
        manager: object = self._managers.get(repository.manager)
        return await manager.paper(repository, one.digest, kind) if isinstance(manager, Papers) else None

    async def served(self, sha256: str) -> str | None:
        """The path of a file that is kept for neighbours; None: there is none with this digest."""
        for manager in self._managers.values():
            if (
                isinstance(manager, Serves)
                and (found := await manager.served(self.spec.repositories, sha256)) is not None
            ):
                return found
        return None

    async def verify(self, installed: Installed, depth: Depth) -> list[Damage]:
        """What is wrong with it; nothing of that is started any more until it is repaired."""
        async with self._there():
            damage = await self._managers[installed.manager].verify(installed, depth)
        self.counts.checks += 1
        if damage:
            self.counts.corrupted += installed.digest not in self.damaged
            self.damaged[installed.digest] = damage
        elif depth == "digests":
            self.damaged.pop(installed.digest, None)
        return damage


def of(installed: Installed) -> str:
    """Its version."""
    return installed.manifest.version


def _age(installed: Installed) -> tuple[object, float]:
    return version(installed.manifest.version), installed.installed_at
