"""Package managers with repositories that they understand, to install from: one bench for each manager."""

import shutil
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from beeyard.adapters.archives.unpack import unpack
from beeyard.adapters.fetcher import FolderFetcher
from beeyard.adapters.images import unpacking
from beeyard.adapters.images.registry import Registry
from beeyard.adapters.images.shelf import Shelf
from beeyard.adapters.package_store import FolderStore
from beeyard.adapters.packages.binary import BinaryManager
from beeyard.adapters.packages.directory import DirectoryManager
from beeyard.adapters.packages.oci import OciManager
from beeyard.adapters.repositories import repository
from beeyard.domain.packages import Platform
from beeyard.domain.sources import Credentials, RepositorySpec
from beeyard.entrypoints import package_folder
from beeyard.entrypoints.cli.building import build, build_image
from beeyard.ports.package_manager import Installed, Offered, PackageManager
from beeyard.ports.repository import Repository
from tests import registries

HERE = "linux-x86_64"
HELLO = registries.layer(registries.entry("bin/run", b"#!/bin/sh\n", mode=0o755))
"""The layer of a small image."""


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

    def vanish(self) -> None:
        """The repository is not there any more."""
        shutil.rmtree(self.place)

    def close(self) -> None:
        """Whatever was started."""

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


class Oci(Bench):
    """Images of a registry, unpacked into a store. `login`: what the registry wants to see."""

    copies = True
    login = registries.basic()

    def __init__(self, home: Path) -> None:
        self.home = home
        self.registry = registries.Registry()
        self.registry.login = self.login
        self.host = self.registry.host
        shown = Credentials(username=registries.USER, password=registries.PASSWORD)
        self.spec = RepositorySpec("main", "oci", f"{self.registry.url}/team", trust="unsigned", credentials=shown)
        self.manager = self.made()

    def made(self) -> OciManager:
        async def opened(spec: RepositorySpec, platform: Platform) -> Shelf:
            return Shelf(spec, Registry(spec), platform)

        root = self.home / "packages"
        store = FolderStore(root, unpacking.unpack)
        return OciManager(root, lambda root: store, FolderFetcher(root / "dl"), HERE, opened)

    def image(self, tag: str = "1.0", *layers: bytes, **more: Any) -> str:
        """Push one as `hello`. The digest of its manifest."""
        return registries.push_image(self.host, "team/hello", tag, layers or (HELLO,), **more)

    async def offered(self, name: str = "hello") -> list[Offered]:
        """Of a new manager, that remembers nothing."""
        self.manager = self.made()
        return await self.manager.offers(self.spec, name)

    async def pulled(self) -> Installed:
        """The only one there is."""
        (found,) = await self.offered()
        return await self.manager.install(self.spec, found, lambda done: None)

    def publish(self, version: str, name: str = "hello", platform: str = "any", needs: str = "[]") -> Path:
        folder = a_folder(self.home / "source" / f"{name}-{version}", version, name, platform, needs)
        built, _ = build_image(str(folder), str(self.home / "built"), None)
        registries.push_layout(self.host, f"team/{name}", version, Path(built.image))
        return folder

    def vanish(self) -> None:
        self.registry.close()

    close = vanish


class OciOfDebian(Oci):
    """The same, over the registry that Debian has."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.registry.close()
        self._running = registries.debian(home / "registry")
        self.host = self._running.__enter__()
        self._runs = True
        self.spec = replace(self.spec, url=f"http://{self.host}/team")

    def vanish(self) -> None:
        if self._runs:
            self._runs = False
            self._running.__exit__(None, None, None)

    close = vanish


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
