"""Folders as they stand, for development: what lies there counts as installed, and is whatever it is just now.

It copies nothing, so there is nothing to bring, to mend or to take away; and nobody vouches for any of it. A folder
holds one package, or folders that hold one each. How a package file is read is not known here.
"""

import asyncio
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from beeyard.adapters.archives.collect import LEFT_OUT, collect
from beeyard.adapters.means import PackageMeans
from beeyard.domain.errors import Invalid, NotFound, Refused, Unavailable
from beeyard.domain.locked import Locked
from beeyard.domain.packages import Description, Manifest, Payload, Platform, runs_on
from beeyard.domain.sources import RepositorySpec, bound
from beeyard.ports.package_manager import Installed, Offered, Tell
from beeyard.ports.package_store import Damage, Depth, Reclaimed

_UNPACKED = Payload("", 0, "0" * 64)
_Stamp = tuple[tuple[str, int, int, int, int], ...]


class _Seen(Struct, frozen=True):
    """A folder as it was when it was read."""

    stamp: _Stamp
    manifest: Manifest
    digest: str
    size: int
    changed: float


class DirectoryManager:
    """Implements ports.package_manager.PackageManager. `read`: what the package file of a folder says."""

    name = "directory"
    settled = False

    def __init__(self, read: Callable[[str], Manifest], platform: Platform) -> None:
        self._read = read
        self._platform = platform
        self._seen: dict[str, _Seen] = {}

    @classmethod
    def made(cls, means: PackageMeans) -> "DirectoryManager":
        """As a master has it."""
        return cls(means.read, means.platform)

    async def wake(self) -> None:
        """Nothing is ever half done."""

    async def facts(self, repositories: Sequence[RepositorySpec]) -> list[Installed]:
        """Without what can't be read, or may not come from there: who asks for that is told."""
        return await asyncio.to_thread(self._facts, repositories)

    async def offers(self, repository: RepositorySpec, package: str) -> list[Offered]:
        found = await asyncio.to_thread(self._packages, repository)
        return [self._offered(one) for one in found if one.manifest.name == package]

    async def former(self, repository: RepositorySpec, locked: Locked) -> Offered | None:
        """A folder is as it is now."""
        return None

    async def catalog(self, repository: RepositorySpec) -> list[str]:
        return sorted({one.manifest.name for one in await asyncio.to_thread(self._packages, repository)})

    async def remembered(self, repository: RepositorySpec, package: str = "") -> None:
        """A folder that is gone says nothing."""

    async def install(self, repository: RepositorySpec, offered: Offered, tell: Tell) -> Installed:
        """It is there. Raises NotFound if it is another one by now."""
        for one in await asyncio.to_thread(self._packages, repository):
            if one.digest == offered.digest:
                return one
        package = f"{offered.manifest.name} {offered.manifest.version}"
        text, hint = "{package} was changed in {repository} just now", "ask again"
        raise NotFound("package_changed", text, hint=hint, package=package, repository=repository.name)

    async def use(self, installed: Installed, owner: str) -> None:
        """Nothing keeps a person from removing a folder. Raises NotFound if that was done."""
        if not await asyncio.to_thread(os.path.isdir, installed.path):
            text, hint = "{package} is not in {path} any more", "write it back"
            raise NotFound("package_not_installed", text, hint=hint, package=str(installed), path=installed.path)

    async def disuse(self, installed: Installed, owner: str) -> None:
        """Nothing was noted."""

    async def hold(self, installed: Installed, why: str) -> Installed:
        """It stays anyway."""
        return installed

    async def verify(self, installed: Installed, depth: Depth) -> list[Damage]:
        """Whether what it runs is there and can be run: of all else nobody said how it should be."""
        return await asyncio.to_thread(_damage, installed)

    async def repair(self, repository: RepositorySpec, installed: Installed, tell: Tell) -> list[Damage]:
        """Raises Refused if there is anything to mend."""
        if await self.verify(installed, "digests"):
            raise _yours(installed, "mend what it runs")
        return []

    async def remove(self, installed: Installed) -> None:
        """Raises Refused."""
        raise _yours(installed, "remove the folder, or its repository from the worker file")

    async def collect(self, needed: frozenset[str], *, keep: int, dry_run: bool) -> Reclaimed:
        """Nothing of it is Beeyard's to remove."""
        return Reclaimed((), 0)

    def _facts(self, repositories: Sequence[RepositorySpec]) -> list[Installed]:
        found: dict[tuple[str, str], Installed] = {}
        for repository in repositories:
            for folder in self._folders(repository) if repository.manager == self.name else []:
                with suppress(NotFound, Invalid):
                    one = self._look(repository, folder)
                    manifest = one.manifest
                    if runs_on(manifest.platform, self._platform) and _belongs(manifest.name, repository, repositories):
                        found.setdefault((manifest.name, manifest.version), one)
        return list(found.values())

    def _packages(self, repository: RepositorySpec) -> list[Installed]:
        """All that are there. Raises Unavailable, Invalid."""
        if not os.path.isdir(repository.path):
            text, hint = "{repository}: there is no folder {folder}", "look at its `path`"
            raise Unavailable(
                "repository_unreachable", text, hint=hint, repository=repository.name, folder=repository.path
            )
        found: dict[tuple[str, str], Installed] = {}
        for folder in self._folders(repository):
            try:
                one = self._look(repository, folder)
            except NotFound:
                continue
            other = found.setdefault((one.manifest.name, one.manifest.version), one)
            if other is not one:
                text, hint = "{package} lies in {folder} and in {other}", "give one of them another version"
                raise Invalid("package_twice", text, hint=hint, package=str(one), folder=other.path, other=one.path)
        return list(found.values())

    def _folders(self, repository: RepositorySpec) -> list[str]:
        """Where packages may lie: right there if it has a package file itself, else in each folder below."""
        top = os.path.abspath(repository.path)
        try:
            self._read(top)
        except NotFound:
            return sorted(entry.path for entry in _entries(top) if entry.is_dir())
        except Invalid:
            pass  # Told by who looks at it.
        return [top]

    def _look(self, repository: RepositorySpec, folder: str) -> Installed:
        """Its files are read again only if one of them changed. Raises as the reader does."""
        stamp = tuple(sorted(_stamps(folder)))
        seen = self._seen.get(folder)
        if seen is None or seen.stamp != stamp:
            manifest = replace(self._read(folder), check=None)  # Only what is installed is checked.
            description = Description(manifest, collect(folder).files, _UNPACKED)
            changed = max((changed for *_, changed in stamp), default=0) / 1e9
            seen = self._seen[folder] = _Seen(stamp, manifest, description.digest, description.size, changed)
        return Installed(
            manifest=seen.manifest,
            digest=seen.digest,
            path=folder,
            manager=self.name,
            repository=repository.name,
            trust="none",
            size=seen.size,
            installed_at=seen.changed,
            held=f"as it stands in {repository.name}",
        )

    def _offered(self, found: Installed) -> Offered:
        runs = runs_on(found.manifest.platform, self._platform)
        return Offered(found.manifest, found.repository, found.trust, found.digest if runs else "")


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:  # It is not there, or not for us.
        return []


