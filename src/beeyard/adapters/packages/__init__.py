"""The ways by which packages arrive. A new one is one entry here and one file beside it."""

from beeyard.adapters.packages.binary import BinaryManager
from beeyard.adapters.packages.directory import DirectoryManager
from beeyard.adapters.packages.oci import OciManager

PACKAGE_MANAGERS = {manager.name: manager for manager in (BinaryManager, DirectoryManager, OciManager)}
"""The word in the worker file -> the package manager."""
