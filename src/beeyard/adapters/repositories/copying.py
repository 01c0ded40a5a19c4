"""Copies a signed repository, or the part of it that somebody wants, into a folder that any web server can serve.

Its metadata is copied as it is: a copy can sign nothing, and readers believe it as far as they believe the signatures.
Everything is verified before it lies there. What is there already is not brought again, and the timestamp comes last,
so a copy that was cut off is as it was, and gone on with.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct

from beeyard.adapters.repositories import index, layout
from beeyard.adapters.repositories.index import Held, Index
from beeyard.adapters.repositories.layout import Build
from beeyard.adapters.repositories.publishing import files
from beeyard.adapters.repositories.tuf import TufRepository
from beeyard.domain.errors import Invalid, NotFound, Refused
from beeyard.domain.packages import ANY, Description, Payload, Wanted, needed_range, range_of, version
from beeyard.domain.values import human_memory
from beeyard.ports.fetcher import Fetcher

STATE = ".mirror"
"""The folder in a copy with what is known of the repository, and with what came in part."""


class Choice(Struct, frozen=True):
    """Which builds: of packages with these names (`*` ends a beginning), for these platforms, the `keep` newest of
    each, or of those in a range, `caddy:>=2,<3`. With `needs` what they need as well, in the versions that they need.

    Nothing said is all there is. What a channel points to is always wanted.
    """

    names: tuple[str, ...] = ("*",)
    platforms: tuple[str, ...] = ()
    keep: int = 0
    needs: bool = False

    def asks(self, names: Iterable[str]) -> list[Wanted]:
        """What is wanted of packages with these names. Raises Invalid."""
        found = []
        for text in self.names:
            pattern, _, range = text.partition(":")
            try:
                found += [Wanted(name, range_of(range)) for name in names if fnmatchcase(name, pattern)]
            except ValueError as error:
                raise Invalid("usage", "{given}: expected {expected}", given=text, expected=str(error)) from None
        return found

    def platform(self, platform: str) -> bool:
        """Whether its builds for this platform are."""
        return not self.platforms or platform in (*self.platforms, ANY)


class Copy:
    """One run. `told` hears a sentence for each file that comes."""

    def __init__(
        self, source: TufRepository, folder: Path, fetcher: Fetcher, choice: Choice, told: Callable[[str], None]
    ) -> None:
        """`source` keeps what it knows in the folder `folder/STATE`."""
        self._source = source
        self._folder = folder
        self._fetcher = fetcher
        self._choice = choice
        self._told = told
        self._wanted: set[str] = set()
        self.brought = 0

    async def run(self) -> list[str]:
        """Bring it up to date. What was done, a sentence each.

        Raises:
            NotFound: no package has such a name.
            Refused: somebody else works in the folder, or it is a repository and no copy.
            Unavailable, Untrusted, Rejected: the repository, or the disk.
        """
        with files.told(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        with files.alone(self._folder), self._owned():
            await self._source.refresh()
            roles = await self._source.roles()
            good = {name: role for name, role in roles.items() if not role.refused}
            builds = await self._builds(good, self._asks(roles))
            end = await asyncio.to_thread(self._metadata, roles)
            removed = await asyncio.to_thread(self._remove, roles.keys() - good.keys())
        did = [f"copied {len(builds)} build{'s' * (len(builds) != 1)}: {human_memory(self.brought)} came"]
        did += [f"left out {name}: {role.refused}" for name, role in roles.items() if role.refused]
        did += [f"removed {removed} files that are wanted no more"] * bool(removed)
        return [*did, f"good until {end}"]

    @contextmanager
    def _owned(self) -> Iterator[None]:
        """It is a copy or begins to be one, and nobody makes a repository of it meanwhile. Raises Refused."""
        state, metadata = self._folder / STATE, self._folder / layout.METADATA
        if self._source.lies_in(self._folder) or (metadata.exists() and not state.exists()):
            text, hint = "{folder} is a repository and no copy of one", "name a folder that is empty, or no folder yet"
            raise Refused("repository_original", text, hint=hint, folder=str(self._folder))
        with files.told(self._folder):
            state.mkdir(exist_ok=True)
            metadata.mkdir(exist_ok=True)
        with files.alone(metadata):
            yield

    def _asks(self, roles: Mapping[str, Index]) -> list[Wanted]:
        """What is wanted of what can be had. Raises NotFound, or why there is nothing to be had."""
        good = (role for role in roles.values() if not role.refused)
        if asks := self._choice.asks(sorted({name for role in good for name in role.packages})):
            return asks
        for role in roles.values():
            if role.refused and self._choice.asks(role.packages):
                raise role.refused
        text, hint = "{repository} has no package that is wanted", "look at the names that were given"
        raise NotFound("no_such_package", text, hint=hint, repository=self._source.name)

    async def _builds(self, roles: Mapping[str, Index], asks: list[Wanted]) -> set[Build]:
        """Copy what is asked for, and what that needs, if that is wanted too."""
        kept, asked, channels = set[Build](), set[Wanted](), await self._pointers(roles)
        while asks:
            asked.add(ask := asks.pop())
            for role in roles.values():
                for build, description in await self._package(role.packages.get(ask.name, []), ask, channels):
                    kept.add(build)
                    needs = description.manifest.dependencies if self._choice.needs else ()
                    wanted = (Wanted(need.name, needed_range(description.manifest, need)) for need in needs)
                    asks += [one for one in wanted if one not in asked]
        return kept

    async def _pointers(self, roles: Mapping[str, Index]) -> dict[tuple[str, str], set[str]]:
        """Copy what channels say. Origin and name -> the versions that they point to."""
        found: dict[tuple[str, str], set[str]] = {}
        for role, known in roles.items():
            for path, target in known.pointers.items():
                data = await self._source.signed(path, target)
                pointer = self._source.pointer(path, data)
                self._put(layout.stored(path, target.hashes.sha256), data)
                if (package := layout.pointed(role.removeprefix(layout.CHANNEL), path)) is not None:
                    found.setdefault(package, set()).add(pointer.version)
        return found

    async def _package(
        self, held: Sequence[Held], ask: Wanted, channels: Mapping[tuple[str, str], set[str]]
    ) -> list[tuple[Build, Description]]:
        """Copy all descriptions, as readers look at each, and what belongs to those that are kept."""
        fit = [one for one in held if self._choice.platform(one.build.platform)]
        described = [(build, await self._description(build, target)) for build, target in fit]
        kept = [
            (build, description)
            for build, description in described
            if build.version in channels.get((build.origin, build.name), ())
            or build.version in self._newest(ask, [one for one in fit if one.build.platform == build.platform])
        ]
        for build, description in kept:
            for file in _files(description):
                await self._file(build, file)
        return kept

    def _newest(self, ask: Wanted, held: Sequence[Held]) -> list[str]:
        """The versions to keep: as for a host, one that was yanked counts only where nothing else fits, and so does a
        pre-release that no range names."""
        fit = [one for one in held if ask.takes(one.build.version)]
        if self._choice.keep:
            fit = [one for one in fit if not one.target.custom.yanked] or fit
            fit = [one for one in fit if ask.range or not version(one.build.version).is_prerelease] or fit
        return sorted((one.build.version for one in fit), key=version, reverse=True)[: self._choice.keep or None]

    async def _description(self, build: Build, target: index.Target) -> Description:
        data = await self._source.signed(build.description, target)
        description = self._source.described(build, data)
        self._put(layout.stored(build.description, target.hashes.sha256), data)
        return description

    async def _file(self, build: Build, file: Payload) -> None:
        path = f"{layout.TARGETS}/{file.name}"
        self._wanted.add(path)
        place = self._folder / path
        if place.exists() and place.stat().st_size == file.size:  # It got its name when it was verified.
            return
        self._told(f"{build.name} {build.version}: {human_memory(file.size)}")
        came = await self._fetcher.fetch(self._source.sources(file)[-1], file.size, file.sha256, lambda _: None)
        await asyncio.to_thread(_place, came, place)
        self.brought += file.size

    def _put(self, path: str, data: bytes) -> None:
        self._wanted.add(path)
        if not (self._folder / path).exists():
            files.write(self._folder / path, data)

    def _metadata(self, roles: Mapping[str, Index]) -> str:
        """Copy what was verified, under the names that readers ask for. When it is good no more.

        What is out of date goes along: a reader that found it missing would take it for worse than that.
        """
        known, there = self._folder / STATE / layout.METADATA, self._folder / layout.METADATA
        for root in (known / "root_history").iterdir():
            files.write(there / root.name, root.read_bytes())
        for role in ("targets", *(name for name, role in roles.items() if not role.refused or role.late), "snapshot"):
            data = (known / f"{quote(role, '')}.json").read_bytes()
            files.write(there / f"{index.version(data)}.{role}.json", data)
        data = (known / "timestamp.json").read_bytes()
        files.write(there / "timestamp.json", data)
        return f"{index.end(data):%Y-%m-%d %H:%M} UTC"

    def _remove(self, refused: Iterable[str]) -> int:
        """What nobody wants any more, once no reader is led to it, and what a run left that was killed. What is of a
        refused role stays: once that is signed anew it is wanted again."""
        spared = tuple(f"{layout.TARGETS}/{layout.folder(role)}/" for role in refused)
        there = (path for path in (self._folder / layout.TARGETS).rglob("*") if path.is_file())
        names = ((path, str(path.relative_to(self._folder))) for path in there)
        over = [path for path, name in names if name not in self._wanted and not name.startswith(spared)]
        with files.told(self._folder):
            for path in (*over, *(self._folder / layout.METADATA).rglob(f"{files.DRAFT}*")):
                path.unlink()
        return len(over)


def _place(came: str, place: Path) -> None:
    with files.told(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        os.chmod(came, files.PUBLIC)
        os.replace(came, place)


def _files(description: Description) -> Iterator[Payload]:
    """All that belongs to a build besides its description."""
    yield description.payload
    yield from description.deltas
    for paper in description.papers:
        yield Payload(paper.name, paper.size, paper.sha256)
