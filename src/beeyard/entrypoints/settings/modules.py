"""Which module a worker runs: the block `module:`, and the older forms of it, as a ModuleSpec.

`module_name` and `module_type` may stand in the worker itself, and a file with its `entry_point` may stand for a name:
`lib/echo.py` with `create` is `echo:create` in the folder `lib`. Where the module runs is the provider's matter; here
only what can't go with either way of running it is refused.
"""

import os
import re
from typing import Any

from msgspec import structs

from beeyard.domain.limits import UNLIMITED, Limits
from beeyard.domain.module import FACTORY, ModuleSpec
from beeyard.domain.spec import StopStep
from beeyard.entrypoints.settings import tree
from beeyard.entrypoints.settings.any_value import any_mapping
from beeyard.entrypoints.settings.decode import struct
from beeyard.entrypoints.settings.execution import STOPPING
from beeyard.entrypoints.settings.host import ON_HOST
from beeyard.entrypoints.settings.shape import Module
from beeyard.entrypoints.settings.tree import Mapping, Node, Scalar, Sequence, empty, found
from beeyard.entrypoints.settings.words import FAILED, Context, text

FLAT = ("module_type", "module_name", "config")
"""Keys of the block that older files have in the worker itself."""
ELSEWHERE = "`provider: process` runs the same module as a process, which can have it"
"""What to do about a key that a module in the master can't have."""
UNLIMITABLE = {
    "module": ("a module in the master shares its memory", ELSEWHERE),
    "wasm": ("it runs within the master", "`memory` and `fuel` of its section `wasm` bound it"),
}
"""Provider -> why its workers can't have limits, and what to do."""

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_DOTTED = re.compile(rf"{_NAME}(\.{_NAME})*")
_FOUND_BY_NAME = "a module such as echo.service, or a file that ends in .py"
_EXAMPLE = "echo.service:create"
_WORDS = "`package.module:factory`, a file with its `entry_point`, or the name of a registered factory"


def of_worker(
    node: Mapping, provider: str, kind: str, packaged: bool, context: Context
) -> tuple[ModuleSpec | None, tuple[StopStep, ...]]:
    """The module of a worker, None if it runs none; and the steps of its stop as far as `stop_timeout` says them.

    Args:
        packaged: whether it runs from a package, which then supplies what is not said.
    """
    written = _block(node, context)
    if written is None:
        if provider == "module" and packaged:
            return ModuleSpec(), ()
        if provider == "module":
            context.report.missing(node, "module", "which module it runs: {module_name: " + _EXAMPLE + "}")
        return None, ()
    if kind == "integrated":
        context.report.add(written, "a module", "the kind managed", "a module is asked by its own probes, without gRPC")
    if kind == "unmanaged":
        return None, ()
    return _module(written, packaged, context) or (None, ())


def unlimited(limits: Limits, own: Mapping, provider: str, context: Context) -> Limits:
    """None, for what runs within the master; refused where its own block asks for some."""
    if limits != UNLIMITED and not empty(written := own.entries.get("limits")) and written:
        what, hint = UNLIMITABLE[provider]
        context.report.add(written, "`limits`", f"no such key: {what}", hint)
    return UNLIMITED


def fits(execution: Node, context: Context) -> None:
    """Of a section, what makes no sense for the process that runs a module."""
    entries = execution.entries if isinstance(execution, Mapping) else {}
    for key, hint in (("args", "a module is told things by its `config`"), ("pid_file", "it would find no module")):
        if not empty(written := entries.get(key)) and written:
            context.report.add(written, f"`{key}`", "no such key beside a module", hint)


def steps(
    ours: tuple[StopStep, ...], theirs: tuple[StopStep, ...], node: Mapping, execution: Node, context: Context
) -> tuple[StopStep, ...]:
    """Of `stop_timeout`, and of the ways of stopping in a section; where both say something, they have to agree."""
    said = execution.entries if isinstance(execution, Mapping) else {}
    place = next((said[key] for key in STOPPING if not empty(said.get(key))), None)
    if ours and place is not None and ours != theirs:
        module = node.entries["module"]
        assert isinstance(module, Mapping)
        context.report.wrong(
            module.entries["stop_timeout"], f"the same as line {place.line} says, or only one of the two"
        )
    return ours or theirs


