"""Import namespaces: the code of a folder loaded beside all else, so that it can be loaded anew in a living process,
and so that two folders may each have a module `service`.

A namespace is a package of a private name whose path is the folder; the modules in it have a `__import__` of their own,
which looks there first and then imports as always. What is installed, and C libraries, are thus shared. Workers share a
namespace, with its global variables, as long as no file that it loaded has changed; with its last user it goes.

What does not work in it: `importlib.import_module("service")` (relative names do), pickles that are to be read in
another process or by another namespace, since their classes have the private name, and names that are added to
`builtins` later on. Refuses to know what is loaded, and why.
"""

import builtins
import importlib
import logging
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import find_spec
from itertools import count
from types import ModuleType

from beeyard.sdk.importing import Stamp, With, found, regular, stamp

_PREFIX = "_yard"
_SHARED = ("beeyard",)
"""What is the same for all, wherever the folder is: modules and their host speak by its types."""


def load(name: str, folder: str = "") -> ModuleType:
    """A module by its dotted name, from the folder, or else as it is installed. Each call wants one `release`.

    Raises whatever importing it raises, with names as they are written.
    """
    top = name.partition(".")[0]
    place = _place_of(top, folder)
    if place is None:
        return importlib.import_module(name)
    namespace = _entered(*place)
    try:
        namespace.bring(name, fromlist=("__doc__",))
        return sys.modules[f"{namespace.name}.{name}"]
    except BaseException:
        _left(namespace)
        raise


def release(module: ModuleType) -> None:
    """One user less of what `load` gave. After the last one nothing is left but what others still hold."""
    namespace = _ALL.get(module.__name__.partition(".")[0])
    if namespace is not None:
        _left(namespace)


def files(module: ModuleType) -> dict[str, Stamp | None]:
    """Every file that was loaded so far with what `load` gave, as it was then; none for what is the same for all."""
    namespace = _ALL.get(module.__name__.partition(".")[0])
    return {} if namespace is None else dict(namespace.given.files)


class _Namespace:
    """The code of one folder, or with `only` of one package in it, as it was when it was loaded."""

    def __init__(self, name: str, folder: str, only: str) -> None:
        self.name = name
        self.folder = folder
        self.only = only
        self.users = 0
        self.given = With({**vars(builtins), "__import__": self.bring})
        self._owned = dict.fromkeys(_SHARED, False)

    def is_current(self) -> bool:
        """Whether all files are as they were loaded."""
        return all(stamp(path) == known for path, known in list(self.given.files.items()))

    def bring(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """`__import__` for the modules in it."""
        if level:
            self._within(globals or {}, level)
        elif not self.owns(name.partition(".")[0]):
            return builtins.__import__(name, globals, locals, fromlist or (), 0)
        else:
            name = f"{self.name}.{name}"
        try:
            module = builtins.__import__(name, globals, locals, fromlist or (), level)
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith(f"{self.name}."):
                raise
            words = str(error).replace(f"{self.name}.", "")
            raise ModuleNotFoundError(words, name=(error.name or "").removeprefix(f"{self.name}.")) from None
        # `import a.b` binds a, and the import system has just given the root.
        return module if fromlist or level else sys.modules[".".join(name.split(".")[:2])]

    def _within(self, globals: Mapping[str, object], level: int) -> None:
        """As anywhere, a relative import ends at the top."""
        package = str(globals.get("__package__") or "")
        depth = package.count(".")  # The root is one too many.
        if depth == 0:
            raise ImportError("attempted relative import with no known parent package")
        if level > depth:
            raise ImportError("attempted relative import beyond top-level package")

    def owns(self, top: str) -> bool:
        """Whether a name at the top is one of its modules."""
        known = self._owned.get(top)
        if known is None:
            known = top == self.only if self.only else _has(top, self.folder)
            if not known and not self.only and found(top, [self.folder]):
                known = not _importable(top)
            self._owned[top] = known
        return known


class _Finder:
    """On `sys.meta_path`, before all others: they would find the folder's files as well, and load them as always."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        namespace = _ALL.get(name.partition(".")[0])
        return None if namespace is None or path is None else found(name, path, namespace.given)


_ALL: dict[str, _Namespace] = {}
_CURRENT: dict[tuple[str, str], _Namespace] = {}
_LOCK = threading.Lock()
_NUMBERS = count(1)


def _entered(folder: str, only: str) -> _Namespace:
    """The namespace to load from, one more user counted."""
    with _LOCK:
        namespace = _CURRENT.get((folder, only))
        if namespace is None or not namespace.is_current():
            namespace = _Namespace(f"{_PREFIX}{next(_NUMBERS)}", folder, only)
            root = ModuleType(namespace.name, f"The code in {folder}.")
            root.__path__ = [folder]
            root.__spec__ = ModuleSpec(namespace.name, None, is_package=True)
            sys.modules[namespace.name] = root
            _ALL[namespace.name] = _CURRENT[folder, only] = namespace
            if _Finder not in sys.meta_path:
                sys.meta_path.insert(0, _Finder)
        namespace.users += 1
        return namespace


def _left(namespace: _Namespace) -> None:
    with _LOCK:
        namespace.users -= 1
        if namespace.users:
            return
        _ALL.pop(namespace.name, None)
        if _CURRENT.get((namespace.folder, namespace.only)) is namespace:
            del _CURRENT[namespace.folder, namespace.only]
    for known in (sys.modules, logging.root.manager.loggerDict):  # Loggers have the names of their modules.
        for name in [name for name in list(known) if name.partition(".")[0] == namespace.name]:
            known.pop(name, None)


def _has(top: str, folder: str) -> bool:
    return top not in _SHARED and regular(top, folder)


def _importable(top: str) -> bool:
    return top in sys.modules or find_spec(top) is not None


def _place_of(top: str, folder: str) -> tuple[str, str] | None:
    """Folder and package, all of the folder if it is empty; None for what is the same for all."""
    known = _CURRENT.get((folder, ""))
    if folder and ((known is not None and known.owns(top)) or _has(top, folder)):
        return folder, ""
    if top in _SHARED or not _importable(top):
        return (folder, "") if folder and found(top, [folder]) else None
    spec = getattr(sys.modules.get(top), "__spec__", None) or (find_spec(top) if top not in sys.modules else None)
    places = [*(spec.submodule_search_locations or ())] if spec is not None else []
    place = places[0] if places else spec.origin if spec is not None and spec.has_location else None
    if place is None or place.endswith(tuple(EXTENSION_SUFFIXES)):
        return None
    above = os.path.dirname(place)
    return (above, top) if _has(top, above) else None
