"""The manager of archives: what an earlier master left is swept, nothing is made where there was nothing, and nothing
is brought that is too much to be read."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from beeyard.adapters.archives.unpack import unpack
from beeyard.adapters.fetcher import KEPT, FolderFetcher
from beeyard.adapters.package_store import FolderStore
from beeyard.adapters.packages.binary import BinaryManager
from beeyard.domain.errors import Untrusted
from beeyard.domain.packages import Description, Manifest, Paper, Payload, Trust
from beeyard.domain.papers import MOST
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.repository import Offer, Repository, Source


async def _nowhere(spec: RepositorySpec) -> Repository:
    raise AssertionError("no repository is asked")


def a_manager(root: Path, opened: Callable[[RepositorySpec], Awaitable[Repository]] = _nowhere) -> BinaryManager:
    """With everything below this folder."""
    fetcher = FolderFetcher(root / "dl")
    return BinaryManager(root, lambda folder: FolderStore(folder, unpack), fetcher, "linux-x86_64", opened)


class Wordy:
    """A repository with one package, which has a paper of many bytes. Implements Repository."""

    name = "main"
    trust: Trust = "signature"

    async def refresh(self) -> None: ...

    async def recall(self) -> float | None:
        return None

    async def packages(self) -> list[str]:
        return ["hello"]

    async def offers(self, package: str) -> list[Offer]:
        return [Offer("hello", "1.0", "any")]

    async def describe(self, offer: Offer) -> Description:
        papers = (Paper("hello.cdx.json", MOST + 1, "1" * 64, "sbom"),)
        return Description(Manifest("hello", "1.0"), (), Payload("hello", 1, "0" * 64), papers=papers)

    def sources(self, file: Payload) -> list[Source]:
        raise AssertionError(f"{file.name} is brought")


async def test_downloads_that_nobody_went_on_with_are_thrown_away(tmp_path: Path) -> None:
    """Those of late stay, to be gone on with."""
    folder = tmp_path / "dl"
    folder.mkdir()
    old, new = folder / f"{'a' * 64}.part", folder / f"{'b' * 64}.part"
    for part in (old, new):
        part.write_bytes(b"half")
    long_ago = old.stat().st_mtime - KEPT - 60
    os.utime(old, (long_ago, long_ago))
    await a_manager(tmp_path).wake()
    assert (old.exists(), new.exists()) == (False, True)


async def test_a_master_without_packages_makes_no_folder_for_them(tmp_path: Path) -> None:
    """It has nothing installed either."""
    manager = a_manager(tmp_path / "packages")
    await manager.wake()
    assert await manager.facts([]) == []
    assert not (tmp_path / "packages").exists()


async def test_a_paper_that_is_too_much_to_be_read_is_not_brought(tmp_path: Path) -> None:
    """Whoever signed it: it would fill the master's memory."""

    async def opened(spec: RepositorySpec) -> Repository:
        return Wordy()

    manager, spec = a_manager(tmp_path, opened), RepositorySpec("main")
    (offered,) = await manager.offers(spec, "hello")
    with pytest.raises(Untrusted, match="its sbom has more than the 64 MB that are read"):
        await manager.paper(spec, offered.digest, "sbom")
