"""Keeps installed packages in a folder: `layout` knows where, `changing` in what order, `trees` what they should hold.

This knows the locks, and what a cancelled caller leaves: the event loop never waits for the disk, a step that has begun
is finished before its lock is let go, and the rest is discarded.
"""

import os
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from beeyard.adapters.package_store import changing, trees, uses
from beeyard.adapters.package_store.collecting import Collector
from beeyard.adapters.package_store.finishing import finished
from beeyard.adapters.package_store.layout import Layout
from beeyard.adapters.package_store.locks import at_once, held, waited
from beeyard.adapters.package_store.receipts import Receipts
from beeyard.adapters.package_store.refusals import differs, not_installed, trouble, unusable
from beeyard.adapters.package_store.room import check_room
from beeyard.adapters.package_store.sweeping import empty_trash, sweep
from beeyard.domain.packages import NAME, TRUST, Description, Receipt, Trust, version
from beeyard.ports.package_store import Base, Damage, Depth, Reclaimed

T = TypeVar("T")

Unpack = Callable[[str, Description, str], Awaitable[object]]
"""Unpacks a payload into an empty folder, and writes nowhere else. Raises Untrusted, Rejected."""
Patch = Callable[[str, Description, str, Base], Awaitable[object]]
"""The same with a patch of what is installed. Also raises Refused, when that is not whole."""
Check = Callable[[Description, Path, Path], object]
"""Has a package show that it runs here: its tree, every file of which is as it was signed, and an empty folder for what
that writes. Raises Rejected, Refused."""

GRACE = 3600.0
"""Seconds that a package is safe from collection: whoever installed it may not have said yet what for."""
PATIENCE = 30.0
"""Seconds that a collection waits until nobody installs."""


