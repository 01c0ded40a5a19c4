"""Versions as distributions write them: in which order they come, and how they are spelled here.

Order is theirs, by dpkg's or rpm's rules. Here versions are ordered as Python's packages count, which knows no `~`
within a revision, say: so of two whose spellings would change places, only the newer one counts. Runs no tool.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from beeyard.domain.packages import version

LONGEST = 64
_RELEASE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,5}(?![0-9])")
_PREVIEW = re.compile(r"~(alpha|a|beta|b|rc|pre)[._-]?([0-9]{1,9})(?![a-z0-9])", re.IGNORECASE)
_PREVIEWS = {"alpha": "a", "beta": "b", "pre": "rc"}
_PARTS = re.compile(r"[0-9]+|[a-z]+")

Key = tuple[object, ...]
"""What sorts as the version that it is made of."""


class Versioned(Protocol):
    """A build, as its distribution calls its version, and as it is called here."""

    @property
    def theirs(self) -> str: ...

    @property
    def version(self) -> str: ...


V = TypeVar("V", bound=Versioned)


def parts(text: str) -> tuple[int, str, str]:
    """Epoch, upstream's version and revision; an epoch that nobody wrote is 0."""
    epoch, colon, rest = text.partition(":")
    if not colon:
        epoch, rest = "0", text
    upstream, dash, revision = rest.rpartition("-")
    if not epoch.isascii() or not epoch.isdigit():
        raise ValueError(f"{text!r} is no version")
    return int(epoch), (upstream if dash else revision), (revision if dash else "")


def spelled(text: str) -> str:
    """`1:2.6~rc1-5+b1` is `1!2.6rc1+5.b.1`: a range names upstream's part alone. A revision 0 is like none.

    Raises ValueError.
    """
    epoch, upstream, revision = parts(text)
    if (release := _RELEASE.match(upstream)) is None:
        raise ValueError(f"{text!r} has no version of upstream's")
    rest, preview = upstream[release.end() :], ""
    if found := _PREVIEW.match(rest):
        word = found[1].lower()
        rest, preview = rest[found.end() :], f"{_PREVIEWS.get(word, word)}{int(found[2])}"
    elif rest.startswith("~"):
        preview = ".dev0"
    local = _PARTS.findall(f"{rest} {'' if revision == '0' else revision}".lower())
    made = f"{epoch}!" * bool(epoch) + release[0] + preview + "+" * bool(local) + ".".join(local)
    if len(made) > LONGEST:
        raise ValueError(f"{text!r} is longer than a version may be")
    return made


def dpkg_key(text: str) -> Key:
    """As `dpkg --compare-versions` has it."""
    epoch, upstream, revision = parts(text)
    return epoch, _dpkg(upstream), _dpkg(revision)


def rpm_key(text: str) -> Key:
    """As `rpm` has it."""
    epoch, upstream, revision = parts(text)
    return epoch, _rpm(upstream), _rpm(revision)


def ordered(builds: Iterable[V], key: Callable[[str], Key]) -> list[V]:
    """Oldest first, without those that would change places with a newer one by the way they are spelled here."""
    kept: list[V] = []
    for build in sorted(builds, key=lambda one: key(one.theirs), reverse=True):
        above = kept[-1] if kept else None
        if above is None or build.theirs == above.theirs or version(build.version) < version(above.version):
            kept.append(build)
    return kept[::-1]


def _dpkg(text: str) -> Key:
    pairs: Sequence[tuple[str, str]] = re.findall(r"([^0-9]*)([0-9]*)", text)
    found = [((*map(_weight, words), 0), int(number or 0)) for words, number in pairs]
    while len(found) > 1 and found[-1] == ((0,), 0):
        found.pop()
    return (*found, ((0,), 0))


def _weight(letter: str) -> int:
    """`~` comes before the end (0), letters before all else."""
    return -1 if letter == "~" else ord(letter) if letter.isalpha() else ord(letter) + 256


def _rpm(text: str) -> Key:
    """`~` comes before the end, `^` right after it, letters before numbers."""
    found: list[tuple[object, ...]] = []
    for part in re.findall(r"[0-9]+|[a-zA-Z]+|[~^]", text):
        if part in "~^":
            found.append((0 if part == "~" else 2,))
        else:
            found.append((4, int(part)) if part.isdigit() else (3, part))
    return (*found, (1,))
