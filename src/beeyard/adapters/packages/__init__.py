"""The ways by which packages arrive. A new one is one entry here and one file beside it."""

from typing import Protocol

from beeyard.adapters.means import PackageMeans
from beeyard.adapters.packages.apt import AptManager
from beeyard.adapters.packages.binary import BinaryManager
from beeyard.adapters.packages.directory import DirectoryManager
from beeyard.adapters.packages.dnf import DnfManager
from beeyard.adapters.packages.oci import OciManager
from beeyard.adapters.packages.python import PythonManager
from beeyard.ports.package_manager import PackageManager


class ManagerClass(Protocol):
    """What makes one. `name` is its word in the worker file."""

    @property
    def name(self) -> str: ...

    def made(self, means: PackageMeans) -> PackageManager: ...


PACKAGE_MANAGERS: dict[str, ManagerClass] = {
    manager.name: manager
    for manager in (BinaryManager, DirectoryManager, OciManager, AptManager, DnfManager, PythonManager)
}
"""The word in the worker file -> the package manager."""