class FolderStore:
    """A PackageStore in one folder, which several processes may share. `now`: wall-clock seconds."""

    def __init__(
        self,
        root: Path,
        unpack: Unpack,
        *,
        patch: Patch | None = None,
        check: Check | None = None,
        now: Callable[[], float] = time.time,
        grace: float = GRACE,
        patience: float = PATIENCE,
    ) -> None:
        """Make what is missing.

        Raises:
            Invalid: `package_store_split`, when it is not all on one filesystem.
            Unavailable: `package_store_unusable`, when it can't be made or read.
        """
        with trouble(root):
            self._layout = Layout(root)
        self._receipts = Receipts(self._layout.receipts)
        self._unpack = unpack
        self._patch = patch
        self._check = check
        self._collector = Collector(self._layout, self._receipts, now, grace)
        self._now = now
        self._patience = patience
        self._locked: Counter[str] = Counter()

    def recover(self) -> None:
        """Sweep what a process that died left half done, unless another one is at work: then that is for later."""
        with trouble(self._layout.root), at_once(self._layout.locks / "gc") as alone:
            if alone:
                sweep(self._layout, self._receipts)
        empty_trash(self._layout)

    def receipts(self) -> list[Receipt]:
        with trouble(self._layout.root):
            return self._receipts.all()

    def find(self, name: str, version: str) -> Receipt | None:
        """The one installed last, should several builds of it be there."""
        found = [
            receipt
            for receipt in self.receipts()
            if (receipt.description.manifest.name, receipt.description.manifest.version) == (name, version)
        ]
        return max(found, key=lambda receipt: receipt.installed_at, default=None)

    def path(self, receipt: Receipt) -> str:
        return str(self._layout.entry(receipt.description))

    @asynccontextmanager
    async def locked(self, name: str) -> AsyncIterator[None]:
        """Nobody else installs, repairs or removes this package, and nobody collects. One at a time for each task."""
        _check_name(name)
        locks = self._layout.locks
        try:
            async with waited(locks / "gc", shared=True), waited(locks / f"pkg-{name}"):
                self._locked[name] += 1
                try:
                    yield
                finally:
                    self._locked[name] -= 1
        finally:
            await self._run(empty_trash, self._layout)

    async def install(
        self, description: Description, payload: str, repository: str, trust: Trust, base: Receipt | None = None
    ) -> Receipt:
        self._check_locked(description)
        _check_version(description)
        if there := await self._run(self._vouched, description, repository, trust):
            return there
        receipt = Receipt(description, repository, trust, self._now())
        async with self._unpacked(description, payload, base) as tree:
            return await self._run(changing.publish, self._layout, self._receipts, tree, receipt)

    async def verify(self, receipt: Receipt, depth: Depth) -> list[Damage]:
        entry = self._layout.entry(receipt.description)
        if depth == "receipt":
            return [] if entry.is_dir() else [trees.WHOLE]
        return await self._run(partial(trees.compare, entry, receipt.description, digests=depth == "digests"))

    async def repair(self, receipt: Receipt, payload: str) -> list[Damage]:
        self._check_locked(receipt.description)
        damage = await self.verify(receipt, "digests")
        if damage:
            async with self._unpacked(receipt.description, payload) as tree:
                await self._run(changing.replace, self._layout, self._receipts, tree, receipt)
        return damage

    async def hold(self, receipt: Receipt, why: str) -> Receipt:
        self._check_locked(receipt.description)
        return await self._run(self._hold, receipt, why)

    async def use(self, receipt: Receipt, owner: str) -> None:
        await self._run(self._use, receipt, owner)

    async def disuse(self, receipt: Receipt, owner: str) -> None:
        await self._run(self._disuse, receipt, owner)

    async def remove(self, receipt: Receipt) -> None:
        self._check_locked(receipt.description)
        await self._run(changing.take_away, self._layout, self._receipts, partial(changing.unused, receipt))

    async def collect(self, needed: frozenset[str], *, keep: int, dry_run: bool) -> Reclaimed:
        if dry_run:
            return await self._run(self._collector.reclaimable, needed, keep)
        async with waited(self._layout.locks / "gc", patience=self._patience):
            reclaimed = await self._run(self._collector.collect, needed, keep)
        await self._run(empty_trash, self._layout)
        return reclaimed

    @asynccontextmanager
    async def _unpacked(
        self, description: Description, payload: str, base: Receipt | None = None
    ) -> AsyncIterator[Path]:
        """A tree in staging that holds what the description says, all of it on the disk. Gone afterwards, or moved."""
        tree = self._layout.draft()
        with trouble(self._layout.root):
            await self._run(check_room, self._layout, description, self._collector.could_free)
            try:
                await self._run(os.mkdir, tree, 0o700)
                if base is None:
                    await self._unpack(payload, description, str(tree))
                else:
                    assert self._patch, "nobody patches here"
                    await self._patch(payload, description, str(tree), Base(self.path(base), base.description))
                await self._run(_require_same, tree, description)
                if self._check is not None and description.manifest.check is not None:
                    await self._run(self._checked, tree, description)
                await self._run(trees.seal, tree, description)
                yield tree
            finally:
                await self._run(self._layout.discard, tree)

    def _checked(self, tree: Path, description: Description) -> None:
        """What ran may have left something in the tree, where the kernel could not keep it from that."""
        assert self._check is not None
        room = self._layout.draft()
        try:
            room.mkdir(0o700)
            self._check(description, tree, room)
            _require_same(tree, description)
        finally:
            self._layout.discard(room)

    def _vouched(self, description: Description, repository: str, trust: Trust) -> Receipt | None:
        """What is installed already. That a better repository vouches for the very same files is noted."""
        there = self._receipts.find(description.digest)
        if there is None or not self._layout.entry(description).is_dir():
            return None
        if TRUST.index(trust) > TRUST.index(there.trust):
            there = msgspec.structs.replace(there, repository=repository, trust=trust)
            self._receipts.put(there)
        return there

    def _hold(self, receipt: Receipt, why: str) -> Receipt:
        if (there := self._receipts.find(receipt.description.digest)) is None:
            raise not_installed(receipt)
        self._receipts.put(told := msgspec.structs.replace(there, held=why))
        return told

    def _use(self, receipt: Receipt, owner: str) -> None:
        with held(self._layout.locks / "uses"):
            if self._receipts.find(receipt.description.digest) is None:
                raise not_installed(receipt)
            uses.register(self._layout.roots, uses.Use(receipt.description.digest, owner))

    def _disuse(self, receipt: Receipt, owner: str) -> None:
        with held(self._layout.locks / "uses"):
            uses.unregister(self._layout.roots, uses.Use(receipt.description.digest, owner))

    def _check_locked(self, description: Description) -> None:
        assert self._locked[description.manifest.name], f"{description.manifest.name} is not locked"

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        with trouble(self._layout.root):
            return await finished(work, *arguments)


def _check_name(name: str) -> None:
    """Files and folders are named after it."""
    if not re.fullmatch(NAME, name):
        raise unusable(repr(name), "no package may have this name")


def _check_version(description: Description) -> None:
    """Folders are named after it."""
    found = description.manifest.version
    try:
        version(found)
    except ValueError:
        raise unusable(f"{description.manifest.name} {found!r}", "that is no version") from None


def _require_same(tree: Path, description: Description) -> None:
    if damage := trees.compare(tree, description, digests=True, staged=True):
        raise differs(description, damage)
