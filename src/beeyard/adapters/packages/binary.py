"""Archives from a repository: described and vouched for there, fetched, unpacked into the host's package store.

Where a build that is installed can be patched, less is fetched. Whatever is wrong with that, all of it comes instead.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from msgspec.structs import replace

from beeyard.adapters.fetcher import FolderFetcher
from beeyard.adapters.means import PackageMeans
from beeyard.adapters.opened import Opened
from beeyard.adapters.packages.bringing import Bringing
from beeyard.adapters.stored import Stored
from beeyard.domain.errors import BeeyardError, NotFound, Unavailable, Untrusted
from beeyard.domain.locked import Locked
from beeyard.domain.packages import Delta, Description, Manifest, Paper, PaperKind, Payload, Platform, Receipt, runs_on
from beeyard.domain.papers import excess, fault
from beeyard.domain.sources import RepositorySpec
from beeyard.domain.values import human_memory
from beeyard.ports.fetcher import Fetcher
from beeyard.ports.package_manager import Installed, Offered, Remembered, Tell
from beeyard.ports.package_store import Damage, PackageStore
from beeyard.ports.repository import Offer, Repository

log = logging.getLogger("beeyard")

AT_ONCE = 8
"""Descriptions asked for at the same time."""


class BinaryManager(Stored):
    """Implements ports.package_manager.PackageManager.

    `opened` makes the repository that a spec describes; one is kept for each name, until its spec changes.
    """

    name = "binary"
    settled = True

    def __init__(
        self,
        root: Path,
        store: Callable[[Path], PackageStore],
        fetcher: Fetcher,
        platform: Platform,
        opened: Callable[[RepositorySpec], Awaitable[Repository]],
    ) -> None:
        super().__init__(root, store, fetcher)
        self._platform = platform
        self._repositories = Opened(opened)
        self._described: dict[tuple[str, str], Description] = {}
        self._asking = asyncio.Semaphore(AT_ONCE)
        self._bringing = Bringing(fetcher, root / "served")

    @classmethod
    def made(cls, means: PackageMeans) -> "BinaryManager":
        """As a master has it."""

        async def opened(spec: RepositorySpec) -> Repository:
            from beeyard.adapters.repositories import repository  # TUF takes 170 ms to load.

            return repository(await means.shown(spec), means.root / "trust" / spec.name)

        # A master without packages has no store.
        def store(root: Path) -> PackageStore:
            from beeyard.adapters.archives.unpack import unpack
            from beeyard.adapters.confined.checking import check
            from beeyard.adapters.package_store import FolderStore

            return FolderStore(root, unpack, patch=unpack, check=check)

        return cls(means.root, store, FolderFetcher(means.root / "dl"), means.platform, opened)

    async def facts(self, repositories: Sequence[RepositorySpec]) -> list[Installed]:
        await self._bringing.serve(repositories)
        return [self._installed(receipt) for receipt in await self._receipts()]

    async def served(self, repositories: Sequence[RepositorySpec], sha256: str) -> str | None:
        await self._bringing.serve(repositories)
        found = await self._bringing.served(sha256)
        return None if found is None else str(found)

    async def offers(self, repository: RepositorySpec, package: str) -> list[Offered]:
        source = await self._refreshed(repository)
        return list(
            await asyncio.gather(*(self._offered(source, repository, one) for one in await source.offers(package)))
        )

    async def former(self, repository: RepositorySpec, locked: Locked) -> Offered | None:
        """All that it has it offers."""
        return None

    async def catalog(self, repository: RepositorySpec) -> list[str]:
        source = await self._refreshed(repository)
        return await source.packages()

    async def remembered(self, repository: RepositorySpec, package: str = "") -> Remembered | None:
        try:
            source = await self._repositories.anew(repository)  # From what is opened here nothing is installed.
            if (at := await source.recall()) is None:
                return None
            names = await source.packages()
            offers = [await self._recalled(source, repository, one) for one in await source.offers(package)]
        except BeeyardError:  # What is out of date by now, say; why there is nothing newer was told before.
            return None
        return Remembered(at, tuple(names), tuple(offers))

    async def _recalled(self, source: Repository, spec: RepositorySpec, offer: Offer) -> Offered:
        """Without what a description says that is not kept."""
        try:
            return await self._offered(source, spec, offer)
        except Unavailable:
            return self._named(source, spec, offer)

    async def install(self, repository: RepositorySpec, offered: Offered, tell: Tell) -> Installed:
        description = self._known(repository, offered.digest)
        source = await self._repositories.get(repository)
        if (delta := await self._delta(description)) is not None:
            try:
                installed = await self._patched(source, description, delta, tell)
                await self._bringing.forget(description.payload)
                return installed
            except BeeyardError as error:
                log.warning("%s comes whole, its delta is of no use: %s", _told(description), error)
                await self._bringing.forget(delta)
        async with (
            self._brought(source, description, description.payload, tell) as payload,
            self._store.locked(description.manifest.name),
        ):
            receipt = await self._store.install(description, payload, repository.name, source.trust)
        await self._bringing.forget(*description.deltas)
        return self._installed(receipt)

    async def _delta(self, description: Description) -> Delta | None:
        """The smallest that leads from what is installed."""
        there = {receipt.description.digest for receipt in await asyncio.to_thread(self._store.receipts)}
        fit = [delta for delta in description.deltas if delta.base in there]
        return min(fit, key=lambda delta: delta.size, default=None)

    async def _patched(self, source: Repository, description: Description, delta: Delta, tell: Tell) -> Installed:
        """What it saves counts as there from the first moment on."""
        saved = description.payload.size - delta.size

        def told(done: int) -> None:
            tell(saved + done)

        async with (
            self._brought(source, description, delta, told) as patch,
            self._store.locked(description.manifest.name),
        ):
            base = await self._based(delta)
            receipt = await self._store.install(description, patch, source.name, source.trust, base)
        sizes = human_memory(delta.size), human_memory(description.payload.size)
        log.info("%s came as a delta from %s: %s instead of %s", _told(description), _told(base.description), *sizes)
        return replace(self._installed(receipt), saved=saved)

    async def _based(self, delta: Delta) -> Receipt:
        """Under the lock: it can't go any more."""
        for receipt in await asyncio.to_thread(self._store.receipts):
            if receipt.description.digest == delta.base:
                return receipt
        raise NotFound("package_not_installed", "what {delta} starts from is gone", delta=delta.name)

    async def repair(self, repository: RepositorySpec, installed: Installed, tell: Tell) -> list[Damage]:
        receipt = await self._receipt(installed)
        source = await self._repositories.get(repository)
        locked = self._store.locked(installed.manifest.name)
        async with self._brought(source, receipt.description, receipt.description.payload, tell) as payload, locked:
            return await self._store.repair(receipt, payload)

    async def paper(self, repository: RepositorySpec, digest: str, kind: PaperKind) -> bytes | None:
        description = await self._description(repository, digest)
        for paper in description.papers:
            if paper.kind == kind:
                if what := excess(paper.size):
                    raise _wrong(description, kind, what)
                source = await self._repositories.get(repository)
                async with self._brought(source, description, paper, lambda done: None) as file:
                    data = await asyncio.to_thread(Path(file).read_bytes)
                if what := await asyncio.to_thread(fault, description, kind, data):
                    raise _wrong(description, kind, what)
                return data
        return None

    async def _description(self, repository: RepositorySpec, digest: str) -> Description:
        if (known := self._described.get((repository.name, digest))) is not None:
            return known
        for receipt in await asyncio.to_thread(self._store.receipts):
            if receipt.description.digest == digest:
                return receipt.description
        raise NotFound("package_not_installed", "{package} is not installed any more", package=digest)

    def _brought(
        self, source: Repository, description: Description, file: Payload, tell: Callable[[int], None]
    ) -> AbstractAsyncContextManager[str]:
        if isinstance(file, Paper):
            return self._bringing.brought(source, file, f"the {file.kind} of {_told(description)}", 0, tell)
        return self._bringing.brought(source, file, _told(description), description.size, tell)

    async def _refreshed(self, spec: RepositorySpec) -> Repository:
        """As it is now. One that failed is opened anew the next time: what it is to be shown may have been renewed."""
        source = await self._repositories.get(spec)
        try:
            await source.refresh()
        except BeeyardError:
            self._repositories.drop(spec)
            raise
        return source

    async def _offered(self, source: Repository, spec: RepositorySpec, offer: Offer) -> Offered:
        named = self._named(source, spec, offer)
        if not runs_on(offer.platform, self._platform):
            return named
        async with self._asking:
            description = await source.describe(offer)
        self._described[spec.name, description.digest] = description
        manifest, digest = description.manifest, description.digest
        return replace(named, manifest=manifest, digest=digest, size=description.payload.size)

    def _named(self, source: Repository, spec: RepositorySpec, offer: Offer) -> Offered:
        """As far as it is known without its description."""
        return Offered(
            Manifest(offer.name, offer.version, offer.platform),
            repository=spec.name,
            trust=source.trust,
            yanked=offer.yanked,
            channels=offer.channels,
        )

    def _known(self, repository: RepositorySpec, digest: str) -> Description:
        return self._described[repository.name, digest]


def _wrong(description: Description, kind: PaperKind, what: str) -> Untrusted:
    text, hint = "{package}: its {kind} {what}", "whoever signed it made a mistake: ask them"
    return Untrusted("paper_wrong", text, hint=hint, package=_told(description), kind=kind, what=what)


def _told(description: Description) -> str:
    return f"{description.manifest.name} {description.manifest.version}"
