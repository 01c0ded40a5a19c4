"""YAML into a tree with line numbers, from the parser's events.

The core schema of YAML 1.2: `yes`, `on` and `0777` are no booleans and no octals here. Anchors, aliases and merge keys
work; tags (but `!!str`), second documents and doubled keys are problems. ruamel.yaml's parser in C makes 76,000 events
in 0.13 s, the one in Python in 1.5 s; a round-trip load takes several times that.
"""

import re
from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Any

from msgspec import structs
from ruamel.yaml import YAML
from ruamel.yaml import events as yaml
from ruamel.yaml.error import YAMLError

from beeyard.entrypoints.settings.tree import Kind, Mapping, Node, Report, Scalar, Sequence, below, found

DEEPEST = 50
"""Levels of nesting; the contract needs seven."""

_PLAIN: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("null", re.compile(r"~|null|Null|NULL|")),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE")),
    ("number", re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+")),
)
_FIRST = frozenset("~nNtTfF+-.0123456789")
"""Everything else opens a text: most scalars need no pattern."""

_STRING = "tag:yaml.org,2002:str"


def read(file: str, text: str, report: Report, replace: Callable[[Scalar], Scalar]) -> Node | None:
    """The tree of `text`; None after a syntax error, which is reported."""
    try:
        return _Reader(file, report, replace, _events(text)).document() or Mapping(file, 1, "", {})
    except YAMLError as error:
        _report(error, file, text, report)
    except _TooDeep as error:
        report.add(Scalar(file, error.args[0], "syntax", ""), "deeper nesting than that", f"at most {DEEPEST} levels")
    return None


def _events(text: str) -> Iterator[Any]:
    """The parser in C knows no `http://…` inside [ ] and { }: what it refuses, the one in Python judges."""
    try:
        return iter(list(YAML(typ="safe").parse(text)))
    except YAMLError:
        return iter(list(YAML(typ="safe", pure=True).parse(text)))


def _report(error: YAMLError, file: str, text: str, report: Report) -> None:
    """The parser's words in the form of all errors."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    lines = text.splitlines() or [""]
    at = min(mark.line if mark else text.count("\n", 0, getattr(error, "position", 0)), len(lines) - 1)
    words = getattr(error, "problem", None) or "a character that YAML does not allow"
    wish = re.fullmatch(r"expected (.*?),? but (?:got|found) (.*)", words)
    hint = 'quote "${...}" inside { } and [ ]' if re.search(r"[{\[,:]\s*\$\{", lines[at]) else ""
    found_, expected = (wish[2], wish[1]) if wish else (words.removeprefix("found "), "valid YAML")
    report.add(Scalar(file, at + 1, "syntax", ""), found_, expected, hint)


class _TooDeep(Exception):
    """The file nests deeper than any worker file does."""


class _Reader:
    """Builds the tree while the events come by."""

    def __init__(self, file: str, report: Report, replace: Callable[[Scalar], Scalar], events: Iterator[Any]) -> None:
        self._file = file
        self._report = report
        self._replace = replace
        self._events = events
        self._anchors: dict[str, Node] = {}
        self._depth = 0

    def document(self) -> Node | None:
        """The first document; None when there is none."""
        root = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root:
                    self._at(event, "file", "a second document", "one document a file")
                    return root
                root = self._node(next(self._events), 1, "")
        return root

    def _at(self, event: Any, path: str, found_: str, expected: str, hint: str = "") -> None:
        place = Scalar(self._file, event.start_mark.line + 1, path, "")
        self._report.add(place, found_, expected, hint)

    def _node(self, event: Any, line: int, path: str) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, line, path)
        if event.tag not in (None, "!", _STRING):
            self._at(event, path or "file", f"the tag {event.tag}", "a value without tag")
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._replace(Scalar(self._file, line, path, event.value, _kind(event)))
        else:
            self._depth += 1
            if self._depth > DEEPEST:
                raise _TooDeep(event.start_mark.line + 1)
            if isinstance(event, yaml.SequenceStartEvent):
                node = Sequence(self._file, line, path, list(self._items(path)))
            else:
                node = self._mapping(line, path)
            self._depth -= 1
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any, line: int, path: str) -> Node:
        """What the anchor holds, as if written here; the parts of a mapping or list keep their place."""
        target = self._anchors.get(event.anchor)
        if target:
            return structs.replace(target, line=line, path=path)
        self._at(event, path or "file", f"*{event.anchor}", f"an anchor &{event.anchor} complete before it")
        return Scalar(self._file, line, path, "", "null")

    def _items(self, path: str) -> Iterator[Node]:
        upto_end = takewhile(lambda event: not isinstance(event, yaml.SequenceEndEvent), self._events)
        for index, event in enumerate(upto_end):
            yield self._node(event, event.start_mark.line + 1, f"{path}[{index}]")

    def _mapping(self, line: int, path: str) -> Mapping:
        node = Mapping(self._file, line, path, {})
        merged: list[Node] = []
        for event in takewhile(lambda event: not isinstance(event, yaml.MappingEndEvent), self._events):
            at = event.start_mark.line + 1
            key = self._key(event, at, path)
            here = below(path, key)
            value = self._node(next(self._events), at, here)
            if key == "<<":
                merged += value.items if isinstance(value, Sequence) else [value]
            elif key in node.entries:
                first = node.entries[key].line
                self._at(event, here, f"the key '{key}' again, after line {first}", "each key once")
            else:
                node.entries[key] = value
        for source in merged:
            if isinstance(source, Mapping):
                node.entries = {**source.entries, **node.entries}
            else:
                self._report.wrong(source, "a mapping to merge")
        return node

    def _key(self, event: Any, line: int, path: str) -> str:
        if isinstance(event, yaml.ScalarEvent):
            return str(event.value)
        key = self._node(event, line, path)
        if isinstance(key, Scalar):
            return key.text
        self._at(event, path or "file", f"{found(key)} as a key", "text as a key")
        return "?"


def _kind(event: Any) -> Kind:
    if event.style not in (None, "") or event.tag or (event.value and event.value[0] not in _FIRST):
        return "text"
    return plain_kind(event.value)


def plain_kind(text: str) -> Kind:
    """What a scalar without quotes is."""
    return next((kind for kind, pattern in _PLAIN if pattern.fullmatch(text)), "text")
