"""What one role signed, in the form in which it is asked for: builds by package, or the pointers of a channel.

It reads bytes whose signatures were verified already, and verifies nothing. Reading is the slow part, some 60 ms for
20,000 builds, so whoever keeps an index keeps its `key` too, and reads again only what another key has.
"""

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from msgspec import Struct

from beeyard.adapters.repositories import layout
from beeyard.adapters.repositories.layout import Build


class Custom(Struct, omit_defaults=True):
    """What Beeyard adds to a target: why it is not to be taken any more."""

    yanked: str = ""


class Target(Struct):
    """One signed file."""

    length: int
    hashes: dict[str, str]
    custom: Custom = msgspec.field(default_factory=Custom)


class Pointer(Struct, frozen=True):
    """What a channel says of one package, in a target of its own."""

    version: str


class _Signed(Struct):
    expires: datetime
    targets: dict[str, Target]


class _File(Struct):
    signed: _Signed


class Held(NamedTuple):
    """A build, and the description that was signed."""

    build: Build
    target: Target


class Index(NamedTuple):
    """A role as of some version. `key` changes with its content and with who may sign it."""

    key: object
    expires: datetime
    packages: dict[str, list[Held]]
    pointers: dict[str, Target]

    @property
    def fresh(self) -> bool:
        return datetime.now(UTC) < self.expires


_DECODER = msgspec.json.Decoder(_File)


def read(role: str, key: object, data: bytes) -> Index:
    """Raises msgspec.DecodeError."""
    signed = _DECODER.decode(data).signed
    packages: dict[str, list[Held]] = {}
    pointers: dict[str, Target] = {}
    for path, target in signed.targets.items():
        if role.startswith(layout.CHANNEL):
            pointers[path] = target
        elif (found := layout.build(path)) and found.origin == role:
            packages.setdefault(found.name, []).append(Held(found, target))
    return Index(key, signed.expires, packages, pointers)
