"""The words of `execution:`, for every provider that takes them: which field of its section is which, and env files.

A process has them all under their own names. A provider of containers says beside a field of its section's type which
word it is; whoever reads a worker file goes by that (entrypoints/settings/contained.py).
"""

from typing import Any

from msgspec import Meta

from beeyard.domain.errors import Rejected


def said(word: str) -> Meta:
    """This field is what `execution:` calls so."""
    return Meta(extra={"execution": word})


def assumed(value: Any) -> Meta:
    """What this field says if there is an `execution:` and nobody says otherwise."""
    return Meta(extra={"executed": value})


def read_env_file(path: str) -> dict[str, str]:
    """`NAME=value` lines; blank lines, `#` comments, `export ` and one pair of quotes around a value are understood."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise Rejected("env_file_unreadable", "env_file {path}: {reason}", path=path, reason=reason) from None
    found = {}
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise Rejected(
                "env_file_malformed",
                "env_file {path}:{line}: no assignment, expected NAME=value",
                path=path,
                line=number,
            )
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name.strip()] = value
    return found
