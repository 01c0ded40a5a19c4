"""A configuration file as a tree in which every value knows where it was written.

Knows nothing of what the keys mean, nor of YAML or TOML: their readers build these nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct, structs

from beeyard.domain.errors import Problem

Kind = Literal["text", "number", "bool", "null"]
"""How a scalar was written; what its text means is for the field to say."""


EMPTY = "''"
"""How an empty key is named."""


class Node(Struct):
    """One value. `line` is where its key or list item stands, `path` names it as `workers[2].args`."""

    file: str
    line: int
    path: str


class Scalar(Node):
    """A single value, its `text` as written; `secret` is the same as specs write it, if it refers to secrets.

    `written` is the text before its variables were replaced, if it has any.
    """

    text: str
    kind: Kind = "text"
    secret: str = ""
    written: str = ""


class Sequence(Node):
    """A list."""

    items: list[Node]


class Mapping(Node):
    """Keys and values, in the order of the file."""

    entries: dict[str, Node]


class Report:
    """Collects what is wrong, each problem once, however often a shared value is looked at."""

    def __init__(self) -> None:
        self.problems: dict[Problem, None] = {}

    def add(self, node: Node, found: str, expected: str, hint: str = "") -> None:
        """A problem at `node`."""
        self.problems[Problem(node.path, found, expected, node.file, node.line, hint)] = None

    def wrong(self, node: Node, expected: str, hint: str = "") -> None:
        """What stands at `node` is not what was expected."""
        self.add(node, found(node), expected, hint)

    def missing(self, node: Node, key: str, expected: str) -> None:
        """The mapping `node` lacks a key."""
        self.problems[Problem(below(node.path, key), "nothing", expected, node.file, node.line)] = None

    def later(self, node: Node, words: str, expected: str = "another value") -> None:
        """What stands at `node` is right, but this version can't do it: refused, not ignored."""
        self.add(node, f"{found(node)}, not supported by this version yet", expected, f"needs {words}: remove it")


def found(node: Node) -> str:
    """The value in the words of an error."""
    match node:
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case Scalar(kind="null"):
            return "nothing"
        case Scalar(text=text, kind="text"):
            return f"'{text}'" if len(text) <= 80 else f"'{text[:77]}...'"
        case Scalar(text=text):
            return text
    raise AssertionError(node)


def below(path: str, key: str) -> str:
    """The path of an entry."""
    return f"{path}.{key or EMPTY}" if path else key or EMPTY


def empty(node: Node | None) -> bool:
    """Whether nothing was written: no key, or a key without value."""
    return node is None or (isinstance(node, Scalar) and node.kind == "null")


def changed(scalar: Scalar, change: Callable[[str], str]) -> Scalar:
    """The same value in other words, with and without its variables."""
    text, secret, written = (change(text) if text else "" for text in (scalar.text, scalar.secret, scalar.written))
    return structs.replace(scalar, text=text, secret=secret, written=written, kind="text")


def merge(base: Node | None, over: Node) -> Node:
    """`over` on top of `base`: mappings merge key by key, anything else is replaced."""
    if not (isinstance(base, Mapping) and isinstance(over, Mapping)):
        return over
    entries = {key: merge(base.entries.get(key), value) for key, value in over.entries.items()}
    return structs.replace(over, entries={**base.entries, **entries})
