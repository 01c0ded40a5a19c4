"""What every package manager does alike whose packages lie in a store: tell what is there, use it, hold it, look
whether it is whole, take it away. Where packages come from, and what a build is called, each manager knows for itself.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from beeyard.domain.errors import NotFound
from beeyard.domain.packages import Description, Receipt
from beeyard.ports.fetcher import Fetcher
from beeyard.ports.package_manager import Installed
from beeyard.ports.package_store import Damage, Depth, PackageStore, Reclaimed


class Stored:
    """The part of ports.package_manager.PackageManager that is about what is installed.

    `store` opens the one below `root`, where nothing is made before the first install.
    """

    name: str

    def __init__(self, root: Path, store: Callable[[Path], PackageStore], fetcher: Fetcher) -> None:
        self._root = root
        self._open_store = store
        self._kept: PackageStore | None = None
        self._fetcher = fetcher

    async def wake(self) -> None:
        def sweep() -> None:
            self._store.recover()
            self._fetcher.sweep()

        if self._root.exists():
            await asyncio.to_thread(sweep)

    async def use(self, installed: Installed, owner: str) -> None:
        await self._store.use(await self._receipt(installed), owner)

    async def disuse(self, installed: Installed, owner: str) -> None:
        await self._store.disuse(await self._receipt(installed), owner)

    async def hold(self, installed: Installed, why: str) -> Installed:
        receipt = await self._receipt(installed)
        async with self._store.locked(installed.manifest.name):
            held = self._installed(await self._store.hold(receipt, why))
        return replace(held, image=installed.image)

    async def verify(self, installed: Installed, depth: Depth) -> list[Damage]:
        return await self._store.verify(await self._receipt(installed), depth)

    async def remove(self, installed: Installed) -> None:
        receipt = await self._receipt(installed)
        async with self._store.locked(installed.manifest.name):
            await self._store.remove(receipt)

    async def collect(self, needed: frozenset[str], *, keep: int, dry_run: bool) -> Reclaimed:
        if not self._root.exists():
            return Reclaimed((), 0)
        descriptions = [receipt.description for receipt in await self._receipts()]
        digests = frozenset(one.digest for one in descriptions if self._digest(one) in needed)
        return await self._store.collect(digests, keep=keep, dry_run=dry_run)

    @property
    def _store(self) -> PackageStore:
        """Raises Unavailable, Invalid."""
        if self._kept is None:
            self._kept = self._open_store(self._root)
        return self._kept

    def _digest(self, description: Description) -> str:
        """What this manager calls the build that lies in the store under this description."""
        return description.digest

    def _installed(self, receipt: Receipt) -> Installed:
        description = receipt.description
        return Installed(
            manifest=description.manifest,
            digest=self._digest(description),
            path=self._store.path(receipt),
            manager=self.name,
            repository=receipt.repository,
            trust=receipt.trust,
            size=description.size,
            installed_at=receipt.installed_at,
            held=receipt.held,
            packed=description.payload.size,
        )

    async def _receipts(self) -> list[Receipt]:
        return await asyncio.to_thread(self._store.receipts) if self._root.exists() else []

    async def _receipt(self, installed: Installed) -> Receipt:
        for receipt in await self._receipts():
            if self._digest(receipt.description) == installed.digest:
                return receipt
        raise NotFound("package_not_installed", "{package} is not installed any more", package=str(installed))
