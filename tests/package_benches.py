"""Package managers with repositories that they understand, to install from: one bench for each manager."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from beeyard.adapters.archives.unpack import unpack
from beeyard.adapters.fetcher import FolderFetcher
from beeyard.adapters.images import unpacking
from beeyard.adapters.images.registry import Registry
from beeyard.adapters.images.shelf import Shelf
from beeyard.adapters.package_store import FolderStore
from beeyard.adapters.packages.apt import AptManager
from beeyard.adapters.packages.binary import BinaryManager
from beeyard.adapters.packages.directory import DirectoryManager
from beeyard.adapters.packages.dnf import DnfManager
from beeyard.adapters.packages.oci import OciManager
from beeyard.adapters.packages.python import PythonManager
from beeyard.adapters.repositories import repository
from beeyard.adapters.resolvers.pubgrub import PubgrubResolver
from beeyard.adapters.wheels import unpacking as environments
from beeyard.adapters.wheels.opening import opened as wheels_opened
from beeyard.adapters.wheels.shelf import Shelf as Wheels
from beeyard.domain.sources import Credentials, RepositorySpec
from beeyard.entrypoints import package_folder
from beeyard.entrypoints.cli.building import build, build_image
from beeyard.ports.package_manager import Installed, Offered, PackageManager
from beeyard.ports.repository import Repository
from tests import debs, registries, rpms
from tests.wheels import Index, a_wheel, says

HERE = "linux-x86_64"
HELLO = registries.layer(registries.entry("bin/run", b"#!/bin/sh\n", mode=0o755))
"""The layer of a small image."""
PROGRAM = {"bin/run": "#!/bin/sh\nexec sleep 1000\n"}
"""What a small package of a system holds."""


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
        async def opened(spec: RepositorySpec) -> Shelf:
            return Shelf(spec, Registry(spec), HERE)

        root = self.home / "packages"
        store = FolderStore(root, unpacking.unpack)
        return OciManager(root, lambda root: store, FolderFetcher(root / "dl"), opened)

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


class Apt(Bench):
    """Packages of Debian's kind, unpacked into a store. `system`: what they would be installed in otherwise."""

    copies = True
    key: debs.Key | None = None
    kind: type[AptManager] | type[DnfManager] = AptManager

    def __init__(self, home: Path) -> None:
        self.system = home / "system"
        (self.system / "var/lib/dpkg/info").mkdir(parents=True)
        (self.system / "var/lib/dpkg/updates").mkdir()
        (self.system / "var/lib/dpkg/status").touch()
        super().__init__(home)
        self.spec = replace(self.spec, unpacked=True)
        self.index()

    def made(self) -> PackageManager:
        async def shown(spec: RepositorySpec) -> RepositorySpec:
            return spec

        root = self.home / "packages"
        store = FolderStore(root, unpacking.unpack)
        return self.kind(root, lambda root: store, FolderFetcher(root / "dl"), HERE, shown, str(self.system))

    def publish(self, version: str, name: str = "hello", platform: str = "any", needs: str = "[]") -> Path:
        self.package(version, name, platform)
        self.index()
        return self.place

    def package(self, version: str, name: str = "hello", platform: str = "any", fields: Iterable[str] = ()) -> Path:
        """A file that the next index names."""
        arch = "all" if platform == "any" else platform.removeprefix("linux-")
        return debs.deb(self.place, name, version, program(name), arch, fields)

    def index(self) -> None:
        """Say what is there."""
        debs.index(self.place, self.key)

    def signed(self) -> debs.Key:
        """From now on, by this key; and looked at so."""
        self.key = debs.Key(self.home / "gpg")
        self.spec = replace(self.spec, trust="gpg", root=str(self.key.public))
        self.index()
        return self.key

    def close(self) -> None:
        if self.key is not None:
            self.key.close()


class Dnf(Apt):
    """Packages of Fedora's kind, unpacked into a store."""

    kind = DnfManager

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        above = self.system / str(home.parent).lstrip("/")
        above.mkdir(parents=True)
        (above / home.name).symlink_to(home)  # Where dnf looks for its cache when it installs into a folder.

    def package(self, version: str, name: str = "hello", platform: str = "any", fields: Iterable[str] = ()) -> Path:
        arch = "noarch" if platform == "any" else platform.removeprefix("linux-")
        return rpms.rpm(self.place, name, version, program(name), arch, fields)

    def index(self) -> None:
        rpms.index(self.place, self.key)


class Python(Bench):
    """A folder of wheels, made environments in a store."""

    copies = True

    def made(self) -> PythonManager:
        root = self.home / "packages"
        store, fetcher = FolderStore(root, environments.unpack), FolderFetcher(root / "dl")

        async def opened(spec: RepositorySpec) -> Wheels:
            return await wheels_opened(spec, HERE, PubgrubResolver(), fetcher)

        return PythonManager(root, lambda root: store, fetcher, opened)

    async def offered(self, name: str = "hello") -> list[Offered]:
        """Of a new manager, that remembers nothing."""
        self.manager = self.made()
        return await self.manager.offers(self.spec, name)

    def publish(self, version: str, name: str = "hello", platform: str = "any", needs: str = "[]") -> Path:
        tag = "py3-none-" + platform.replace("-", "_")
        return a_wheel(self.place, name, version, says(version, name), tag=tag, scripts={"run": f"{name}.main:main"})


class PythonIndex(Python):
    """The same from an index on the web. `login`: what it wants to see."""

    login = registries.basic()

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.index = Index(self.place)
        self.index.login = self.login
        shown = Credentials(username=registries.USER, password=registries.PASSWORD)
        self.spec = replace(self.spec, manager="python", path="", url=self.index.url, credentials=shown)
        self._runs = True

    def vanish(self) -> None:
        if self._runs:
            self._runs = False
            self.index.close()

    close = vanish


class Directory(Bench):
    """Folders as they stand."""

    copies = False

    def made(self) -> PackageManager:
        return DirectoryManager(package_folder.read, HERE)

    def publish(self, version: str, name: str = "hello", platform: str = "any", needs: str = "[]") -> Path:
        return a_folder(self.place / f"{name}-{version}", version, name, platform, needs)


def program(name: str) -> dict[str, str]:
    """That of hello, or one of its own name."""
    return PROGRAM if name == "hello" else {f"bin/{name}": PROGRAM["bin/run"]}


def a_folder(folder: Path, version: str, name: str = "hello", platform: str = "any", needs: str = "[]") -> Path:
    """One with a package file and a program."""
    (folder / "bin").mkdir(parents=True)
    about = f"name: {name}\nversion: '{version}'\nplatform: {platform}\ndependencies: {needs}\n"
    (folder / "package.yaml").write_text(about + "process: {executable_path: bin/run}\n")
    (folder / "bin" / "run").write_text("#!/bin/sh\nexec sleep 1000\n")
    (folder / "bin" / "run").chmod(0o755)
    return folder
