"""Plain values, as JSON has them, into values of a type; everything wrong is told with its place, not only the first.

A key that no type knows is always refused: whoever misspells `restart` must not find out by a worker that stays down.
The types themselves let unknown keys pass, so that a record which a newer version saved can still be loaded. What a
bounded type expects is said by the `description` of its Meta; what its `extra` calls hidden is not repeated.
"""

import difflib
import re
from collections.abc import Iterator
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from beeyard.domain.errors import Problem

T = TypeVar("T")

MOST = 100
"""Problems that are told of one value."""
SHOWN = 60
"""Characters of a wrong value that are told."""

_WORDS = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "null": "nothing",
    "object": "an object",
    "str": "text",
}
_MISSING = re.compile(r"Object missing required field `(.*)`")
_PLAIN = re.compile(r"[\w./-]{1,64}")
_EXPECTED = re.compile(r"Expected (.*?)(, got .*)?")


class Mismatch(Exception):
    """Raised for a value that is not of the type; carries what is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


def read(plain: Any, kind: type[T], at: str = "", *, strict: bool = True) -> T:
    """`plain` as a `kind`.

    Args:
        at: the path of `plain` itself, for the problems.
        strict: else text is taken for the number or the truth value that it spells.

    Raises:
        Mismatch: it is none.
    """
    problems = _first(_unknown(plain, kind, at))
    try:
        value = msgspec.convert(plain, kind, strict=strict)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        problems += _first(_wrong(plain, kind, at, strict))
        raise Mismatch(problems[:MOST] or [Problem(at or "$", shown(plain), str(error))]) from None
    if problems:
        raise Mismatch(problems)
    return value


def nearest(word: str, known: list[str]) -> str:
    """The hint for a word that is not among the known ones."""
    near = difflib.get_close_matches(word, known, 1) if len(word) <= SHOWN else []
    if near:
        return f"did you mean {near[0]}?"
    return f"known: {', '.join(sorted(known))}" if 0 < len(known) <= 20 else ""


def shown(value: Any) -> str:
    """A value for a message: short, on one line."""
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return "a value that is not to be shown"
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _first(problems: Iterator[Problem]) -> list[Problem]:
    return [problem for problem, _ in zip(problems, range(MOST), strict=False)]


def _unknown(plain: Any, kind: Any, at: str) -> Iterator[Problem]:
    kind = _meant(plain, kind)
    if isinstance(plain, dict) and (fields := _fields(_bare(kind))) is not None:
        for key in plain:
            if key not in fields:
                yield Problem(_below(at, key), "an unknown key", "a known key", hint=nearest(key, list(fields)))
    for part, inner, path in _parts(plain, kind, at):
        if _nests(inner):
            yield from _unknown(part, inner, path)


def _wrong(plain: Any, kind: Any, at: str, strict: bool) -> Iterator[Problem]:
    """What is wrong inside, or else with the value as a whole."""
    kind = _meant(plain, kind)
    inside = False
    for part, inner, path in _parts(plain, kind, at):
        for problem in _wrong(part, inner, path, strict):
            inside = True
            yield problem
    if isinstance(plain, dict) and get_origin(_bare(kind)) is dict:
        for key in plain:
            for problem in _wrong(key, get_args(_bare(kind))[0], _below(at, key), strict):
                inside = True
                yield problem
    if inside:
        return
    try:
        msgspec.convert(plain, kind, strict=strict)
    except UnicodeEncodeError:
        yield Problem(at or "$", "broken Unicode", "text")
    except msgspec.ValidationError as error:
        text = str(error)
        if missing := _MISSING.fullmatch(text):
            yield Problem(_below(at, missing[1]), "nothing", "a value: it has no default")
        elif not text.startswith("Object contains unknown field"):  # Told already.
            expected, hint = _expected(text, plain, kind)
            yield Problem(at or "$", "a value" if _hidden(kind) else shown(plain), expected, hint=hint)


def _expected(text: str, plain: Any, kind: Any) -> tuple[str, str]:
    """What was expected, in words, and a hint for a word that is not among those allowed."""
    for meta in getattr(_some(kind), "__metadata__", ()):
        if isinstance(meta, Meta) and meta.description:
            return meta.description, ""
    bare = _bare(kind)
    if get_origin(bare) is Literal:
        words = [str(word) for word in get_args(bare)]
        return f"one of {', '.join(words)}", nearest(plain, words) if isinstance(plain, str) else ""
    match = _EXPECTED.fullmatch(text)
    told = match[1] if match else text
    return re.sub("`([a-z]+)`", lambda word: _WORDS.get(word[1], word[1]), told), ""


def _hidden(kind: Any) -> bool:
    """Whether a value may be a password."""
    return any(
        isinstance(meta, Meta) and (meta.extra or {}).get("hidden") for meta in getattr(kind, "__metadata__", ())
    )


def _parts(plain: Any, kind: Any, at: str) -> Iterator[tuple[Any, Any, str]]:
    """What the value consists of: each part, its type and its path. Of text, numbers and `Any` nothing is known."""
    bare = _bare(kind)
    origin = get_origin(bare)
    if isinstance(plain, dict):
        if (fields := _fields(bare)) is not None:
            for key, part in plain.items():
                if key in fields:
                    yield part, fields[key], _below(at, key)
        elif origin is dict and (inner := get_args(bare)[1]) is not Any:
            for key, part in plain.items():
                yield part, inner, _below(at, key)
    elif isinstance(plain, list | tuple) and origin in (list, tuple):
        kinds = get_args(bare)
        if origin is tuple and kinds[-1] is not ...:
            return
        for number, part in enumerate(plain):
            yield part, kinds[0], f"{at}[{number}]"


def _below(at: str, key: str) -> str:
    key = key if _PLAIN.fullmatch(key) else shown(key)
    return f"{at}.{key}" if at else key


def _meant(plain: Any, kind: Any) -> Any:
    """Of a struct, or a word in its place, the one that the value can only have been meant to be."""
    if get_origin(_some(kind)) not in (Union, UnionType):
        return kind
    arms = [one for one in get_args(kind) if (_fields(one) is not None) == isinstance(plain, dict)]
    return arms[0] if len(arms) == 1 else kind


@cache
def _some(kind: Any) -> Any:
    """Without the None that it may be instead."""
    if get_origin(kind) in (Union, UnionType):
        some = [one for one in get_args(kind) if one is not type(None)]
        return _some(some[0]) if len(some) == 1 else kind
    return kind


@cache
def _bare(kind: Any) -> Any:
    """Without bounds as well."""
    kind = _some(kind)
    return _bare(get_args(kind)[0]) if get_origin(kind) is Annotated else kind


@cache
def _nests(kind: Any) -> bool:
    """Whether there can be a struct in it."""
    bare = _bare(kind)
    return _fields(bare) is not None or any(map(_nests, get_args(bare)))


@cache
def _fields(kind: Any) -> dict[str, Any] | None:
    """Key -> type, for a struct."""
    if not (isinstance(kind, type) and issubclass(kind, Struct)):
        return None
    hints = get_type_hints(kind, include_extras=True)
    return {field.encode_name: hints[field.name] for field in msgspec.structs.fields(kind)}
