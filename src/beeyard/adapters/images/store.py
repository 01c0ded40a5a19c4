"""The store that layers are unpacked into. What it takes to unpack is loaded once there is one."""

from pathlib import Path

from beeyard.ports.package_store import PackageStore


def store(root: Path) -> PackageStore:
    """The one below this folder. Raises Unavailable, Invalid."""
    from beeyard.adapters.confined.checking import check
    from beeyard.adapters.images.unpacking import unpack
    from beeyard.adapters.package_store import FolderStore

    return FolderStore(root, unpack, check=check)