def _block(node: Mapping, context: Context) -> Mapping | None:
    """All that a worker says of its module, as one block; None if it says nothing. Two spellings have to agree."""
    written = node.entries.get("module")
    flat = {key: node.entries[key] for key in FLAT if not empty(node.entries.get(key))}
    if empty(written):
        return tree.Mapping(node.file, node.line, node.path, flat) if flat else None
    if not isinstance(written, Mapping):
        assert written is not None
        context.report.wrong(written, "a mapping")
        return None
    for key, entry in flat.items():
        inner = written.entries.get(key, entry)
        if not empty(inner) and _plain(inner) != _plain(entry):
            context.report.wrong(entry, f"{found(inner)}, as line {inner.line} says for the same thing")
    return structs.replace(written, entries={**flat, **written.entries})


def _module(node: Mapping, packaged: bool, context: Context) -> tuple[ModuleSpec, tuple[StopStep, ...]] | None:
    """What the block says."""
    shape = struct(node, Module, context)
    if shape is None:
        return None
    folder, factory = _named(node, shape, packaged, context)
    spec = ModuleSpec(
        factory=factory,
        folder=folder if ":" in factory else "",
        config=any_mapping(shape.config, context) if shape.config else {},
        start_timeout=shape.start_timeout,
    )
    return spec, () if shape.stop_timeout is None else (StopStep(wait=shape.stop_timeout),)


def _named(node: Mapping, shape: Module, packaged: bool, context: Context) -> tuple[str, str]:
    """Folder and factory, each empty where a package is to say it, or where something is wrong."""
    names = [entry for entry in (shape.module_name, shape.module_path) if entry is not None and not empty(entry)]
    texts = [text(entry, context) for entry in names]
    if any(word is FAILED for word in texts):
        return "", ""
    if len(set(texts)) > 1:
        context.report.wrong(names[1], f"{found(names[0])}, as line {names[0].line} says for the same thing")
        return "", ""
    if not names:
        if not packaged:
            context.report.missing(node, "module_name", _WORDS)
        elif shape.entry_point:
            context.report.missing(node, "module_name", "the file or the module that has the entry point")
        return "", ""
    name, place = texts[0], names[0]
    is_file = "/" in name or name.endswith(".py")
    plugin = is_file or ":" in name or bool(shape.entry_point) or shape.module_path is not None
    if shape.module_type is not None and (shape.module_type == "plugin") != plugin:
        expected = "`package.module:factory`, or a file with its `entry_point`" if not plugin else "a registered name"
        hint = f"or write `module_type: {'plugin' if plugin else 'native'}`"
        context.report.wrong(place, f"{expected}, as `module_type` is {shape.module_type}", hint)
        return "", ""
    folder = "" if packaged else context.folder
    if plugin and ":" not in name:
        folder, name = _with_entry_point(node, shape, name, place, packaged, context)
    elif shape.entry_point:
        context.report.wrong(node.entries["entry_point"], f"no such key: line {place.line} names the factory")
    if name and not re.fullmatch(FACTORY, name):
        context.report.wrong(place, _WORDS)
        return "", ""
    return folder, name


def _with_entry_point(
    node: Mapping, shape: Module, name: str, place: Node, packaged: bool, context: Context
) -> tuple[str, str]:
    """A file or a dotted name, and what in it makes the module."""
    entry = shape.entry_point
    if not entry:
        context.report.missing(node, "entry_point", f"the name of the factory in {name}")
        return "", ""
    if not _DOTTED.fullmatch(entry):
        context.report.wrong(node.entries["entry_point"], "the name of a function or a class")
        return "", ""
    folder = "" if packaged else context.folder
    if name.endswith(".py"):
        read = "program in package" if packaged else "file"
        path = ON_HOST[read](place, context)
        if path is FAILED:
            return "", ""
        folder, name = os.path.split(path.removesuffix(".py"))
        if packaged:  # Its folder is not known yet: from there on it is a package of its own.
            folder, name = "", ".".join(path.removesuffix(".py").split("/"))
    if not _DOTTED.fullmatch(name):
        context.report.wrong(place, _FOUND_BY_NAME)
        return "", ""
    return folder, f"{name}:{entry}"


def _plain(node: Node) -> Any:
    """What stands there, to compare two of them."""
    if isinstance(node, Mapping):
        return {key: _plain(entry) for key, entry in node.entries.items()}
    if isinstance(node, Sequence):
        return [_plain(item) for item in node.items]
    return (node.text, node.secret) if isinstance(node, Scalar) else None
