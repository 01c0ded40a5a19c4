"""The manager of archives, woken: what an earlier master left is swept, and nothing is made where there was nothing."""

import os
from pathlib import Path

from beeyard.adapters.archives.unpack import unpack
from beeyard.adapters.fetcher import KEPT, FolderFetcher
from beeyard.adapters.package_store import FolderStore
from beeyard.adapters.packages.binary import BinaryManager
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.repository import Repository


async def _nowhere(spec: RepositorySpec) -> Repository:
    raise AssertionError("no repository is asked")


def a_manager(root: Path) -> BinaryManager:
    """With everything below this folder."""
    fetcher = FolderFetcher(root / "dl")
    return BinaryManager(root, lambda folder: FolderStore(folder, unpack), fetcher, "linux-x86_64", _nowhere)


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
