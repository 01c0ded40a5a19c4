"""`execution:` of a worker that runs an image: the words of a process, put among those of its provider's own section.

Which word is which field says the type of that section: `extra={"execution": WORD}` beside a field. `extra={"executed":
VALUE}` is what a field says once there are such words and nobody said otherwise: who knows of no container expects this
host around it. A word that has no field is an error, as is one that stands in both.
"""

from functools import cache
from typing import Any, get_args

from msgspec import Meta, Struct, structs

from beeyard.entrypoints.settings import tree
from beeyard.entrypoints.settings.decode import unknown_keys
from beeyard.entrypoints.settings.execution import STOPPING
from beeyard.entrypoints.settings.tree import Node, empty
from beeyard.entrypoints.settings.words import Context

KEY = "execution"


def understood(kind: type[Struct]) -> bool:
    """Whether this section takes any of its words."""
    return bool(_extras(kind, KEY))


def joined(written: Node | None, execution: Node, path: str, kind: type[Struct], context: Context) -> Node:
    """The section with them in it. `path`: where one would stand that was not written."""
    whole = tree.Mapping(execution.file, execution.line, path, {}) if written is None else written
    if not isinstance(execution, tree.Mapping):
        context.report.wrong(execution, "a mapping")
        return whole
    if not isinstance(whole, tree.Mapping):
        return whole  # Who reads it says so.
    keys = {word: name for name, word in _extras(kind, KEY).items()} | {word: word for word in STOPPING}
    unknown_keys(execution, [*keys], {}, context)
    entries = dict(whole.entries)
    for word, entry in execution.entries.items():
        if word in keys and not empty(entry):
            other = whole.entries.get(keys[word])
            if other is not None and not empty(other):
                context.report.wrong(entry, f"no such key beside `{keys[word]}` on line {other.line}")
            entries[keys[word]] = entry
    return structs.replace(whole, entries=entries)


def assumed(kind: type[Struct]) -> dict[str, Any]:
    """What its fields say where nobody said otherwise."""
    return _extras(kind, "executed")


@cache
def _extras(kind: type[Struct], name: str) -> dict[str, Any]:
    """Field -> what stands beside it under this name."""
    beside = {field.name: get_args(field.type)[1:] for field in structs.fields(kind)}
    return {
        field: word.extra[name]
        for field, words in beside.items()
        for word in words
        if isinstance(word, Meta) and word.extra and name in word.extra
    }
