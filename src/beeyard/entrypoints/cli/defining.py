"""What a Python file defines, read and never run: whether a package has the entry point that it names."""

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from beeyard.domain.module import NAME
from beeyard.domain.packages import ModuleEntry
from beeyard.entrypoints.settings.decode import nearest
from beeyard.entrypoints.settings.tree import Node, Report, Scalar

ANYTHING = frozenset({"*", "__getattr__"})
"""Defined by what is found only when the file is run."""


def defined(file: Path, module: ModuleEntry, places: Mapping[str, Node], report: Report) -> None:
    """Report what would keep Python from finding the entry point: the path, the syntax, or the name.

    Args:
        file: the module's own, or that of its package.
        places: of `module_path` and `entry_point`.
    """
    if not re.fullmatch(rf"({NAME}/)*{NAME}(\.py)?", module.module_path):
        hint = "Python imports no other names"
        report.wrong(places["module_path"], "a path of words with letters, digits and '_'", hint)
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        what = getattr(error, "msg", None) or str(error)
        report.add(Scalar(str(file), line, module.module_path, ""), what, "valid Python")
        return
    names = set(_names(tree))
    if not names & ANYTHING and module.entry_point.partition(".")[0] not in names:
        known = [name for name in names if not name.startswith("_")]
        report.wrong(
            places["entry_point"], f"a name that {module.module_path} defines", nearest(module.entry_point, known)
        )


def _names(node: ast.AST) -> Iterator[str]:
    """Every name that may be bound at the top of a module, whichever way it takes."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in aliases)
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.comprehension() | ast.Lambda():  # Their names are their own.
                pass
            case _:
                yield from _names(child)
