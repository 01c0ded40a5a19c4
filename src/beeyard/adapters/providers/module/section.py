"""The part of a worker file that the module provider owns: nothing. What it runs stands in the worker's `module`."""

from msgspec import Struct


class ModuleSection(Struct, frozen=True):
    """A module within the master has nothing to say of a program."""
