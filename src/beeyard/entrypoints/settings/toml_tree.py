"""TOML into a tree with line numbers.

tomllib reads the values and judges the syntax, but tells no lines. So a second, simpler reader walks the same text,
which is known to be valid by then, and notes on which line each path stands.
"""

import re
import tomllib
from collections.abc import Callable
from typing import Any

from beeyard.entrypoints.settings.tree import Mapping, Node, Report, Scalar, Sequence, below

DEEPEST = 50
"""Levels of nesting, as in YAML."""

Path = tuple[str | int, ...]

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:\'{0,2})|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL
)
_BARE = re.compile(r"[^,\]}#\r\n]+")
_KEY = re.compile(r'[ \t]*(?:([A-Za-z0-9_-]+)|("(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'))[ \t]*')


def read(file: str, text: str, report: Report, replace: Callable[[Scalar], Scalar]) -> Node | None:
    """The tree of `text`; None after a syntax error, which is reported."""
    try:
        values = tomllib.loads(text)
        places = _Places(text.replace("\r\n", "\n"))
        places.document()
        return _Tree(file, places.lines, places.written, replace).node(values, (), "", 1)
    except tomllib.TOMLDecodeError as error:
        words, line = _words(error, text)
        report.add(Scalar(file, line, "syntax", ""), words, "valid TOML")
    except (RecursionError, _TooDeep) as error:
        line = error.args[0] if isinstance(error, _TooDeep) else 1
        report.add(Scalar(file, line, "syntax", ""), "deeper nesting than that", f"at most {DEEPEST} levels")
    return None


class _TooDeep(Exception):
    """The file nests deeper than any worker file does."""


def _words(error: tomllib.TOMLDecodeError, text: str) -> tuple[str, int]:
    """tomllib's message, without its place, and the line in it."""
    message, _, place = str(error).rpartition(" (at ")
    line = re.match(r"line (\d+)", place)
    words = message or str(error)
    return words[:1].lower() + words[1:], int(line[1]) if line else max(1, len(text.splitlines()))


class _Places:
    """Where each path stands, and how each scalar that is no string was written."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self.written: dict[Path, str] = {}
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self._arrays: dict[Path, int] = {}

    def document(self) -> None:
        """Every statement of the text."""
        table: Path = ()
        while self._skip():
            if self._peek("["):
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        array = self._text.startswith("[[", self._at)
        line = self._here()
        self._at += 2 if array else 1
        path = self._resolve(self._keys())
        self._at += 2 if array else 1
        if array:
            count = self._arrays.get(path, 0)
            self._arrays[path] = count + 1
            self.lines.setdefault(path, line)
            path = (*path, count)
        self._note(path, line)
        return path

    def _resolve(self, keys: Path) -> Path:
        """Inside an array of tables a header goes on with its last table."""
        path: Path = ()
        for index, key in enumerate(keys):
            path = (*path, key)
            if index < len(keys) - 1 and path in self._arrays:
                path = (*path, self._arrays[path] - 1)
        return path

    def _pair(self, table: Path) -> None:
        line = self._here()
        path = (*table, *self._keys())
        self._at += 1  # =
        self._note(path, line)
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip()
        if self._peek("["):
            self._at += 1
            index = 0
            while self._skip() and not self._peek("]"):
                self.lines[*path, index] = self._here()
                self._value((*path, index))
                index += 1
                self._comma()
            self._at += 1
        elif self._peek("{"):
            self._at += 1
            while self._skip() and not self._peek("}"):
                self._pair(path)
                self._comma()
            self._at += 1
        elif match := _STRING.match(self._text, self._at):
            self._at = match.end()
        elif match := _BARE.match(self._text, self._at):
            self.written[path] = match[0].strip()
            self._at = match.end()

    def _keys(self) -> Path:
        keys: list[str] = []
        while match := _KEY.match(self._text, self._at):
            keys.append(match[1] or next(iter(tomllib.loads(f"{match[2]}=0"))))
            self._at = match.end()
            if not self._peek("."):
                break
            self._at += 1
        return tuple(keys)

    def _note(self, path: Path, line: int) -> None:
        """A path and the tables above it that were never written by themselves."""
        for length in range(1, len(path)):
            self.lines.setdefault(path[:length], line)
        self.lines[path] = line

    def _comma(self) -> None:
        self._skip()
        self._at += self._peek(",")

    def _peek(self, sign: str) -> bool:
        return self._text.startswith(sign, self._at)

    def _skip(self) -> bool:
        """Past blanks and comments; whether anything is left."""
        match = _SPACE.match(self._text, self._at)
        assert match
        self._at = match.end()
        return self._at < len(self._text)

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line


class _Tree:
    """tomllib's values as nodes, each with its line."""

    def __init__(
        self, file: str, lines: dict[Path, int], written: dict[Path, str], replace: Callable[[Scalar], Scalar]
    ) -> None:
        self._file = file
        self._lines = lines
        self._written = written
        self._replace = replace

    def node(self, value: Any, place: Path, path: str, line: int) -> Node:
        """`value` and all below it; what has no line of its own takes the line of what it stands in."""
        line = self._lines.get(place, line)
        if len(place) > DEEPEST:
            raise _TooDeep(line)
        if isinstance(value, dict):
            entries = {key: self.node(item, (*place, key), below(path, key), line) for key, item in value.items()}
            return Mapping(self._file, line, path, entries)
        if isinstance(value, list):
            items = [self.node(item, (*place, at), f"{path}[{at}]", line) for at, item in enumerate(value)]
            return Sequence(self._file, line, path, items)
        if isinstance(value, str):
            return self._replace(Scalar(self._file, line, path, value))
        return Scalar(
            self._file,
            line,
            path,
            self._written.get(place, str(value)),
            "bool" if isinstance(value, bool) else "number",
        )
