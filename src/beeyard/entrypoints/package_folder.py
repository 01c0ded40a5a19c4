"""What a folder says that it holds: its package file, read by the same rules by which packages are made."""

from beeyard.domain.packages import Manifest


def read(folder: str) -> Manifest:
    """Raises NotFound if it has no package file, Invalid if that is wrong."""
    from beeyard.entrypoints.settings import package_file  # With the reader of YAML it takes 120 ms to load.

    return package_file.load(package_file.find(folder)).manifest
