"""A signed repository. What it says is believed because of signatures that lead back to the root that was pinned.

A package belongs to the first origin that holds it, in the order in which the repository trusts them: another origin
can add no version to it. An origin that is out of date costs its own packages; one that can't be verified may hold any,
and costs those of the origins after it as well. What was verified once is told until something newer was verified; a
`refresh` that fails changes nothing. Once it was told to recall, it asks nobody until the next `refresh`. This fetches
metadata and descriptions, never a payload.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self, TypeVar

import msgspec
from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import TargetFile

from beeyard.adapters.repositories import layout, recalling
from beeyard.adapters.repositories.beside import beside
from beeyard.adapters.repositories.cache import Cache
from beeyard.adapters.repositories.index import Held, Index, Pointer, Target
from beeyard.adapters.repositories.layout import Build
from beeyard.adapters.repositories.mirrors import Mirrored
from beeyard.adapters.repositories.place import Place, location
from beeyard.adapters.repositories.updating import MOST, update
from beeyard.adapters.repositories.web import Limits
from beeyard.domain.errors import Invalid, NotFound, Unavailable, Untrusted
from beeyard.domain.packages import Description, Payload, Trust
from beeyard.domain.sources import Credentials, Mirror, RepositorySpec
from beeyard.ports.repository import Offer, Source

T = TypeVar("T")
SWEEP_EVERY = 86400.0
"""Seconds between two looks for what nobody needs any more; the first refresh looks too."""


class TufRepository:
    """A Repository with TUF metadata."""

    trust: ClassVar[Trust] = "tuf"

    def __init__(
        self,
        name: str,
        location: str,
        root: bytes,
        cache: Path,
        *,
        credentials: Credentials = Credentials(),  # noqa: B008
        limits: Limits = Limits(),  # noqa: B008
        mirrors: Sequence[Mirror] = (),
    ) -> None:
        """`root`: the content of the pinned root.json. `cache`: a folder of this repository's own. Raises Invalid."""
        self.name = name
        self._root = root
        self._cache = Cache(name, cache)
        self._place = Place(name, location, credentials, limits)
        self._mirrored = Mirrored(name, mirrors, self._place, limits)
        self._roles: dict[str, Index] | None = None
        self._recalled = False
        self._sweep_at = 0.0

    @classmethod
    def of(cls, spec: RepositorySpec, folder: Path) -> Self:
        """Raises Invalid."""
        if not spec.root:
            text, hint = "{repository} has no `root`", "the 1.root.json of its owner, or `trust: unsigned`"
            raise Invalid("repository_root", text, hint=hint, repository=spec.name)
        try:
            root = Path(spec.root).read_bytes()
        except OSError as error:
            text, hint = "the root of {repository}, {file}, can't be read: {reason}", "look at the file under `root`"
            reason = error.strerror
            raise Invalid(
                "repository_root", text, hint=hint, repository=spec.name, file=spec.root, reason=reason
            ) from None
        return cls(spec.name, location(spec), root, folder, credentials=spec.credentials, mirrors=spec.mirrors)

    async def refresh(self) -> None:
        """Also raises Invalid where what is pinned is not a root."""
        async with self._cache.metadata(self._place.limits.total) as folder:
            self._roles = await self._mirrored.anew(lambda place: self._updated(place, folder))
            self._recalled = False
            if time.monotonic() >= self._sweep_at:
                await asyncio.to_thread(self._cache.sweep, self._roles)
                self._sweep_at = time.monotonic() + SWEEP_EVERY

    async def _updated(self, place: Place, folder: Path) -> dict[str, Index]:
        """All roles as this place has them; of a mirror, only if none of them is refused but for its end."""
        known = self._roles or {}
        async with place.reader() as reader:
            try:
                roles = await beside(lambda read: update(self.name, self._root, folder, read, known), reader.read)
                recalling.reached(folder)
            except OSError as error:
                raise self._cache.unusable(error) from error
        if place is not self._place:
            for role in roles.values():
                if role.refused and not role.late:
                    raise role.refused.with_traceback(None)
        return roles

    async def recall(self) -> float | None:
        async with self._cache.metadata(recalling.PATIENCE) as folder:
            found = await asyncio.to_thread(recalling.recall, self.name, self._root, folder)
        if found is None:
            return None
        self._roles, self._recalled = found.roles, True
        return found.at

    async def packages(self) -> list[str]:
        roles = (await self._known()).values()
        names = sorted({name for role in roles for name in role.packages})
        if not names and (why := next((role.refused for role in roles if role.refused), None)):
            raise why.with_traceback(None)
        return names

    async def offers(self, package: str) -> list[Offer]:
        roles = await self._known()
        builds = _held(roles, package)
        if not builds:
            return []
        channels = await self._channels(roles, builds[0].build)
        return [
            Offer(
                build.name,
                build.version,
                build.platform,
                target.custom.yanked,
                tuple(channel for channel, version in channels.items() if version == build.version),
            )
            for build, target in builds
        ]

    async def describe(self, offer: Offer) -> Description:
        """Also raises NotFound for what is no longer offered."""
        for build, target in _held(await self._known(), offer.name):
            if (build.version, build.platform) == (offer.version, offer.platform):
                return self.described(build, await self.signed(build.description, target))
        text = "{repository} has no {name}:{version} for {platform}"
        fields = {"name": offer.name, "version": offer.version, "platform": offer.platform}
        raise NotFound("no_such_package", text, repository=self.name, **fields)

    def sources(self, file: Payload) -> Sequence[Source]:
        return self._mirrored.sources(f"{layout.TARGETS}/{file.name}")

    def lies_in(self, folder: Path) -> bool:
        """Whether this very folder is the repository."""
        return self._place.lies_in(folder)

    async def roles(self) -> Mapping[str, Index]:
        """All that was signed, by role. Raises Unavailable, Untrusted."""
        return await self._known()

    async def _known(self) -> dict[str, Index]:
        if self._roles is None:
            await self.refresh()
        assert self._roles is not None
        return self._roles

    async def _channels(self, roles: Mapping[str, Index], build: Build) -> dict[str, str]:
        """Channel -> version, of those that point to this package."""
        found = {}
        for role, known in roles.items():
            channel = role.removeprefix(layout.CHANNEL)
            path = layout.pointer(channel, build.origin, build.name)
            if target := known.pointers.get(path):
                try:
                    data = await self.signed(path, target)
                except Unavailable:
                    if not self._recalled:
                        raise
                    continue
                found[channel] = self.pointer(path, data).version
        return found

    async def signed(self, path: str, target: Target) -> bytes:
        """A small signed file, from the cache or the repository, verified in any case."""
        sha256 = target.hashes.sha256
        signed = TargetFile(target.length, {"sha256": sha256}, path)
        if (kept := self._cache.find(sha256)) is not None and _verified(signed, kept):
            return kept
        if self._recalled:
            raise self._missing(path)
        found = await self._mirrored.first(lambda place: self._read(place, path, signed))
        self._cache.keep(sha256, found)
        return found

    async def _read(self, place: Place, path: str, signed: TargetFile) -> bytes:
        async with place.reader() as reader:
            found = await reader.read(layout.stored(path, signed.hashes["sha256"]), min(signed.length, MOST))
        if found is None:
            raise self._missing(path)
        if not _verified(signed, found):
            text, hint = "{repository}: {file} is not the one that was signed", "somebody put another in its place"
            raise Untrusted("repository_swapped", text, repository=self.name, file=path, hint=hint)
        return found

    def _missing(self, path: str) -> Unavailable:
        text, hint = "{repository} holds no {file}", "it is not whole: whoever runs it publishes it again"
        return Unavailable("repository_incomplete", text, repository=self.name, file=path, hint=hint)

    def described(self, build: Build, data: bytes) -> Description:
        """What was signed as the description of a build. Raises Untrusted if it is that of something else."""
        description = self._decoded(data, build.description, Description)
        manifest, payload = description.manifest, description.payload
        said = build._replace(name=manifest.name, version=manifest.version, platform=manifest.platform)
        strays = [one.name for one in description.deltas if one.name != build.delta(one.base, one.sha256)]
        strays += [one.name for one in description.papers if one.name != build.paper(one.kind, one.sha256)]
        if said != build or payload.name != build.payload(payload.sha256) or strays:
            text = "{repository}: {file} describes {found}, not what its place says"
            hint = f"whoever signs for {build.origin} made a mistake, or lost a key"
            places = " and ".join([payload.name, *strays])
            found = f"{manifest.name}:{manifest.version} for {manifest.platform} in {places}"
            fields = {"repository": self.name, "file": build.description, "found": found}
            raise Untrusted("repository_misnamed", text, hint=hint, **fields)
        return description

    def pointer(self, path: str, data: bytes) -> Pointer:
        """What was signed as one. Raises Untrusted."""
        return self._decoded(data, path, Pointer)

    def _decoded(self, data: bytes, path: str, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(data, type=kind)
        except (msgspec.DecodeError, ValueError) as error:
            text = "{repository}: {file} was signed and yet can't be read: {reason}"
            fields = {"repository": self.name, "file": path, "reason": str(error)}
            raise Untrusted("repository_unreadable", text, hint="a newer Beeyard may read it", **fields) from error


def _held(roles: Mapping[str, Index], package: str) -> list[Held]:
    """Of the first origin that has it. Raises why that, or one before it that may have it, is not to be believed."""
    return next((held for known in roles.values() if (held := known.held(package))), [])


def _verified(signed: TargetFile, data: bytes) -> bool:
    try:
        signed.verify_length_and_hashes(data)
    except LengthOrHashMismatchError:
        return False
    return True
