"""Archives from a repository: described and vouched for there, fetched, unpacked into the host's package store."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from beeyard.adapters.stored import Stored
from beeyard.domain.errors import BeeyardError, Unavailable
from beeyard.domain.locked import Locked
from beeyard.domain.packages import Description, Manifest, Platform, runs_on
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.fetcher import Fetcher
from beeyard.ports.package_manager import Installed, Offered, Remembered, Tell
from beeyard.ports.package_store import Damage, PackageStore
from beeyard.ports.repository import Offer, Repository

AT_ONCE = 8
"""Descriptions asked for at the same time."""


class _Opened(Struct):
    spec: RepositorySpec
    repository: Repository


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
        self._open = opened
        self._repositories: dict[str, _Opened] = {}
        self._described: dict[tuple[str, str], Description] = {}
        self._asking = asyncio.Semaphore(AT_ONCE)

    async def facts(self, repositories: Sequence[RepositorySpec]) -> list[Installed]:
        return [self._installed(receipt) for receipt in await self._receipts()]

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
            source = await self._open(repository)  # One of its own: from what is opened here nothing is installed.
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
        source = await self._repository(repository)
        locked = self._store.locked(description.manifest.name)
        async with self._payload(source, description, tell) as payload, locked:
            receipt = await self._store.install(description, payload, repository.name, source.trust)
        return self._installed(receipt)

    async def repair(self, repository: RepositorySpec, installed: Installed, tell: Tell) -> list[Damage]:
        receipt = await self._receipt(installed)
        source = await self._repository(repository)
        locked = self._store.locked(installed.manifest.name)
        async with self._payload(source, receipt.description, tell) as payload, locked:
            return await self._store.repair(receipt, payload)

    def _payload(self, source: Repository, description: Description, tell: Tell) -> "_Payload":
        return _Payload(self._fetcher, source, description, tell)

    async def _refreshed(self, spec: RepositorySpec) -> Repository:
        """As it is now. One that failed is opened anew the next time: what it is to be shown may have been renewed."""
        source = await self._repository(spec)
        try:
            await source.refresh()
        except BeeyardError:
            self._repositories.pop(spec.name, None)
            raise
        return source

    async def _repository(self, spec: RepositorySpec) -> Repository:
        known = self._repositories.get(spec.name)
        if known is None or known.spec != spec:
            known = self._repositories[spec.name] = _Opened(spec, await self._open(spec))
        return known.repository

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


class _Payload:
    """The payload's file, thrown away afterwards unless something failed: then it need not be fetched again."""

    def __init__(self, fetcher: Fetcher, source: Repository, description: Description, tell: Tell) -> None:
        self._fetcher = fetcher
        self._source = source
        self._description = description
        self._tell = tell

    async def __aenter__(self) -> str:
        payload = self._description.payload
        manifest = self._description.manifest
        source = replace(self._source.source(self._description), name=f"{manifest.name} {manifest.version}")
        return await self._fetcher.fetch(source, payload.size, payload.sha256, self._tell)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await asyncio.to_thread(self._fetcher.drop, self._description.payload.sha256)
