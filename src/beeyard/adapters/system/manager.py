"""Packages of a distribution's repositories: unpacked into a store of our own, several versions side by side, or put
into the system by the tool that belongs to it. Which tool that is, is not known here.
"""

import asyncio
import os
import shutil
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from beeyard.adapters.fetcher import FolderFetcher
from beeyard.adapters.images.described import build_digest
from beeyard.adapters.images.store import store
from beeyard.adapters.means import PackageMeans
from beeyard.adapters.package_store.locks import waited
from beeyard.adapters.stored import Stored
from beeyard.adapters.system.build import Build, Tool
from beeyard.adapters.system.package_files import PackageFiles
from beeyard.adapters.system.reading import ROOM
from beeyard.adapters.system.within import Within
from beeyard.domain.errors import NotFound, Refused
from beeyard.domain.locked import Locked
from beeyard.domain.packages import Description, Manifest, Platform, Trust, runs_on
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.fetcher import Fetcher
from beeyard.ports.package_manager import Installed, Offered, Tell
from beeyard.ports.package_store import Damage, Depth, PackageStore

PATIENCE = 300.0
"""Seconds that another process may ask the same repository."""


class SystemManager(Stored):
    """Implements ports.package_manager.PackageManager, with a tool. `shown` fills in what a repository wants to see;
    `system`: where the host's own packages are."""

    name: str
    settled = True

    def __init__(
        self,
        root: Path,
        store: Callable[[Path], PackageStore],
        fetcher: Fetcher,
        platform: Platform,
        shown: Callable[[RepositorySpec], Awaitable[RepositorySpec]],
        system: str = "/",
    ) -> None:
        super().__init__(root, store, fetcher)
        self._platform = platform
        self._shown = shown
        self._tool = tool = self.tool(system)
        self._files = PackageFiles(root, fetcher, tool)
        self._within = Within(self.name, root / "within.json", tool)
        self._builds: dict[tuple[str, str], Build] = {}

    @classmethod
    def made(cls, means: PackageMeans) -> Self:
        """As a master has it."""
        root = means.root / cls.name
        return cls(root, store, FolderFetcher(root / "dl"), means.platform, means.shown)

    @abstractmethod
    def tool(self, system: str) -> Tool:
        """That of the distribution, for the packages of this place."""

    async def wake(self) -> None:
        await asyncio.to_thread(self._sweep)
        await super().wake()

    def _sweep(self) -> None:
        for left in (*self._root.glob("*.tar"), *self._root.glob("*.plan")):
            left.unlink(missing_ok=True)
        for room in self._root.glob(f"*.{ROOM}"):
            shutil.rmtree(room, ignore_errors=True)

    async def facts(self, repositories: Sequence[RepositorySpec]) -> list[Installed]:
        return [self._installed(receipt) for receipt in await self._receipts()] + await self._within.facts()

    async def offers(self, repository: RepositorySpec, package: str) -> list[Offered]:
        found = await self._asked(repository, package)
        known = {one.digest: one.manifest for one in await self.facts([repository])}
        return [self._offered(build, repository, known) for build in found]

    async def former(self, repository: RepositorySpec, locked: Locked) -> Offered | None:
        """All that it has it offers."""
        return None

    async def catalog(self, repository: RepositorySpec) -> list[str]:
        spec, folder = await self._opened(repository)
        async with waited(folder / "lock", patience=PATIENCE):
            await self._tool.refresh(spec, folder)
            return sorted(await self._tool.names(spec, folder))

    async def remembered(self, repository: RepositorySpec, package: str = "") -> None:
        """Whether an index is still good is known to its tool alone, which asks the repository first."""

    async def install(self, repository: RepositorySpec, offered: Offered, tell: Tell) -> Installed:
        if (repository.name, offered.digest) not in self._builds:
            await self._asked(repository, offered.manifest.name)
        if (build := self._builds.get((repository.name, offered.digest))) is None:
            text, hint = "{repository} has no {package} any more", "ask again"
            package = f"{offered.manifest.name} {offered.manifest.version}"
            raise NotFound("package_changed", text, hint=hint, package=package, repository=repository.name)
        spec, folder = await self._opened(repository)
        if not _unpacked(spec):
            async with waited(folder / "lock", patience=PATIENCE):
                return await self._within.install(spec, folder, build, _trust(spec), tell)
        for receipt in await self._receipts():
            same = self._digest(receipt.description) == offered.digest and receipt.trust == _trust(repository)
            if same and not await self._store.verify(receipt, "receipt"):
                await self._files.forget(build.sha256)
                return self._installed(receipt)
        async with waited(folder / "lock", patience=PATIENCE):
            await self._check_needs(spec, folder, build)
        locked = self._store.locked(build.name)
        async with self._files.unpackable(build, spec.credentials, tell) as (description, payload), locked:
            return self._installed(await self._store.install(description, payload, spec.name, _trust(spec)))

    async def use(self, installed: Installed, owner: str) -> None:
        if self._within.has(installed):
            await self._within.check(installed)
            self._within.use(installed, owner)
        else:
            await super().use(installed, owner)

    async def disuse(self, installed: Installed, owner: str) -> None:
        if self._within.has(installed):
            self._within.disuse(installed, owner)
        else:
            await super().disuse(installed, owner)

    async def hold(self, installed: Installed, why: str) -> Installed:
        if self._within.has(installed):
            return self._within.hold(installed, why)
        return await super().hold(installed, why)

    async def verify(self, installed: Installed, depth: Depth) -> list[Damage]:
        if self._within.has(installed):
            return await self._within.verify(installed, depth)
        return await super().verify(installed, depth)

    async def repair(self, repository: RepositorySpec, installed: Installed, tell: Tell) -> list[Damage]:
        if not (damage := await self.verify(installed, "digests")):
            if not self._within.has(installed):
                await self._files.forget((await self._receipt(installed)).description.payload.sha256)
            return []
        build = await self._again(repository, installed)
        spec, folder = await self._opened(repository)
        if self._within.has(installed):
            async with waited(folder / "lock", patience=PATIENCE):
                await self._tool.install(spec, folder, build, tell, again=True)
            return damage
        receipt = await self._receipt(installed)
        locked = self._store.locked(installed.manifest.name)
        async with self._files.unpackable(build, spec.credentials, tell) as (_, payload), locked:
            return await self._store.repair(receipt, payload)

    async def remove(self, installed: Installed) -> None:
        if self._within.has(installed):
            await self._within.remove(installed)
        else:
            await super().remove(installed)

    async def _asked(self, repository: RepositorySpec, package: str) -> Sequence[Build]:
        """As the repository says it now."""
        spec, folder = await self._opened(repository)
        async with waited(folder / "lock", patience=PATIENCE):
            await self._tool.refresh(spec, folder)
            found = await self._tool.builds(spec, folder, package)
        for build in found:
            self._builds[spec.name, self._digest_of(build, spec)] = build
        return found

    async def _again(self, repository: RepositorySpec, installed: Installed) -> Build:
        for build in await self._asked(repository, installed.manifest.name):
            if self._digest_of(build, repository) == installed.digest:
                return build
        text, hint = "{repository} has no {package} any more", "install another version of it"
        raise NotFound("package_gone", text, hint=hint, repository=repository.name, package=str(installed))

    async def _check_needs(self, spec: RepositorySpec, folder: Path, build: Build) -> None:
        """Raises Refused: what is unpacked finds what it needs in the system, or does not run."""
        change = await self._tool.change(spec, folder, build)
        if missing := sorted({*change.new, *change.changed} - {build.name}):
            text = "{package} needs what is not on this host: {missing}"
            hint = "install that by the host's own means, or without `unpacked: true` as root"
            package = f"{build.name} {build.version}"
            raise Refused("system_needs", text, hint=hint, package=package, missing=", ".join(missing))

    async def _opened(self, repository: RepositorySpec) -> tuple[RepositorySpec, Path]:
        """With its secrets, and its own folder, which nobody else reads."""
        folder = self._root / "repositories" / repository.name
        await asyncio.to_thread(folder.mkdir, 0o700, parents=True, exist_ok=True)
        return await self._shown(repository), folder

    def _offered(self, build: Build, spec: RepositorySpec, known: Mapping[str, Manifest]) -> Offered:
        """What is installed is known better: its files say which program there is."""
        digest = self._digest_of(build, spec) if runs_on(build.platform, self._platform) else ""
        return Offered(
            known.get(digest, build.manifest),
            spec.name,
            _trust(spec),
            digest=digest,
            size=build.size,
            yanked=build.yanked,
        )

    def _digest_of(self, build: Build, spec: RepositorySpec) -> str:
        if not _unpacked(spec):
            return self._within.digest(build.name, build.theirs)
        return build_digest(build.name, build.version, build.sha256)

    def _digest(self, description: Description) -> str:
        return build_digest(description.manifest.name, description.manifest.version, description.payload.sha256)


def _unpacked(spec: RepositorySpec) -> bool:
    """Only root may change the system."""
    return spec.unpacked or os.geteuid() != 0


def _trust(spec: RepositorySpec) -> Trust:
    """How far it is known that a package is what its publisher made."""
    return "signature" if spec.trust == "gpg" else "checksum"
