"""Two versions of a package that differ in little, published as deltas want it, and a host that installs them."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from beeyard.adapters.archives.unpack import unpack
from beeyard.adapters.fetcher import FolderFetcher
from beeyard.adapters.package_store import FolderStore
from beeyard.adapters.packages.binary import BinaryManager
from beeyard.adapters.repositories import repository
from beeyard.adapters.repositories.publishing import Done, Workshop, add, init, publish
from beeyard.domain.sources import RepositorySpec
from beeyard.entrypoints.cli.building import build
from beeyard.ports.package_manager import Installed
from beeyard.ports.repository import Repository

NOISE = random.Random(1).randbytes(200_000)
"""What all versions have in common, and no compression makes smaller."""


def a_build(
    folder: Path,
    version: str,
    files: Mapping[str, bytes],
    *,
    name: str = "tool",
    needs: Mapping[str, str] = {},
) -> Path:
    """The payload of a package with these files, as `package build` makes it. `needs`: names and ranges."""
    source = folder / f"source-{name}-{version}"
    for path, content in files.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(content)
    dependencies = [{"name": one, "version": range} for one, range in needs.items()]
    manifest = {"name": name, "version": version, "platform": "any", "dependencies": dependencies}
    (source / "package.yaml").write_bytes(msgspec.json.encode(manifest))  # JSON is YAML.
    return Path(build(str(source), str(folder / "built"), None)[0].payload)


class Publisher:
    """A repository of versions of `tool`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "repository"
        self.home = folder
        self.workshop = Workshop(self.folder, folder / "keys")
        init(self.workshop, [folder / "root.key"], 1)

    def publish(self, *versions: str, bases: int = 2) -> list[str]:
        """Add versions that differ in a few bytes. What was said."""
        done: Done = Done([], "")
        for version in versions:
            noise = NOISE[:50_000] + version.encode() * 100 + NOISE[50_000:]
            done = add(self.workshop, [a_build(self.home, version, {"data": noise, "say": b"hello\n"})], "acme", bases)
        publish(self.workshop)
        return done.did

    def spec(self, **fields: Any) -> RepositorySpec:
        """As a worker file has it."""
        place = fields or {"path": str(self.folder)}
        return RepositorySpec("main", root=str(self.folder / "metadata" / "1.root.json"), **place)

    def patches(self) -> list[Path]:
        """All deltas there are."""
        return sorted(self.folder.rglob("*.zpatch"))


class Host:
    """Where packages are installed. `told`: what is there so far, as it was told last time."""

    def __init__(self, folder: Path, spec: RepositorySpec) -> None:
        self.root = folder / "packages"
        self.spec = spec
        self.told: list[int | str] = []
        self.fetcher = FolderFetcher(self.root / "dl")

        async def opened(spec: RepositorySpec) -> Repository:
            return repository(spec, folder / "trust" / spec.name)

        self.manager = BinaryManager(
            self.root, lambda root: FolderStore(root, unpack, patch=unpack), self.fetcher, "any", opened
        )

    async def install(self, version: str) -> Installed:
        """From what the repository offers now."""
        self.told = []
        await self.manager.facts([self.spec])
        offers = await self.manager.offers(self.spec, "tool")
        (offered,) = [one for one in offers if one.manifest.version == version]
        return await self.manager.install(self.spec, offered, self.told.append)
