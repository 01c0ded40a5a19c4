"""Distributions of Python as packages: wheels are fetched by digest, with all that they need, and become an environment
in a store of its own. Which wheels there are and go together is known elsewhere.

A package's digest is made of those of all its wheels and of the Python that they are for: so a lock file pins each of
them, and what a distribution needs may be newer the next time, as another build. An install runs no code of a wheel.
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from beeyard.adapters.fetcher import FolderFetcher
from beeyard.adapters.means import PackageMeans
from beeyard.adapters.opened import Opened
from beeyard.adapters.stored import Stored
from beeyard.adapters.wheels.environments import Environments
from beeyard.domain.errors import Refused
from beeyard.domain.locked import Locked
from beeyard.domain.packages import Description, Receipt, Trust
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.fetcher import Fetcher
from beeyard.ports.package_manager import Installed, Offered, Tell
from beeyard.ports.package_store import Damage, Depth, PackageStore

if TYPE_CHECKING:
    from beeyard.adapters.wheels.shelf import Shelf, Version

TRUST: Trust = "checksum"
"""An index vouches for what it lists by digest, and nobody for the index."""


class PythonManager(Stored):
    """Implements ports.package_manager.PackageManager.

    `store` opens the one below `root`, where nothing is made before the first install. `opened` makes what asks the
    index that a spec describes; one is kept for each name, until its spec changes.
    """

    name = "python"
    settled = True

    def __init__(
        self,
        root: Path,
        store: Callable[[Path], PackageStore],
        fetcher: Fetcher,
        opened: Callable[[RepositorySpec], Awaitable["Shelf"]],
    ) -> None:
        super().__init__(root, store, fetcher)
        self._shelves = Opened(opened)
        self._environments = Environments(root, fetcher)

    @classmethod
    def made(cls, means: PackageMeans) -> "PythonManager":
        """As a master has it."""
        root = means.root / cls.name
        fetcher = FolderFetcher(root / "dl")

        async def opened(spec: RepositorySpec) -> "Shelf":
            from beeyard.adapters.wheels.opening import opened  # Only who has wheels needs what asks for them.

            return await opened(await means.shown(spec), means.platform, means.resolver(), fetcher)

        def store(root: Path) -> PackageStore:
            from beeyard.adapters.package_store import FolderStore
            from beeyard.adapters.wheels.unpacking import unpack

            return FolderStore(root, unpack)

        return cls(root, store, fetcher, opened)

    async def facts(self, repositories: Sequence[RepositorySpec]) -> list[Installed]:
        return [self._installed(receipt) for receipt in await self._receipts()]

    async def offers(self, repository: RepositorySpec, package: str) -> list[Offered]:
        shelf = await self._shelves.get(repository)
        return [_offered(one, repository) for one in await shelf.versions(package)]

    async def former(self, repository: RepositorySpec, locked: Locked) -> Offered | None:
        """What it needs is newer by now, say. The wheels that were locked are still there, as a rule."""
        shelf = await self._shelves.get(repository)
        found = await shelf.former(locked.name, locked.version, locked.source, locked.digest)
        return _offered(found, repository) if found else None

    async def catalog(self, repository: RepositorySpec) -> list[str]:
        return await (await self._shelves.get(repository)).names()

    async def remembered(self, repository: RepositorySpec, package: str = "") -> None:
        """Nothing of what an index said is kept."""

    async def install(self, repository: RepositorySpec, offered: Offered, tell: Tell) -> Installed:
        for receipt in await self._receipts():
            if self._digest(receipt.description) == offered.digest and not await self._store.verify(receipt, "receipt"):
                await self._environments.forget(offered.source)
                return self._installed(receipt)
        shelf, manifest, store = await self._shelves.get(repository), offered.manifest, self._store
        version = await shelf.build(manifest.name, manifest.version, offered.source, offered.digest)
        locked = store.locked(manifest.name)
        async with self._environments.unpackable(shelf, version, tell) as (description, payload), locked:
            receipt = await store.install(description, payload, repository.name, TRUST)
        return self._installed(receipt)

    async def verify(self, installed: Installed, depth: Depth) -> list[Damage]:
        receipt = await self._receipt(installed)
        return _without_python(receipt) or await self._store.verify(receipt, depth)

    async def repair(self, repository: RepositorySpec, installed: Installed, tell: Tell) -> list[Damage]:
        receipt = await self._receipt(installed)
        if not await self.verify(installed, "digests"):
            await self._environments.forget(receipt.description.payload.name)
            return []
        shelf, manifest, written = await self._shelves.get(repository), installed.manifest, receipt.description
        version = await shelf.build(manifest.name, manifest.version, written.payload.name, installed.digest)
        locked = self._store.locked(manifest.name)
        async with self._environments.unpackable(shelf, version, tell) as (description, payload), locked:
            if description.digest != written.digest:
                raise _other_python(installed, receipt)
            return await self._store.repair(receipt, payload)

    def _digest(self, description: Description) -> str:
        """Of the build, not of its files: where Python lies on this host is among those."""
        return description.payload.sha256


def _offered(found: "Version", repository: RepositorySpec) -> Offered:
    return Offered(
        found.manifest,
        repository.name,
        TRUST,
        digest=found.digest,
        size=found.size,
        yanked=found.yanked,
        source=found.source,
    )


def _python(receipt: Receipt) -> str:
    return next(entry.link for entry in receipt.description.files if entry.link.startswith("/"))


def _without_python(receipt: Receipt) -> list[Damage]:
    """The Python that it runs on does not belong to it, and may be gone."""
    return [] if os.access(_python(receipt), os.X_OK) else [Damage("bin/python", "link")]


def _other_python(installed: Installed, receipt: Receipt) -> Refused:
    text = "{package} can't be mended: it is for the Python {python}, and the repository says another one now"
    hint = "install that Python again, or uninstall the package and install it anew"
    return Refused("python_changed", text, hint=hint, package=str(installed), python=_python(receipt))
