"""Finds what makes a module: a registered factory by its name, or a plugin as `package.module:factory`.

Whatever keeps one from being found is said in words, with what is there instead. How a module is imported is whoever
runs it to say: in a process of its own by the ordinary import, its folder first on the path.
"""

import importlib
import os
import sys
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any

from beeyard.sdk.module import Factory
from beeyard.sdk.words import Unfit, nearest

GROUP = "beeyard.modules"
"""The entry points of installed distributions that are factories."""
Import = Callable[[str, str], ModuleType]
"""(name, folder); the folder is empty for what is installed. Raises what an import raises."""

_registered: dict[str, Factory] = {}


def register_native_module_factory(name: str, factory: Factory) -> None:
    """Let workers name this factory, in the program that registers it; an entry point is known everywhere.

    Raises ValueError for a name that is taken by another one, or that has a colon: so plugins are named.
    """
    if ":" in name or not name:
        raise ValueError(f"{name!r} is no name for a factory: it has to have no colon, and not to be empty")
    if _registered.setdefault(name, factory) is not factory:
        raise ValueError(f"another factory is registered as {name!r}")


def imported(name: str, folder: str) -> ModuleType:
    """The ordinary import, of a process that runs one module."""
    if folder and folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(name)


def factory(text: str, folder: str = "", load: Import = imported) -> Factory:
    """What makes the module. SystemExit of an import passes; raises Unfit for everything else that is wrong."""
    name, colon, attribute = text.partition(":")
    if not colon:
        return _native(name)
    if folder and not os.path.isdir(folder):
        raise Unfit(f"{text}: there is no folder {folder}")
    found: Any = _module(name, folder, load)
    for at, part in enumerate(path := attribute.split(".")):
        try:
            found = getattr(found, part)
        except AttributeError:
            owner = ".".join([name, *path[:at]])
            raise Unfit(
                f"{owner} has no {part}{nearest(part, vars(found) if hasattr(found, '__dict__') else ())}"
            ) from None
    if not callable(found):
        raise Unfit(f"{text} is of the type {type(found).__name__}, no function or class that makes a module")
    made: Factory = found
    return made


def _native(name: str) -> Factory:
    if name in _registered:
        return _registered[name]
    from importlib.metadata import entry_points  # Most modules are plugins, and it takes a while to load.

    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        near = _plugin(name) or nearest(name, [*_registered, *points])
        raise Unfit(f"no factory is registered as {name!r}{near}")
    module, _, attribute = points[name].value.partition(":")
    return factory(f"{module.strip()}:{attribute.partition('[')[0].strip()}")


def _plugin(name: str) -> str:
    """What was perhaps meant by a name with a dot: a file, or a path of Python's."""
    module, dot, last = name.removesuffix(".py").replace("/", ".").rpartition(".")
    if name.endswith(".py"):
        return f": a class in that file is named {module}{dot}{last}:CLASS"
    return f": did you mean {module}:{last}?" if dot else ""


def _module(name: str, folder: str, load: Import) -> ModuleType:
    place = f"in {folder}" if folder else "installed here"
    try:
        return load(name, folder)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            near = nearest(error.name.rpartition(".")[2], _beside(error.name, folder))
            raise Unfit(f"no module {error.name} {place}{near}") from None
        raise Unfit(f"{name} needs the module {error.name}, which is not installed") from _own(error)
    except SyntaxError as error:
        raise Unfit(f"{error.filename}:{error.lineno}: {error.msg}") from None
    except Exception as error:
        raise Unfit(f"{name} can't be imported: {type(error).__name__}: {error}") from _own(error)


def _beside(name: str, folder: str) -> list[str]:
    """The modules that are where this one was looked for."""
    import pkgutil

    above = name.rpartition(".")[0]
    if above:
        paths = list(getattr(sys.modules.get(above), "__path__", ()))
        paths = paths or ([os.path.join(folder, *above.split("."))] if folder else [])
    else:
        paths = [folder] if folder else [path for path in sys.path if path]
    return [found.name for found in pkgutil.iter_modules(paths)]


def _own(error: Exception) -> Exception:
    """The error without the part of its traceback that shows how imports work."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None and _machinery(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return error.with_traceback(trace)


def _machinery(file: str) -> bool:
    return file.startswith("<frozen importlib") or file in (__file__, importlib.__file__)
