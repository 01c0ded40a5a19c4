"""The ways by which packages arrive. A new one is one entry here and one file beside it."""

from beeyard.adapters.packages.binary import BinaryManager
from beeyard.adapters.packages.directory import DirectoryManager

PACKAGE_MANAGERS = {manager.name: manager for manager in (BinaryManager, DirectoryManager)}
"""The word in the worker file -> the package manager."""
