"""Finds the Python files of a namespace, and loads each of them with names of its own for what is built in.

Knows no namespace: what a file is loaded with, and where it is written down that it was, is told each time.
"""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    BuiltinImporter,
    ExtensionFileLoader,
    FileFinder,
    FrozenImporter,
    ModuleSpec,
    SourceFileLoader,
)
from types import ModuleType
from typing import Any

Stamp = tuple[int, int]
"""Of a file: the time of its last change in nanoseconds, and its size."""


class With:
    """`builtins`: what is built in for the files. `files`: each that was loaded, as it was before it was read."""

    def __init__(self, builtins: dict[str, Any]) -> None:
        self.builtins = builtins
        self.files: dict[str, Stamp] = {}


def found(name: str, path: Sequence[str], given: With | None = None) -> ModuleSpec | None:
    """Where a module is; by a finder of its own each time, as one that is kept may not see what was just written."""
    source = SourceFileLoader if given is None else partial(_Loader, given=given)
    loaders: list[Any] = [(_Library, EXTENSION_SUFFIXES), (source, SOURCE_SUFFIXES)]
    portions: list[str] = []
    for folder in path:
        spec = FileFinder(folder, *loaders).find_spec(name)
        if spec is not None and spec.loader is not None:
            return spec
        portions += (spec.submodule_search_locations or []) if spec is not None else []
    if not portions:
        return None
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = portions
    return spec


def regular(top: str, folder: str) -> bool:
    """Whether a folder has this module; one that has only a folder of that name may mean another thing by it."""
    if BuiltinImporter.find_spec(top) or FrozenImporter.find_spec(top):
        return False
    spec = found(top, [folder])
    return spec is not None and spec.loader is not None


def stamp(path: str) -> Stamp | None:
    """None: there is no such file any more."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


class _Loader(SourceFileLoader):
    """Loads a file into a namespace."""

    def __init__(self, name: str, path: str, given: With) -> None:
        super().__init__(name, path)
        self._given = given

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = self._given.builtins
        super().exec_module(module)

    def path_stats(self, path: str) -> Mapping[str, Any]:
        stat = os.stat(path)
        self._given.files[path] = (stat.st_mtime_ns, stat.st_size)
        return {"mtime": stat.st_mtime, "size": stat.st_size}

    def get_data(self, path: str) -> bytes:
        """Bytecode is known by the second of its source: an older file of it may be of what stood there before."""
        if path != self.path and os.stat(path).st_mtime_ns <= self._given.files[self.path][0]:
            raise FileNotFoundError(path)
        return super().get_data(path)


class _Library(ExtensionFileLoader):
    """A C library, which a process can hold only once: every namespace has the same module of it."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _LIBRARIES.get((self.path, stamp(self.path))) or super().create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        key = self.path, stamp(self.path)
        if key not in _LIBRARIES:
            super().exec_module(module)
            _LIBRARIES[key] = module


_LIBRARIES: dict[tuple[str, Stamp | None], ModuleType] = {}
