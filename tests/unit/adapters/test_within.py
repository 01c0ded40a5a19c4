"""What is noted of packages in the system: nothing of it is lost, however long a tool works, whatever comes between."""

import asyncio
from pathlib import Path

import pytest

from beeyard.adapters.system.build import Build, Change, Present
from beeyard.adapters.system.within import Within
from beeyard.domain.errors import Refused
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.package_manager import Installed, Tell
from beeyard.ports.package_store import Damage

ONE, OTHER = RepositorySpec("one", manager="apt"), RepositorySpec("other", manager="apt")


class System:
    """A tool that waits before it ends. `refuses`: it changes nothing then."""

    system = "/"

    def __init__(self) -> None:
        self.there: dict[str, Present] = {}
        self.slow: set[str] = set()
        self.begun, self.go = asyncio.Event(), asyncio.Event()
        self.refuses = False

    async def present(self, name: str) -> Present | None:
        return self.there.get(name)

    async def change(self, spec: RepositorySpec, folder: Path, build: Build) -> Change:
        return Change()

    async def install(
        self, spec: RepositorySpec, folder: Path, build: Build, tell: Tell, *, again: bool = False, cut: bool = False
    ) -> None:
        if build.name in self.slow:
            self.begun.set()
            await self.go.wait()
        if self.refuses:
            raise Refused("system_needs", "no")
        self.there[build.name] = Present(build.manifest, build.theirs, 1)

    async def remove(self, name: str) -> None:
        self.begun.set()
        await self.go.wait()
        del self.there[name]

    async def damage(self, name: str) -> list[Damage]:
        return []

    async def refresh(self, spec: RepositorySpec, folder: Path) -> None: ...

    async def builds(self, spec: RepositorySpec, folder: Path, package: str) -> list[Build]:
        return []

    async def names(self, spec: RepositorySpec, folder: Path) -> set[str]:
        return set()

    async def tar(self, file: Path, into: Path, most: int) -> None: ...


class Bench:
    """A system, and what is noted of it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.tool = System()
        self.within = Within("apt", home / "within.json", self.tool)

    async def install(self, name: str, version: str = "1.0", spec: RepositorySpec = ONE) -> Installed:
        build = Build(name, version, version, "all", "any", 1, "0" * 64, "u")
        return await self.within.install(spec, self.home, build, "signature", lambda said: None)

    async def names(self) -> list[str]:
        return [one.manifest.name for one in await self.within.facts()]


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    """In which nothing is installed."""
    return Bench(tmp_path)


async def test_what_comes_while_a_tool_works_stays_noted(bench: Bench) -> None:
    """It may be from another repository."""
    bench.tool.slow = {"slow"}
    working = asyncio.ensure_future(bench.install("slow"))
    await bench.tool.begun.wait()
    bench.within.hold(await bench.install("quick", spec=OTHER), "installed by ann")
    bench.tool.go.set()
    await working
    assert await bench.names() == ["quick", "slow"]
    assert [one.held for one in await bench.within.facts()] == ["installed by ann", ""]


@pytest.mark.parametrize("refuses", [True, False])
async def test_what_is_held_while_a_tool_works_stays_held(bench: Bench, refuses: bool) -> None:
    """Also where the tool changes nothing in the end."""
    installed = await bench.install("hello")
    bench.tool.slow, bench.tool.refuses = {"hello"}, refuses
    working = asyncio.ensure_future(bench.install("hello", "2.0"))
    await bench.tool.begun.wait()
    bench.within.hold(installed, "installed by ann")
    bench.tool.go.set()
    await asyncio.wait([working])
    assert (working.exception() is None) is not refuses
    (found,) = await bench.within.facts()
    assert (found.manifest.version, found.held) == ("1.0" if refuses else "2.0", "installed by ann")


async def test_what_is_removed_and_wanted_again_is_noted(bench: Bench) -> None:
    """One after the other."""
    installed = await bench.install("hello")
    removing = asyncio.ensure_future(bench.within.remove(installed))
    await bench.tool.begun.wait()
    again = asyncio.ensure_future(bench.install("hello", spec=OTHER))
    for _ in range(10):
        await asyncio.sleep(0)
    bench.tool.go.set()
    await asyncio.gather(removing, again)
    assert await bench.names() == [*bench.tool.there] == ["hello"]


async def test_what_somebody_took_away_is_ours_when_it_comes_again(bench: Bench) -> None:
    """Also where nobody lived to note that it came."""
    bench.tool.there["hello"] = Present(Build("hello", "1.0", "1.0", "all", "any", 1, "", "").manifest, "1.0", 1)
    await bench.install("hello")
    del bench.tool.there["hello"]
    bench.tool.slow = {"hello"}
    working = asyncio.ensure_future(bench.install("hello"))
    await bench.tool.begun.wait()
    cut = Within("apt", bench.home / "within.json", bench.tool)
    working.cancel()
    await asyncio.wait([working])
    bench.tool.slow, bench.within = set(), cut
    bench.tool.there["hello"] = Present(Build("hello", "1.0", "1.0", "all", "any", 1, "", "").manifest, "1.0", 1)
    installed = await bench.install("hello")
    bench.tool.go.set()
    await bench.within.remove(installed)
    assert bench.tool.there == {}
