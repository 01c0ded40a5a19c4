"""One package file of a distribution, and what a tool does with such: the port between `apt`, `dnf` and the manager."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from beeyard.domain.packages import Manifest, Platform, ProcessEntry
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.package_manager import Tell
from beeyard.ports.package_store import Damage

_PROGRAMS = ("usr/bin", "usr/sbin", "bin", "sbin", "usr/games")


class Build(Struct, frozen=True):
    """As the signed index of a repository names it. `theirs` and `version`: the version as the distribution and as we
    write it; `url`: where its file lies; `yanked`: why only those are to take it who name that very version."""

    name: str
    theirs: str
    version: str
    arch: str
    platform: Platform
    size: int
    sha256: str
    url: str
    description: str = ""
    yanked: str = ""

    @property
    def manifest(self) -> Manifest:
        """It is run by the program that has its name, as far as is known before its files are."""
        return manifest(self.name, self.version, self.platform, self.description)


class Present(Struct, frozen=True):
    """A package that is installed in the system. `size`: bytes of its files; `held`: it is to stay as it is."""

    manifest: Manifest
    theirs: str
    size: int
    held: bool = False


class Change(Struct, frozen=True):
    """What an install would do to the system besides: packages that come, that get another version, and that go."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class Tool(Protocol):
    """What asks repositories and changes the system. `folder` is one repository's own; the configuration of the host
    counts only where the repository is the host's own sources.

    Raises Unavailable, Untrusted, Rejected; Refused where the system is not in a state for it.
    """

    @property
    def system(self) -> str:
        """The folder of the system that it changes, `/` being the one that we run in."""
        ...

    async def refresh(self, spec: RepositorySpec, folder: Path) -> None:
        """Have the index as it is now, with its signature verified."""
        ...

    async def builds(self, spec: RepositorySpec, folder: Path, package: str) -> Sequence[Build]:
        """All of this name, oldest first."""
        ...

    async def names(self, spec: RepositorySpec, folder: Path) -> set[str]: ...

    async def tar(self, file: Path, into: Path, most: int) -> None:
        """Write what a package file holds as a plain tar archive of at most so many bytes."""
        ...

    async def change(self, spec: RepositorySpec, folder: Path, build: Build) -> Change:
        """What installing it in the system would do to others; nothing is done."""
        ...

    async def present(self, name: str) -> Present | None: ...

    async def install(
        self, spec: RepositorySpec, folder: Path, build: Build, tell: Tell, *, again: bool = False, cut: bool = False
    ) -> None:
        """In the system, and nothing else but what it needs and is not there. `again`: also what is there; `cut`: an
        earlier one of ours did not end, and what it left is mended first."""
        ...

    async def remove(self, name: str) -> None:
        """Out of the system; refused where others would go with it."""
        ...

    async def damage(self, name: str) -> list[Damage]:
        """Files in the system that are not as the package had them; configuration may be."""
        ...


def manifest(
    name: str, version: str, platform: Platform, description: str, files: Iterable[str] | None = None
) -> Manifest:
    """Run by the program that has its name, wherever that lies, or else by the only one that there is. With none of
    them it is no program: who runs from it says what."""
    made = Manifest(name, version, platform, description, ProcessEntry(f"{_PROGRAMS[0]}/{name}"))
    if files is None:
        return made
    programs = sorted(path for path in files if path.rpartition("/")[0] in _PROGRAMS)
    named = [f"{folder}/{name}" for folder in _PROGRAMS]
    found = [path for path in named if path in programs] or (programs if len(programs) == 1 else [])
    return replace(made, process=ProcessEntry(found[0]) if found else None)
