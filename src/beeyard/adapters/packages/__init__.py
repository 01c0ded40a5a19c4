"""The ways by which packages arrive. A new one is one entry here and one file beside it."""

from beeyard.adapters.packages.apt import AptManager
from beeyard.adapters.packages.binary import BinaryManager
from beeyard.adapters.packages.directory import DirectoryManager
from beeyard.adapters.packages.dnf import DnfManager
from beeyard.adapters.packages.oci import OciManager
from beeyard.adapters.packages.python import PythonManager

_ALL = (BinaryManager, DirectoryManager, OciManager, AptManager, DnfManager, PythonManager)

PACKAGE_MANAGERS = {manager.name: manager for manager in _ALL}
"""The word in the worker file -> the package manager."""
