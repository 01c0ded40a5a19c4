"""Where things are in a signed repository: the one place that knows its folders and the names of its roles.

An origin is who makes packages; it has a role of its own name. A channel points to versions; its role is `channel-` and
its name. Neither can sign for the other, nor for anything else.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from beeyard.domain.packages import NAME, PaperKind
from beeyard.domain.packages import version as check_version
from beeyard.domain.papers import SUFFIXES

METADATA, TARGETS = "metadata", "targets"
DESCRIPTION = "package.json"
CHANNEL = "channel-"
CHANNELS = "channels"
TOP = ("root", "timestamp", "snapshot", "targets")
_VERSION = r"[A-Za-z0-9][A-Za-z0-9.+!_-]{0,63}"
_PART = NAME.removeprefix("^").removesuffix(r"(?!\n)$")
_PLATFORM = r"any|[a-z0-9]+-[a-z0-9_]+"
_BUILD = re.compile(rf"({_PART})/({_PART})/({_VERSION})/({_PLATFORM})/{re.escape(DESCRIPTION)}")
_POINTER = re.compile(rf"{CHANNELS}/({_PART})/({_PART})\.({_PART})\.json")


class Build(NamedTuple):
    """Whose build of which version for which platform."""

    origin: str
    name: str
    version: str
    platform: str

    @property
    def folder(self) -> str:
        """Below the folder of targets."""
        return "/".join(self)

    @property
    def description(self) -> str:
        """The name of its description, as the origin's role signs it."""
        return f"{self.folder}/{DESCRIPTION}"

    def payload(self, sha256: str) -> str:
        """The name of its payload, as its description says it."""
        return f"{self.folder}/{sha256}.payload.tar.zst"

    def paper(self, kind: PaperKind, sha256: str) -> str:
        """The name of a paper of it, as its description says it."""
        return f"{self.folder}/{sha256}.{kind}{SUFFIXES[kind]}"

    def delta(self, base: str, sha256: str) -> str:
        """The name of what makes it out of the build with the digest `base`."""
        return f"{self.folder}/{sha256}.from-{base[:12]}.zpatch"


def may_be_origin(name: str) -> bool:
    """Whether an origin can have this name, so that nobody takes its role or its folder for another."""
    return bool(re.fullmatch(NAME, name)) and name not in (*TOP, CHANNELS) and not name.startswith(CHANNEL)


def may_be_delegated(role: str) -> bool:
    """Whether it is the role of an origin or a channel, by its name."""
    return may_be_origin(role.removeprefix(CHANNEL))


def build(path: str) -> Build | None:
    """Of the path of a description; None of what is none, or has a version that is none."""
    found = _BUILD.fullmatch(path)
    if found is None:
        return None
    build = Build(*found.groups())
    return build if _is_version(build.version) else None


@lru_cache(4096)  # packages of one origin have many versions in common, and reading one is slow
def _is_version(text: str) -> bool:
    try:
        check_version(text)
    except ValueError:
        return False
    return True


def folder(role: str) -> str:
    """Where all lies that this role may sign, below the folder of targets."""
    return f"{CHANNELS}/{role.removeprefix(CHANNEL)}" if role.startswith(CHANNEL) else role


def patterns(role: str) -> list[str]:
    """All that this role may sign."""
    return [f"{folder(role)}/{'*' if role.startswith(CHANNEL) else '*/*/*/*'}"]


def probe(role: str) -> str:
    """A path that belongs to this role and is never there."""
    return patterns(role)[0].replace("*", "-")


def pointer(channel: str, origin: str, name: str) -> str:
    """Where a channel says which version of an origin's package it means."""
    return f"{CHANNELS}/{channel}/{origin}.{name}.json"


def pointed(channel: str, path: str) -> tuple[str, str] | None:
    """Origin and name of the package that this path of a channel speaks of; None: no pointer of it has such a path."""
    found = _POINTER.fullmatch(path)
    return (found[2], found[3]) if found and found[1] == channel else None


def digest(file: str) -> str:
    """Of a file of a repository that is no metadata: its name begins with it."""
    return file.rpartition("/")[2].partition(".")[0]


def stored(path: str, sha256: str) -> str:
    """The file of a target: its digest is in its name, so old and new stand side by side."""
    folder, _, name = path.rpartition("/")
    return f"{TARGETS}/{folder}/{sha256}.{name}"
