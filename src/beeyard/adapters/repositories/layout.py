"""Where things are in a signed repository: the one place that knows its folders and the names of its roles.

An origin is who makes packages; it has a role of its own name. A channel points to versions; its role is `channel-` and
its name. Neither can sign for the other, nor for anything else.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from beeyard.domain.packages import NAME
from beeyard.domain.packages import version as check_version

METADATA, TARGETS = "metadata", "targets"
DESCRIPTION = "package.json"
CHANNEL = "channel-"
CHANNELS = "channels"
TOP = ("root", "timestamp", "snapshot", "targets")
_VERSION = r"[A-Za-z0-9][A-Za-z0-9.+!_-]{0,63}"
_PART = NAME.removeprefix("^").removesuffix(r"(?!\n)$")
_PLATFORM = r"any|[a-z0-9]+-[a-z0-9_]+"
_BUILD = re.compile(rf"({_PART})/({_PART})/({_VERSION})/({_PLATFORM})/{re.escape(DESCRIPTION)}")


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


def patterns(role: str) -> list[str]:
    """All that this role may sign."""
    if role.startswith(CHANNEL):
        return [f"{CHANNELS}/{role.removeprefix(CHANNEL)}/*"]
    return [f"{role}/*/*/*/*"]


def probe(role: str) -> str:
    """A path that belongs to this role and is never there."""
    return patterns(role)[0].replace("*", "-")


def pointer(channel: str, origin: str, name: str) -> str:
    """Where a channel says which version of an origin's package it means."""
    return f"{CHANNELS}/{channel}/{origin}.{name}.json"


def stored(path: str, sha256: str) -> str:
    """The file of a target: its digest is in its name, so old and new stand side by side."""
    folder, _, name = path.rpartition("/")
    return f"{TARGETS}/{folder}/{sha256}.{name}"
