"""What `whole` does, with a distribution of Python: its wheels come from a folder and become an environment.

python wheels_whole.py killed SCENARIO FOLDER      the master, at each step of its own
python wheels_whole.py bereft SCENARIO FOLDER      who unpacks, at each step of its own
python wheels_whole.py times SCENARIO FOLDER       the master, at random moments
"""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from beeyard.adapters.fetcher import FolderFetcher
from beeyard.adapters.package_store import FolderStore
from beeyard.adapters.packages.python import PythonManager
from beeyard.adapters.resolvers.pubgrub import PubgrubResolver
from beeyard.adapters.wheels.opening import opened
from beeyard.adapters.wheels.shelf import Shelf
from beeyard.adapters.wheels.unpacking import unpack
from beeyard.domain.sources import RepositorySpec
from tests.faults import whole
from tests.faults.whole import Whole
from tests.wheels import a_wheel

VERSIONS = ("1.0", "2.0", "3.0")


class Wheels(Whole):
    """A host that installs distributions; of each version a file and a link are damaged as of any package."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "packages"
        self._trust = folder / "trust"
        self._trust.mkdir(exist_ok=True)
        wheels = folder / "wheels"
        if not wheels.exists():
            wheels.mkdir()
            a_wheel(wheels, "needed", "1.0", {"needed.py": "SAID = 1\n" * 1000})
            for version in VERSIONS:
                data = f"caddy-{version}.data/data"
                files = {
                    f"{data}/README": "read me\n",
                    f"{data}/share/empty": "",
                    f"{data}/share/deep/data": "\0\1\2" * 3000,
                    "caddy.py": f"def main():\n    print({version!r})\n",
                }
                a_wheel(wheels, "caddy", version, files, scripts={"serve": "caddy:main"}, needs=["needed"])
        self.spec = RepositorySpec("main", "python", path=str(wheels), trust="unsigned")
        self.known = {}
        asyncio.run(self._look())

    async def _look(self) -> None:
        """What each version is once it is installed."""
        manager = self.manager()
        shelf, tell = await manager._shelves.get(self.spec), lambda done: None
        for version in await shelf.versions("caddy"):
            (self.root / "dl").mkdir(parents=True, exist_ok=True)
            async with manager._environments.unpackable(shelf, version, tell) as (description, _):
                self.known[version.manifest.version] = description, ""

    def open(self) -> FolderStore:
        return FolderStore(self.root, unpack, grace=-1.0)

    def manager(self) -> PythonManager:  # type: ignore[override]
        fetcher = FolderFetcher(self.root / "dl")

        async def shelf(spec: RepositorySpec) -> Shelf:
            return await opened(spec, "linux-x86_64", PubgrubResolver(), fetcher)

        return PythonManager(self.root, lambda root: self.open(), fetcher, shelf)


if __name__ == "__main__":
    _, what, scenario, place = sys.argv
    yard = Wheels(Path(place))
    if what == "times":
        whole.times(yard, scenario)
    else:
        who, deed = ("master", whole._kill_master) if what == "killed" else ("child", whole._kill_child(yard))
        print(*sorted(whole._each(yard, scenario, who, deed)))  # type: ignore[arg-type]
