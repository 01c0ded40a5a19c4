"""A repository that nobody signed: a folder of payloads, each with its description beside it under the same name. What
else lies there is none of its business.

On the web an `index.json` lists the descriptions: `["caddy-2.11.4-linux-x86_64.json", …]`. A payload is checked
against its description, so damage is noticed; whoever can change one can change the other, so tampering is not.
"""

import asyncio
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import msgspec

from beeyard.adapters.repositories.place import Place, location
from beeyard.adapters.repositories.reading import Reader
from beeyard.adapters.repositories.web import Limits
from beeyard.domain.errors import NotFound, Unavailable, Untrusted
from beeyard.domain.packages import Description, Payload, Trust
from beeyard.domain.packages import version as check_version
from beeyard.domain.sources import Credentials, RepositorySpec
from beeyard.ports.repository import Offer, Source

INDEX = "index.json"
MOST = 64 * 2**20
"""Bytes of an index or a description."""
PAYLOAD, DESCRIPTION = ".tar.zst", ".json"
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+!_-]{0,254}")

Build = tuple[str, str, str]
"""Name, version, platform."""


class DirectoryRepository:
    """A Repository without signatures."""

    trust: ClassVar[Trust] = "checksum"

    def __init__(
        self,
        name: str,
        location: str,
        *,
        credentials: Credentials = Credentials(),  # noqa: B008
        limits: Limits = Limits(),  # noqa: B008
    ) -> None:
        """Raises Invalid."""
        self.name = name
        self._place = Place(name, location, credentials, limits)
        self._builds: dict[Build, Description] | None = None

    @classmethod
    def of(cls, spec: RepositorySpec, folder: Path) -> Self:
        """Nothing is kept in `folder`. Raises Invalid."""
        return cls(spec.name, location(spec), credentials=spec.credentials)

    async def refresh(self) -> None:
        async with self._place.reader() as reader:
            builds: dict[Build, Description] = {}
            for file in await self._files(reader):
                found = await self._described(reader, file)
                build = (found.manifest.name, found.manifest.version, found.manifest.platform)
                if builds.setdefault(build, found).digest != found.digest:
                    text, hint = (
                        "{repository} has two different builds of {name}:{version} for {platform}",
                        "remove one",
                    )
                    fields = dict(zip(("name", "version", "platform"), build, strict=True))
                    raise Untrusted("repository_wrong", text, hint=hint, repository=self.name, **fields)
        self._builds = builds

    async def recall(self) -> None:
        """Nothing of it is kept: nobody signed it, so nobody could say whether it is still as it was."""

    async def packages(self) -> list[str]:
        return sorted({name for name, _, _ in await self._known()})

    async def offers(self, package: str) -> list[Offer]:
        return [Offer(*build) for build in await self._known() if build[0] == package]

    async def describe(self, offer: Offer) -> Description:
        """Also raises NotFound for what is no longer offered."""
        found = (await self._known()).get((offer.name, offer.version, offer.platform))
        if found is None:
            text = "{repository} has no {name}:{version} for {platform}"
            fields = {"name": offer.name, "version": offer.version, "platform": offer.platform}
            raise NotFound("no_such_package", text, repository=self.name, **fields)
        return found

    def sources(self, file: Payload) -> Sequence[Source]:
        return [self._place.source(file.name)]

    async def _known(self) -> dict[Build, Description]:
        if self._builds is None:
            await self.refresh()
        assert self._builds is not None
        return self._builds

    async def _files(self, reader: Reader) -> list[str]:
        """The names of all descriptions."""
        if not self._place.web:
            try:
                found = set(await asyncio.to_thread(os.listdir, self._place.base))
            except OSError as error:
                text = "{repository}: {folder} can't be read: {reason}"
                fields = {"repository": self.name, "folder": self._place.base, "reason": error.strerror}
                raise Unavailable("repository_unreachable", text, hint="look at its `path`", **fields) from None
            stems = {name.removesuffix(PAYLOAD) for name in found if name.endswith(PAYLOAD) and _FILE.fullmatch(name)}
            return sorted(f"{stem}{DESCRIPTION}" for stem in stems if f"{stem}{DESCRIPTION}" in found)
        data = await reader.read(INDEX, MOST)
        if data is None:
            text = "{repository} holds no {file}"
            hint = "a folder on the web needs one: a JSON list of its descriptions' names"
            raise Unavailable("repository_incomplete", text, hint=hint, repository=self.name, file=INDEX)
        try:
            names = msgspec.json.decode(data, type=list[str])
        except msgspec.DecodeError as error:
            raise self._unreadable(INDEX, str(error)) from error
        for name in names:
            if not _FILE.fullmatch(name):
                raise self._unreadable(INDEX, f"{name!r} is no name of a file")
        return names

    async def _described(self, reader: Reader, file: str) -> Description:
        data = await reader.read(file, MOST)
        if data is None:
            text, hint = "{repository} holds no {file}", "its index names it: make the index anew"
            raise Unavailable("repository_incomplete", text, hint=hint, repository=self.name, file=file)
        try:
            found = msgspec.json.decode(data, type=Description)
        except msgspec.DecodeError as error:
            raise self._unreadable(file, str(error)) from error
        try:
            check_version(found.manifest.version)
        except ValueError as error:
            raise self._unreadable(file, f"{found.manifest.version!r} is not {error}") from None
        if not all(_FILE.fullmatch(one.name) for one in (found.payload, *found.papers)):
            raise self._unreadable(file, "its payload lies elsewhere")
        return msgspec.structs.replace(found, deltas=())

    def _unreadable(self, file: str, reason: str) -> Untrusted:
        text, hint = "{repository}: {file} can't be read: {reason}", "make it anew: `beeyard package build`"
        return Untrusted("repository_unreadable", text, hint=hint, repository=self.name, file=file, reason=reason)