def _stamps(folder: str) -> Iterator[tuple[str, int, int, int, int]]:
    """What changes with any file: path, inode, mode, size, and the time of the last change in nanoseconds."""
    for above, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in LEFT_OUT]
        for name in files:
            path = os.path.join(above, name)
            try:
                seen = os.lstat(path)
            except OSError:  # Gone meanwhile.
                continue
            yield path, seen.st_ino, seen.st_mode, seen.st_size, max(seen.st_mtime_ns, seen.st_ctime_ns)


def _belongs(package: str, repository: RepositorySpec, repositories: Sequence[RepositorySpec]) -> bool:
    try:
        return bound(package, repositories) == repository
    except Refused:
        return False


def _damage(installed: Installed) -> list[Damage]:
    if not os.path.isdir(installed.path):
        return [Damage(".", "missing")]
    process, module = installed.manifest.process, installed.manifest.module
    found = []
    for path, runs in (
        (process.executable_path if process else "", True),
        (module.module_path if module else "", False),
    ):
        if path and (what := _wrong(os.path.join(installed.path, path), runs=runs)):
            found.append(Damage(path, what))
    return found


def _wrong(path: str, *, runs: bool) -> str:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return "missing"
    if not stat.S_ISREG(mode):
        return "kind"
    return "mode" if runs and not mode & 0o111 else ""


def _yours(installed: Installed, hint: str) -> Refused:
    text = "{package} is the folder {path} as it stands: Beeyard changes nothing there"
    return Refused("package_in_folder", text, hint=hint, package=str(installed), path=installed.path)
