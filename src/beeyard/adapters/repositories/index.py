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
from beeyard.domain.errors import BeeyardError
from beeyard.domain.packages import Digest


class Custom(Struct, omit_defaults=True, gc=False):
    """What Beeyard adds to a target: why it is not to be taken any more."""

    yanked: str = ""


class Hashes(Struct, gc=False):
    """The one that counts: files are found by it, here and there, so it has to be a digest."""

    sha256: Digest


class Target(Struct, gc=False):
    """One signed file. There may be many thousands: `gc=False` spares the loop the time of a look for rings in them."""

    length: int
    hashes: Hashes
    custom: Custom = msgspec.field(default_factory=Custom)


class Pointer(Struct, frozen=True):
    """What a channel says of one package, in a target of its own."""

    version: str


class _Signed(Struct):
    expires: datetime
    targets: dict[str, Target]


class _File(Struct):
    signed: _Signed


class _Until(Struct):
    expires: datetime
    version: int


class _Ending(Struct):
    signed: _Until


class Held(NamedTuple):
    """A build, and the description that was signed."""

    build: Build
    target: Target


class Index(NamedTuple):
    """A role as of some version. `key` changes with its content and with who may sign it.

    `refused`: why nothing of it is to be taken. What it holds is its own nevertheless, and nobody else's instead; what
    is not `legible` may hold anything.
    """

    key: object
    expires: datetime
    packages: dict[str, list[Held]]
    pointers: dict[str, Target]
    refused: BeeyardError | None = None
    legible: bool = True

    @property
    def good(self) -> bool:
        """Whether there is no reason to read it again: it is as out of date as it was, or still is not."""
        return (datetime.now(UTC) >= self.expires) == (self.refused is not None)

    @property
    def late(self) -> bool:
        """Whether it is refused for its end alone: what it holds is as it was signed."""
        return self.refused is not None and self.expires <= datetime.now(UTC)

    def held(self, package: str) -> list[Held]:
        """Its builds of a package. Raises why they are not to be taken."""
        found = self.packages.get(package, [])
        if self.refused and (found or not self.legible):
            raise self.refused.with_traceback(None)
        return found


_NEVER = datetime.max.replace(tzinfo=UTC)
_DECODER, _ENDING = msgspec.json.Decoder(_File), msgspec.json.Decoder(_Ending)


def read(role: str, key: object, data: bytes) -> Index:
    """Raises msgspec.DecodeError."""
    signed = _DECODER.decode(data).signed
    packages: dict[str, list[Held]] = {}
    pointers: dict[str, Target] = {}
    for path, target in signed.targets.items():
        if role.startswith(layout.CHANNEL):
            if layout.pointed(role.removeprefix(layout.CHANNEL), path):
                pointers[path] = target
        elif (found := layout.build(path)) and found.origin == role:
            packages.setdefault(found.name, []).append(Held(found, target))
    return Index(key, signed.expires, packages, pointers)


def refused(role: str, key: object, data: bytes, why: BeeyardError) -> Index:
    """One of which nothing is to be taken. `data`: what it holds and until when, empty where that is not known."""
    try:
        found = read(role, key, data)
    except msgspec.DecodeError:
        # A channel has no packages, so there is none that could be its own.
        return Index(key, _NEVER, {}, {}, why, legible=role.startswith(layout.CHANNEL))
    return found._replace(pointers={}, refused=why)


def version(data: bytes) -> int:
    """Which version of a role some metadata is. Raises msgspec.DecodeError."""
    return _ENDING.decode(data).signed.version


def end(data: bytes) -> datetime:
    """When some metadata is good no more. Raises msgspec.DecodeError."""
    return _ENDING.decode(data).signed.expires
