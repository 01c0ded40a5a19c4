"""What `whole` does, with packages of Debian's kind: apt finds them in a folder, and they are unpacked into the store.

python debs_whole.py killed SCENARIO FOLDER      the master, at each step of its own
python debs_whole.py times SCENARIO FOLDER       the master, at random moments
"""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from beeyard.adapters.fetcher import FolderFetcher
from beeyard.adapters.images.unpacking import unpack
from beeyard.adapters.package_store import FolderStore
from beeyard.adapters.packages.apt import AptManager
from beeyard.domain.sources import RepositorySpec
from tests import debs
from tests.faults import whole
from tests.faults.whole import Whole
from tests.package_benches import HERE

VERSIONS = ("1.0", "2.0", "3.0")


class Debs(Whole):
    """A host that unpacks packages of Debian's kind; of each version a file is damaged, and one lost."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "packages"
        self._trust = folder / "trust"
        self._trust.mkdir(exist_ok=True)
        self._system = folder / "system"
        place = folder / "debs"
        if not place.exists():
            place.mkdir()
            (self._system / "var/lib/dpkg").mkdir(parents=True)
            (self._system / "var/lib/dpkg/status").touch()
            for version in VERSIONS:
                files = {"usr/bin/caddy": f"#!/bin/sh\necho {version}\n", "README": "read me\n", "share/empty": ""}
                debs.deb(place, "caddy", version, {**files, "share/deep/data": "\0\1\2" * 3000})
            debs.index(place)
        self.spec = RepositorySpec("main", "apt", path=str(place), trust="unsigned", unpacked=True)
        self.known = {}
        asyncio.run(self._look())

    async def _look(self) -> None:
        """What each version is once it is installed."""
        manager = self.manager()
        (self.root / "dl").mkdir(parents=True, exist_ok=True)
        for build in await manager._asked(self.spec, "caddy"):
            async with manager._files.unpackable(build, self.spec.credentials, lambda done: None) as (description, _):
                self.known[build.version] = description, ""

    def open(self) -> FolderStore:
        return FolderStore(self.root, unpack, grace=-1.0)

    def manager(self) -> AptManager:  # type: ignore[override]
        async def shown(spec: RepositorySpec) -> RepositorySpec:
            return spec

        fetcher = FolderFetcher(self.root / "dl")
        return AptManager(self.root, lambda root: self.open(), fetcher, HERE, shown, str(self._system))


if __name__ == "__main__":
    _, what, scenario, place = sys.argv
    yard = Debs(Path(place))
    if what == "times":
        whole.times(yard, scenario)
    else:
        print(*sorted(whole._each(yard, scenario, "master", whole._kill_master)))
