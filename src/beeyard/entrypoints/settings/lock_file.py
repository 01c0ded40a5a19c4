"""`beeyard.lock` as a Lock, and a Lock as its text: TOML, one block a build, so that two sides can be merged by hand.

What may stand in a block is said by the domain's types; here it gets its line. Variables are not replaced in it.
"""

import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, structs, to_builtins

from beeyard.domain.errors import Problem
from beeyard.domain.locked import Lock, Locked, lock
from beeyard.domain.packages import version
from beeyard.domain.plain import Mismatch
from beeyard.domain.plain import read as plain
from beeyard.entrypoints.settings import toml_tree
from beeyard.entrypoints.settings.files import text as content_of
from beeyard.entrypoints.settings.package_file import invalid
from beeyard.entrypoints.settings.tree import Mapping, Node, Report, Scalar, Sequence

NAME = "beeyard.lock"
FORMAT = 1
_HEAD = f"""\
# The builds that were chosen, written by Beeyard. Keep it beside the worker file.
# After a merge, leave the blocks of both sides: of several versions the newest that fits is taken.
format = {FORMAT}
"""
_MARKS = ("<<<<<<< ", "=======", ">>>>>>> ")


class File(Struct, frozen=True):
    """The whole of it."""

    format: Annotated[int, Meta(ge=FORMAT, le=FORMAT, description=f"{FORMAT}, the one format that this version knows")]
    package: tuple[Locked, ...] = ()


def beside(file: str) -> str:
    """Where the lock file of a worker file is."""
    return str(Path(file).with_name(NAME))


def load(path: str) -> Lock:
    """What a lock file says.

    Raises:
        NotFound: `config_missing`, there is no such file.
        Invalid: `config_invalid`, with every problem found, in the order of the lines.
    """
    report = Report()
    content = content_of(path, report, "lock file")
    if content is None or _unmerged(path, content, report):
        raise invalid(path, report)
    if (root := toml_tree.read(path, content, report, lambda scalar: scalar)) is None:
        raise invalid(path, report)
    lines = dict(_lines(root))
    try:
        packages = plain(tomllib.loads(content), File).package
        problems = list(_clashes(packages, lines))
    except Mismatch as mismatch:
        problems = mismatch.problems
    if problems:
        report.problems.update(dict.fromkeys(_placed(problem, path, lines) for problem in problems))
        raise invalid(path, report)
    return lock(packages)


def text(locked: Lock) -> str:
    """What `load` reads as this lock; the same lock is always the same text."""
    blocks = (
        "".join(f"{key} = {_quoted(value)}\n" for key, value in to_builtins(found).items()) for found in locked.packages
    )
    return "\n[[package]]\n".join([_HEAD, *blocks])


def save(path: str, locked: Lock) -> None:
    """Write it, whole or not at all. Raises OSError."""
    draft = Path(f"{path}.tmp")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text(locked))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _unmerged(path: str, content: str, report: Report) -> bool:
    """Whether git left its marks in it, which is reported."""
    for number, line in enumerate(content.split("\n"), 1):
        if line.startswith(_MARKS):
            place = Scalar(path, number, "merge", line)
            report.wrong(place, "a merge that is finished", "leave the blocks of both sides, and remove this line")
    return bool(report.problems)


def _clashes(packages: tuple[Locked, ...], lines: dict[str, int]) -> Iterator[Problem]:
    """Versions that are none, and two blocks for one build that do not say the same."""
    known: dict[tuple[str, str, str], tuple[int, Locked]] = {}
    for number, found in enumerate(packages):
        at = f"package[{number}]"
        try:
            version(found.version)
        except ValueError as error:
            yield Problem(f"{at}.version", f"'{found.version}'", str(error))
        first, same = known.setdefault((found.name, found.version, found.platform), (number, found))
        if structs.replace(same, channels=found.channels) != found:
            where = f"line {lines[f'package[{first}]']}"
            expected = f"what {where} says of {found.name} {found.version}"
            yield Problem(at, "another build", expected, hint="remove one of the two blocks")


def _lines(node: Node) -> Iterator[tuple[str, int]]:
    yield node.path, node.line
    for inner in _inner(node):
        yield from _lines(inner)


def _inner(node: Node) -> list[Node]:
    match node:
        case Mapping():
            return list(node.entries.values())
        case Sequence():
            return node.items
    return []


def _placed(problem: Problem, path: str, lines: dict[str, int]) -> Problem:
    """With its line, or that of what it is missing in."""
    at = problem.path
    while at and at not in lines:
        at = at.rpartition(".")[0]
    return structs.replace(problem, file=path, line=lines.get(at, 1))


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
