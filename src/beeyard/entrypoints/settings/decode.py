"""A tree into values, after the types of a struct's fields; everything wrong is reported, not only the first thing.

A field's type says all: `Duration` is written `30s`, a `Literal` is one of its words, `Annotated[int, Meta(ge=0)]`
has bounds, a text beside a type (`Annotated[str, "folder"]`) names a reader in `WORDS` or `ON_HOST`, and `Node` leaves
the value to the caller. What can't be read becomes the field's default, so that the rest can be looked at too; callers
throw the result away once anything was reported.
"""

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from beeyard.domain.values import Duration, Memory, SignalNumber
from beeyard.entrypoints.settings import tree, words
from beeyard.entrypoints.settings.any_value import any_mapping
from beeyard.entrypoints.settings.host import ON_HOST
from beeyard.entrypoints.settings.shape import LATER
from beeyard.entrypoints.settings.tree import Node, Scalar, Sequence, below, empty
from beeyard.entrypoints.settings.words import FAILED, Context

S = TypeVar("S", bound=Struct)
Read = Callable[[Node, Context], Any]

_SIMPLE: dict[Any, Read] = {
    str: words.text,
    int: words.whole_number,
    float: words.number,
    bool: words.boolean,
    Duration: words.duration,
    Memory: words.memory,
    SignalNumber: words.signal,
    Node: lambda node, _: node,
}


def struct(node: Node, kind: type[S], context: Context, also: Collection[str] = ()) -> S | None:
    """`node` as a `kind`, or None when it is no mapping or lacks what has no default.

    Args:
        also: keys that someone else reads.
    """
    if not isinstance(node, tree.Mapping):
        context.report.wrong(node, "a mapping")
        return None
    fields = _fields(kind)
    unknown_keys(node, [*fields, *also], LATER.get(kind, {}), context)
    values: dict[str, Any] = {}
    complete = True
    for key, (name, read, required) in fields.items():
        entry = node.entries.get(key)
        if entry is None or empty(entry):
            if required:
                complete = False
                context.report.missing(node, key, "a value: it has no default")
        elif (value := read(entry, context)) is not FAILED:
            values[name] = value
        else:
            complete = complete and not required
    return kind(**values) if complete else None


def unknown_keys(node: tree.Mapping, known: Collection[str], later: Mapping[str, str], context: Context) -> None:
    """Every key that is not known, with the nearest one that is; keys of later versions are named as such."""
    for key, value in node.entries.items():
        if key in known:
            continue
        place = Scalar(value.file, value.line, below(node.path, key), key)
        if key in later:
            context.report.later(place, later[key], "no such key")
        else:
            context.report.wrong(place, "a known key", nearest(key, known))


def nearest(text: str, known: Collection[str]) -> str:
    """The hint for a word that is not among the known ones."""
    near = get_close_matches(text, known, 1)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known: {', '.join(sorted(known)) or 'none'}" if len(known) <= 40 else ""


@cache
def _fields(kind: type[Struct]) -> dict[str, tuple[str, Read, bool]]:
    """Key -> field, how to read it, and whether it must be there. A section's `kind` is a key of its worker instead."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        field.encode_name: (field.name, _reader(hints[field.name]), field.required)
        for field in msgspec.structs.fields(kind)
        if "kind" not in get_args(hints[field.name])[1:]
    }


def _reader(kind: Any) -> Read:
    origin, inner = get_origin(kind), get_args(kind)
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if origin is Annotated:
        return _annotated(inner[0], inner[1:])
    if origin is Literal:
        return words.choice(inner)
    if origin in (Union, UnionType):
        return _reader(next(part for part in inner if part is not type(None)))
    if origin in (list, tuple):
        return _list(_reader(inner[0]), origin)
    if origin is dict:
        return _mapping(_reader(inner[0]), _reader(inner[1]))
    if isinstance(kind, type) and issubclass(kind, Struct):
        return lambda node, context: FAILED if (value := struct(node, kind, context)) is None else value
    raise TypeError(f"no way to read {kind} from a file")


def _annotated(kind: Any, extras: tuple[Any, ...]) -> Read:
    word = next((extra for extra in extras if isinstance(extra, str)), None)
    bounds = next((extra for extra in extras if isinstance(extra, Meta)), None)
    read = {**words.WORDS, **ON_HOST, "plain": any_mapping}[word] if word else _reader(kind)
    return words.bounded(read, bounds) if bounds else read


def _list(read: Read, kind: type) -> Read:
    """One item alone is a list of one."""

    def value(node: Node, context: Context) -> Any:
        if isinstance(node, tree.Mapping):
            context.report.wrong(node, "a list")
            return FAILED
        items = node.items if isinstance(node, Sequence) else [node]
        return kind(item for item in [read(item, context) for item in items] if item is not FAILED)

    return value


def _mapping(read_key: Read, read: Read) -> Read:
    def value(node: Node, context: Context) -> Any:
        if not isinstance(node, tree.Mapping):
            context.report.wrong(node, "a mapping")
            return FAILED
        values = {}
        for name, entry in node.entries.items():
            key = read_key(Scalar(entry.file, entry.line, entry.path, name), context)
            item = read(entry, context)
            if key is not FAILED and item is not FAILED:
                values[key] = item
        return values

    return value
