"""Texts that nobody is to see, and how specs refer to them by name.

A `Secret` shows itself only to who calls `reveal()`. In the values of a worker's environment, and as a password or
token of a repository, `${secret:NAME}` stands for one; `$${secret:NAME}` is that very text, with one dollar less. Knows
neither which names there are, nor whence their values come.
"""

import hmac
import re
from collections.abc import Mapping
from typing import NoReturn

REDACTED = "[REDACTED]"

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REFERENCE = re.compile(r"(\$+)\{secret:(?:([A-Za-z0-9_-]{1,64})\})?")


class Secret:
    """A text that prints as `[REDACTED]`; it can't be encoded, copied or pickled either."""

    __slots__ = ("__text",)
    __hash__ = None  # type: ignore[assignment]  # A hash would tell two of them apart in no constant time.

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        """The text itself, for the one place that needs it."""
        return self.__text

    def __repr__(self) -> str:
        return REDACTED

    def __format__(self, spec: str) -> str:
        return REDACTED

    def __eq__(self, other: object) -> bool:
        """In constant time."""
        if not isinstance(other, Secret):
            return NotImplemented
        ours, theirs = (text.encode("utf-8", "surrogatepass") for text in (self.__text, other.__text))
        return hmac.compare_digest(ours, theirs)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret can't be copied or pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a secret has no state to show")


def secret_name(text: str) -> str:
    """Raises ValueError, with the expected form as text."""
    if not _NAME.fullmatch(text):
        raise ValueError("1 to 64 letters, digits, '_' or '-'")
    return text


def references(text: str) -> list[str]:
    """The names that a value refers to. Raises ValueError, with the expected form, when one of them is none."""
    names = []
    for match in _REFERENCE.finditer(text):
        if len(match[1]) % 2:
            if match[2] is None:
                raise ValueError("${secret:NAME}, NAME being 1 to 64 letters, digits, '_' or '-'")
            names.append(match[2])
    return names


def literal(text: str, *, before_reference: bool = False) -> str:
    """A value that means this text and refers to nothing, also when a reference comes right after it."""
    end = r"|\Z" if before_reference else ""
    return re.sub(r"(\$+)(?=\{secret:" + end + ")", r"\1\1", text)


def filled(value: str, secrets: Mapping[str, Secret]) -> str:
    """The text that a value means, secrets in place."""

    def text(match: re.Match[str]) -> str:
        dollars, name = match[1], match[2]
        if len(dollars) % 2 == 0:
            return dollars[: len(dollars) // 2] + match[0][len(dollars) :]
        return dollars[: len(dollars) // 2] + secrets[name].reveal()

    return _REFERENCE.sub(text, value)
