"""The code of a module at one moment: what makes one of it, which code it is, and how to let go of it.

`digest` tells one state of the code from another: it is made of the files that were loaded, by their names below the
folder and by what they say. What is no file of the module's own is not in it: what is installed, and C libraries.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from types import ModuleType

from beeyard.sdk import loading, namespace
from beeyard.sdk.importing import Stamp
from beeyard.sdk.module import Factory
from beeyard.sdk.terms import Terms

SHORT = 12
"""Letters of a digest."""


class Code:
    """What `make` came from. An empty digest: it can't be loaded anew while the program runs."""

    def __init__(self, make: Factory, digest: str = "", release: Callable[[], None] = lambda: None) -> None:
        self.make = make
        self.digest = digest
        self._release: Callable[[], None] | None = release

    @property
    def held(self) -> bool:
        """Whether it was not released yet."""
        return self._release is not None

    def release(self) -> None:
        """Nothing of it is needed any more. Harmless twice."""
        release, self._release = self._release, None
        if release is not None:
            release()


def ordinary(terms: Terms) -> Code:
    """By Python's own import, for a process that runs one module. Raises Unfit, and SystemExit."""
    make = loading.factory(terms.factory, terms.folder)
    if ":" not in terms.factory:
        return Code(make)
    module = sys.modules[terms.factory.partition(":")[0]]
    return Code(make, digest(_files(module, terms.folder)))


def fresh(terms: Terms) -> Code:
    """In an import namespace, beside whatever else is loaded of it. Raises Unfit, and SystemExit."""
    loaded: list[ModuleType] = []

    def load(name: str, folder: str) -> ModuleType:
        loaded.append(namespace.load(name, folder))
        return loaded[-1]

    def release() -> None:
        for module in loaded:
            namespace.release(module)

    try:
        make = loading.factory(terms.factory, terms.folder, load)
        seen = [_digest_of(tuple(sorted(files.items()))) for module in loaded if (files := namespace.files(module))]
        return Code(make, seen[0] if seen else "", release)
    except BaseException:
        release()
        raise


@lru_cache(maxsize=256)
def _digest_of(files: tuple[tuple[str, Stamp | None], ...]) -> str:
    """Those who share a namespace share this as well: a thousand starts read no file a thousand times."""
    return digest(name for name, _ in files)


def digest(files: Iterable[str]) -> str:
    """Of what these files say now; empty where there are none."""
    from hashlib import blake2b  # A millisecond, which a start that can't be repeated need not pay.

    names = sorted(files)
    if not names:
        return ""
    above = os.path.commonpath([os.path.dirname(name) for name in names])
    seen = blake2b()
    for name in names:
        try:
            with open(name, "rb") as file:
                text = file.read()
        except OSError:  # It went since.
            continue
        seen.update(f"{os.path.relpath(name, above)}\0{len(text)}\0".encode() + text)
    return seen.hexdigest()[:SHORT]


def _files(module: ModuleType, folder: str) -> Iterator[str]:
    """Those of an ordinary import: all of the folder, or else of the installed package."""
    top = module.__name__.partition(".")[0]
    below = os.path.join(os.path.realpath(folder), "") if folder else None
    for name, one in list(sys.modules.items()):
        file = getattr(one, "__file__", None) or ""
        if file.endswith(".py") and (
            os.path.realpath(file).startswith(below) if below else name.partition(".")[0] == top
        ):
            yield file
