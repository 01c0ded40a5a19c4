"""A tree as YAML again, with the comments of the file it was read from.

Each comment stands where the first value of its line, or of the next one that is left, stands now. Knows nothing of
what the keys mean.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from msgspec import Struct
from ruamel.yaml import YAML

from beeyard.entrypoints.settings.tree import Mapping, Node, Scalar, Sequence
from beeyard.entrypoints.settings.yaml_tree import plain_kind

_WIDE = 100
_PLAIN = re.compile(r"(?!.*:(?: |$))[A-Za-z0-9_./+-][\w./+@%=:-]*( [\w./+@%=(-][\w./+@%=:()-]*)*", re.ASCII)
_IN_LIST = re.compile(r"[A-Za-z0-9_./+-][\w./+@%=-]*( [\w./+@%=][\w./+@%=-]*)*", re.ASCII)
_UNSEEN = re.compile("[\x7f-\xa0\ud800-\udfff\u2028\u2029\ufeff\ufffe\uffff]")


class Row(Struct):
    """One line of the text; `line` is where it stood."""

    line: int
    indent: int
    text: str


def yaml(root: Node, source: str) -> str:
    """The tree as text, one value a row; lists of words, and mappings that had one line, are one row if it is short."""
    rows = list(_rows(root, 0))
    lines = sorted({row.line for row in rows})
    above: dict[int, list[str]] = {}
    beside: dict[int, str] = {}
    end: list[str] = []
    for line, comment, alone in _comments(source):
        at = bisect_left(lines, line)
        if at == len(lines):
            end.append(comment)
        elif alone or lines[at] != line:
            above.setdefault(lines[at], []).append(comment)
        else:
            beside[line] = f"  {comment}"
    text: list[str] = []
    for row in rows:
        margin = " " * row.indent
        block = row.indent == 0 or (row.indent == 2 and row.text.startswith("- "))
        if block and text and not (row.indent and text[-1].endswith(":")):
            text.append("")
        text += [margin + comment for comment in above.pop(row.line, [])]
        text.append(margin + row.text + beside.pop(row.line, ""))
    return "\n".join([*text, *end, ""])


def _rows(node: Node, indent: int) -> Iterator[Row]:
    if isinstance(node, Mapping):
        for key, value in node.entries.items():
            name = _quoted(key, "text", _PLAIN)
            if (short := _short(value, indent + len(name))) is not None:
                yield Row(value.line, indent, f"{name}: {short}".rstrip())
            else:
                yield Row(value.line, indent, f"{name}:")
                yield from _rows(value, indent + 2)
    elif isinstance(node, Sequence):
        for item in node.items:
            if (short := _short(item, indent)) is not None:
                yield Row(item.line, indent, f"- {short or 'null'}")
            else:
                first, *rest = _rows(item, indent + 2)
                yield Row(item.line, indent, f"- {first.text}")
                yield from rest


def _short(node: Node, used: int) -> str | None:
    """What fits on one row; None for all else."""
    if isinstance(node, Scalar):
        return _scalar(node, _PLAIN)
    if isinstance(node, Mapping):
        words = [
            f"{_quoted(key, 'text', _IN_LIST)}: {_scalar(item, _IN_LIST) or 'null'}"
            for key, item in node.entries.items()
            if isinstance(item, Scalar) and item.line == node.line
        ]
        count, line = len(node.entries), f"{{{', '.join(words)}}}"
    else:
        items = node.items if isinstance(node, Sequence) else []
        words = [_scalar(item, _IN_LIST) or "null" for item in items if isinstance(item, Scalar)]
        count, line = len(items), f"[{', '.join(words)}]"
    return line if len(words) == count and (not words or used + len(line) <= _WIDE) else None


def _scalar(node: Scalar, plain: re.Pattern[str]) -> str:
    return "" if node.kind == "null" else _quoted(node.written or node.text, node.kind, plain)


def _quoted(text: str, kind: str, plain: re.Pattern[str]) -> str:
    """In quotes, unless without them it is read as the same."""
    if plain.fullmatch(text) and plain_kind(text) == kind and not text.startswith("-"):
        return text
    if kind == "number" and plain_kind(text) == kind:
        return text
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


def _comments(source: str) -> Iterable[tuple[int, str, bool]]:
    """Line, comment, and whether it has the line for itself."""
    ends: dict[int, int] = {}
    within: set[int] = set()
    for token in YAML(typ="safe", pure=True).scan(source) if source else ():
        start, end = token.start_mark, token.end_mark
        within |= set(range(start.line, end.line))
        if end.column and (end.line, end.column) != (start.line, start.column):
            ends[end.line] = max(ends.get(end.line, 0), end.column)
    for number, line in enumerate(source.splitlines()):
        comment = line[ends.get(number, 0) :].strip()
        if comment.startswith("#") and number not in within:
            yield number + 1, comment, number not in ends
