"""Package managers with repositories that they understand, to install from: one bench for each manager."""

from pathlib import Path

from beeyard.adapters.archives.unpack import unpack
from beeyard.adapters.fetcher import FolderFetcher
from beeyard.adapters.package_store import FolderStore
from beeyard.adapters.packages.binary import BinaryManager
from beeyard.adapters.packages.directory import DirectoryManager
from beeyard.adapters.repositories import repository
from beeyard.domain.sources import RepositorySpec
from beeyard.entrypoints import package_folder
from beeyard.entrypoints.cli.building import build
from beeyard.ports.package_manager import Installed, PackageManager
from beeyard.ports.repository import Repository

HERE = "linux-x86_64"


class Bench:
    """A manager, and a repository that it understands. `copies`: an installed package is another than that offered."""

    copies: bool

    def __init__(self, home: Path) -> None:
        self.home = home
        self.place = home / "repository"
        self.place.mkdir()
        self.spec = RepositorySpec("main", type(self).__name__.lower(), path=str(self.place), trust="unsigned")
        self.manager: PackageManager = self.made()

    def made(self) -> PackageManager:
        """A manager as a new process makes it."""
        raise NotImplementedError

    def publish(self, version: str, name: str = "hello", platform: str = "any", needs: str = "[]") -> Path:
        """Offer a package; the folder that it is made of."""
        raise NotImplementedError

    async def installed(self, version: str = "1.0") -> Installed:
        """Published, then installed."""
        self.publish(version)
        (offered,) = [one for one in await self.manager.offers(self.spec, "hello") if one.manifest.version == version]
        return await self.manager.install(self.spec, offered, lambda done: None)


class Binary(Bench):
    """Archives, copied into a store."""

    copies = True

    def made(self) -> PackageManager:
        async def opened(spec: RepositorySpec) -> Repository:
            return repository(spec, self.home / "trust")

        root = self.home / "packages"
        store = FolderStore(root, unpack)
        return BinaryManager(root, lambda root: store, FolderFetcher(root / "dl"), HERE, opened)

    def publish(self, version: str, name: str = "hello", platform: str = "any", needs: str = "[]") -> Path:
        folder = a_folder(self.home / "source" / f"{name}-{version}", version, name, platform, needs)
        build(str(folder), str(self.place), None)
        return folder


class Directory(Bench):
    """Folders as they stand."""

    copies = False

    def made(self) -> PackageManager:
        return DirectoryManager(package_folder.read, HERE)

    def publish(self, version: str, name: str = "hello", platform: str = "any", needs: str = "[]") -> Path:
        return a_folder(self.place / f"{name}-{version}", version, name, platform, needs)


def a_folder(folder: Path, version: str, name: str = "hello", platform: str = "any", needs: str = "[]") -> Path:
    """One with a package file and a program."""
    (folder / "bin").mkdir(parents=True)
    about = f"name: {name}\nversion: '{version}'\nplatform: {platform}\ndependencies: {needs}\n"
    (folder / "package.yaml").write_text(about + "process: {executable_path: bin/run}\n")
    (folder / "bin" / "run").write_text("#!/bin/sh\nexec sleep 1000\n")
    (folder / "bin" / "run").chmod(0o755)
    return folder
