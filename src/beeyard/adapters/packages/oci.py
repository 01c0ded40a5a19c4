"""Images of containers as packages: their layers are fetched by digest, and their files unpacked into a store of its
own, for the process provider to run. What an image is called and holds is known elsewhere.

A package's digest is made of its name, its version and the digest of its image's manifest: so a lock file pins what a
tag meant when it was written, and one image may be several versions. A tag that means something else is another build.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec.structs import replace

from beeyard.adapters.fetcher import FolderFetcher
from beeyard.adapters.images.described import build_digest
from beeyard.adapters.images.layers import Layers
from beeyard.adapters.images.store import store
from beeyard.adapters.means import PackageMeans
from beeyard.adapters.opened import Opened
from beeyard.adapters.stored import Stored
from beeyard.domain.locked import Locked
from beeyard.domain.packages import Description, Receipt, Trust
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.fetcher import Fetcher
from beeyard.ports.package_manager import Installed, Offered, Tell
from beeyard.ports.package_store import Damage, PackageStore

if TYPE_CHECKING:
    from beeyard.adapters.images.shelf import Shelf, Version


class OciManager(Stored):
    """Implements ports.package_manager.PackageManager.

    `opened` makes what asks the registry that a spec describes; one is kept for each name, until its spec changes.
    """

    name = "oci"
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
        self._layers = Layers(root, fetcher)

    @classmethod
    def made(cls, means: PackageMeans) -> "OciManager":
        """As a master has it."""

        async def opened(spec: RepositorySpec) -> "Shelf":
            from beeyard.adapters.images.registry import Registry  # Only who has images needs what asks for them.
            from beeyard.adapters.images.shelf import Shelf

            return Shelf(spec, Registry(await means.shown(spec)), means.platform)

        root = means.root / cls.name
        return cls(root, store, FolderFetcher(root / "dl"), opened)

    async def facts(self, repositories: Sequence[RepositorySpec]) -> list[Installed]:
        return [self._pullable(receipt, repositories) for receipt in await self._receipts()]

    async def offers(self, repository: RepositorySpec, package: str) -> list[Offered]:
        shelf = await self._shelves.get(repository)
        return [_offered(one, repository) for one in await shelf.versions(package)]

    async def former(self, repository: RepositorySpec, locked: Locked) -> Offered | None:
        """Its tag was moved, say. What the tag named then is still there by its digest, unless the registry swept."""
        shelf = await self._shelves.get(repository)
        found = await shelf.former(locked.name, locked.version, locked.source, locked.digest)
        return _offered(found, repository) if found else None

    async def catalog(self, repository: RepositorySpec) -> list[str]:
        shelf = await self._shelves.get(repository)
        return [name for name in await shelf.registry.images() if "/" not in name]

    async def remembered(self, repository: RepositorySpec, package: str = "") -> None:
        """A tag may mean something else by now: nothing that was said before is still good."""

    async def install(self, repository: RepositorySpec, offered: Offered, tell: Tell) -> Installed:
        shelf = await self._shelves.get(repository)
        receipts = [one for one in await self._receipts() if self._digest(one.description) == offered.digest]
        known = [one.description.payload.sha256 for one in receipts]
        image = await shelf.build(offered.manifest, offered.digest, known)
        for receipt in receipts:
            if receipt.trust == _trust(repository) and not await self._store.verify(receipt, "receipt"):
                return self._pullable(receipt, [repository])
        locked = self._store.locked(offered.manifest.name)
        async with self._layers.unpackable(shelf, image, offered.manifest, tell) as (description, payload), locked:
            receipt = await self._store.install(description, payload, repository.name, _trust(repository))
        return self._pullable(receipt, [repository])

    async def repair(self, repository: RepositorySpec, installed: Installed, tell: Tell) -> list[Damage]:
        receipt = await self._receipt(installed)
        if not await self._store.verify(receipt, "digests"):
            return []
        shelf = await self._shelves.get(repository)
        image = await shelf.image(installed.manifest.name, receipt.description.payload.sha256)
        locked = self._store.locked(installed.manifest.name)
        async with self._layers.unpackable(shelf, image, installed.manifest, tell) as (_, payload), locked:
            return await self._store.repair(receipt, payload)

    def _digest(self, description: Description) -> str:
        """Of the package that an image is under this name."""
        return build_digest(description.manifest.name, description.manifest.version, description.payload.sha256)

    def _pullable(self, receipt: Receipt, repositories: Sequence[RepositorySpec]) -> Installed:
        """With how an engine of containers pulls it, if its registry is still one of these."""
        registries = [_registry(one.url) for one in repositories if one.name == receipt.repository]
        image = f"{registries[0]}/{receipt.description.payload.name}" if registries else ""
        return replace(self._installed(receipt), image=image)


def _offered(found: "Version", repository: RepositorySpec) -> Offered:
    size = found.image.size if found.image else 0
    trust = _trust(repository)
    return Offered(found.manifest, repository.name, trust, digest=found.digest, size=size, source=found.source)


def _registry(url: str) -> str:
    """As an engine of containers calls it."""
    named = urlsplit(url).netloc.rpartition("@")[2]
    return "docker.io" if named == "registry-1.docker.io" else named


def _trust(repository: RepositorySpec) -> Trust:
    """How far it is known that an image is what its publisher made."""
    return "signature" if repository.trust == "cosign" else "checksum"
