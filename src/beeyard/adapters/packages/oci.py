"""Images of containers as packages: their layers are fetched by digest, and their files unpacked into a store of its
own, for the process provider to run. What an image is called and holds is known elsewhere.

A package's digest is made of its name, its version and the digest of its image's manifest: so a lock file pins what a
tag meant when it was written, and one image may be several versions. A tag that means something else is another build.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from beeyard.adapters.images.described import build_digest
from beeyard.adapters.images.layers import Layers
from beeyard.domain.errors import NotFound
from beeyard.domain.locked import Locked
from beeyard.domain.packages import Description, Platform, Receipt, Trust
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.fetcher import Fetcher
from beeyard.ports.package_manager import Installed, Offered, Tell
from beeyard.ports.package_store import Damage, Depth, PackageStore, Reclaimed

if TYPE_CHECKING:
    from beeyard.adapters.images.shelf import Shelf, Version


class _Opened(Struct):
    spec: RepositorySpec
    shelf: "Shelf"


class OciManager:
    """Implements ports.package_manager.PackageManager.

    `store` opens the one below `root`, where nothing is made before the first install. `opened` makes what asks the
    registry that a spec describes; one is kept for each name, until its spec changes.
    """

    name = "oci"
    settled = True

    def __init__(
        self,
        root: Path,
        store: Callable[[Path], PackageStore],
        fetcher: Fetcher,
        platform: Platform,
        opened: Callable[[RepositorySpec, Platform], Awaitable["Shelf"]],
    ) -> None:
        self._root = root
        self._open_store = store
        self._kept: PackageStore | None = None
        self._fetcher = fetcher
        self._platform = platform
        self._open = opened
        self._shelves: dict[str, _Opened] = {}
        self._layers = Layers(root, fetcher)

    @property
    def _store(self) -> PackageStore:
        """Raises Unavailable, Invalid."""
        if self._kept is None:
            self._kept = self._open_store(self._root)
        return self._kept

    async def wake(self) -> None:
        def sweep() -> None:
            self._store.recover()
            self._fetcher.sweep()

        if self._root.exists():
            await asyncio.to_thread(sweep)

    async def facts(self, repositories: Sequence[RepositorySpec]) -> list[Installed]:
        return [self._installed(receipt, repositories) for receipt in await self._receipts()]

    async def offers(self, repository: RepositorySpec, package: str) -> list[Offered]:
        shelf = await self._shelf(repository)
        return [_offered(one, repository) for one in await shelf.versions(package)]

    async def former(self, repository: RepositorySpec, locked: Locked) -> Offered | None:
        """Its tag was moved, say. What the tag named then is still there by its digest, unless the registry swept."""
        shelf = await self._shelf(repository)
        found = await shelf.former(locked.name, locked.version, locked.source, locked.digest)
        return _offered(found, repository) if found else None

    async def catalog(self, repository: RepositorySpec) -> list[str]:
        shelf = await self._shelf(repository)
        return [name for name in await shelf.registry.images() if "/" not in name]

    async def remembered(self, repository: RepositorySpec, package: str = "") -> None:
        """A tag may mean something else by now: nothing that was said before is still good."""

    async def install(self, repository: RepositorySpec, offered: Offered, tell: Tell) -> Installed:
        shelf = await self._shelf(repository)
        receipts = [one for one in await self._receipts() if _digest(one.description) == offered.digest]
        known = [one.description.payload.sha256 for one in receipts]
        image = await shelf.build(offered.manifest, offered.digest, known)
        for receipt in receipts:
            if receipt.trust == _trust(repository) and not await self._store.verify(receipt, "receipt"):
                return self._installed(receipt, [repository])
        locked = self._store.locked(offered.manifest.name)
        async with self._layers.unpackable(shelf, image, offered.manifest, tell) as (description, payload), locked:
            receipt = await self._store.install(description, payload, repository.name, _trust(repository))
        return self._installed(receipt, [repository])

    async def use(self, installed: Installed, owner: str) -> None:
        await self._store.use(await self._receipt(installed), owner)

    async def disuse(self, installed: Installed, owner: str) -> None:
        await self._store.disuse(await self._receipt(installed), owner)

    async def hold(self, installed: Installed, why: str) -> Installed:
        receipt = await self._receipt(installed)
        async with self._store.locked(installed.manifest.name):
            held = self._installed(await self._store.hold(receipt, why), ())
        return replace(held, image=installed.image)

    async def verify(self, installed: Installed, depth: Depth) -> list[Damage]:
        return await self._store.verify(await self._receipt(installed), depth)

    async def repair(self, repository: RepositorySpec, installed: Installed, tell: Tell) -> list[Damage]:
        receipt = await self._receipt(installed)
        if not await self._store.verify(receipt, "digests"):
            return []
        shelf = await self._shelf(repository)
        image = await shelf.image(installed.manifest.name, receipt.description.payload.sha256)
        locked = self._store.locked(installed.manifest.name)
        async with self._layers.unpackable(shelf, image, installed.manifest, tell) as (_, payload), locked:
            return await self._store.repair(receipt, payload)

    async def remove(self, installed: Installed) -> None:
        receipt = await self._receipt(installed)
        async with self._store.locked(installed.manifest.name):
            await self._store.remove(receipt)

    async def collect(self, needed: frozenset[str], *, keep: int, dry_run: bool) -> Reclaimed:
        if not self._root.exists():
            return Reclaimed((), 0)
        descriptions = [receipt.description for receipt in await self._receipts()]
        digests = frozenset(one.digest for one in descriptions if _digest(one) in needed)
        return await self._store.collect(digests, keep=keep, dry_run=dry_run)

    async def _shelf(self, spec: RepositorySpec) -> "Shelf":
        known = self._shelves.get(spec.name)
        if known is None or known.spec != spec:
            known = self._shelves[spec.name] = _Opened(spec, await self._open(spec, self._platform))
        return known.shelf

    def _installed(self, receipt: Receipt, repositories: Sequence[RepositorySpec]) -> Installed:
        description = receipt.description
        registries = [_registry(one.url) for one in repositories if one.name == receipt.repository]
        return Installed(
            manifest=description.manifest,
            digest=_digest(description),
            path=self._store.path(receipt),
            manager=self.name,
            repository=receipt.repository,
            trust=receipt.trust,
            size=description.size,
            installed_at=receipt.installed_at,
            held=receipt.held,
            packed=description.payload.size,
            image=f"{registries[0]}/{description.payload.name}" if registries else "",
        )

    async def _receipts(self) -> list[Receipt]:
        return await asyncio.to_thread(self._store.receipts) if self._root.exists() else []

    async def _receipt(self, installed: Installed) -> Receipt:
        for receipt in await self._receipts():
            if _digest(receipt.description) == installed.digest:
                return receipt
        raise NotFound("package_not_installed", "{package} is not installed any more", package=str(installed))


def _offered(found: "Version", repository: RepositorySpec) -> Offered:
    size = found.image.size if found.image else 0
    trust = _trust(repository)
    return Offered(found.manifest, repository.name, trust, digest=found.digest, size=size, source=found.source)


def _digest(description: Description) -> str:
    """Of the package that an image is under this name."""
    return build_digest(description.manifest.name, description.manifest.version, description.payload.sha256)


def _registry(url: str) -> str:
    """As an engine of containers calls it."""
    named = urlsplit(url).netloc.rpartition("@")[2]
    return "docker.io" if named == "registry-1.docker.io" else named


def _trust(repository: RepositorySpec) -> Trust:
    """How far it is known that an image is what its publisher made."""
    return "signature" if repository.trust == "cosign" else "checksum"
