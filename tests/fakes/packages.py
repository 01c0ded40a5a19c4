"""A package manager whose packages live in memory and come when a test says so. It outlives any number of masters."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from beeyard.domain.errors import BeeyardError, NotFound, Refused
from beeyard.domain.locked import Locked
from beeyard.domain.packages import Dependency, Manifest, ProcessEntry, Trust
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.package_manager import Installed, Offered, Remembered, Tell
from beeyard.ports.package_store import Damage, Depth, Reclaimed

REPOSITORY = RepositorySpec("acme", manager="fake")
TORN = Damage("bin/serve", "missing")
SIZE, PACKED = 1000, 400
"""Bytes of any package, unpacked and not."""


class FakePackageManager:
    """Script it: `offered`, what there is; `installed`; `damage`, by digest; `errors`, by call; `gates` (an unset event
    holds every call of that name, and every call for a package NAME of it by `call NAME`).

    `memory`: what its repository said before; `gone`, what it has and offers no more, by source. `calls` tells what was
    asked, `used` who uses what, `most` how many installs there were at the same time.
    """

    name = "fake"
    settled = True

    def __init__(self, *offered: Offered) -> None:
        self.offered = list(offered)
        self.installed: dict[str, Installed] = {}
        self.damage: dict[str, list[Damage]] = {}
        self.errors: dict[str, BeeyardError] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.calls: Counter[str] = Counter()
        self.tells: list[Tell] = []
        self.used: set[tuple[str, str]] = set()
        self.memory: Remembered | None = None
        self.gone: dict[str, Offered] = {}
        self.most = 0
        self._busy = 0

    def put(self, offered: Offered) -> Installed:
        """It was installed before."""
        found = self.installed[offered.digest] = Installed(
            manifest=offered.manifest,
            digest=offered.digest,
            path=f"/store/{offered.digest}",
            manager=self.name,
            repository=offered.repository,
            trust=offered.trust,
            size=SIZE,
            installed_at=float(len(self.installed)),
            packed=PACKED,
        )
        return found

    def gate(self, call: str) -> asyncio.Event:
        """From now on these calls wait for it."""
        self.gates[call] = asyncio.Event()
        return self.gates[call]

    # --- the port ---------------------------------------------------------------------------------------------------

    async def wake(self) -> None:
        await self._called("wake")

    async def facts(self, repositories: Sequence[RepositorySpec]) -> list[Installed]:
        found = list(self.installed.values())  # As of the moment at which it was asked.
        await self._called("facts")
        return found

    async def offers(self, repository: RepositorySpec, package: str) -> list[Offered]:
        await self._called("offers", package)
        return [one for one in self.offered if one.manifest.name == package]

    async def former(self, repository: RepositorySpec, locked: Locked) -> Offered | None:
        await self._called("former")
        return self.gone.get(locked.source)

    async def catalog(self, repository: RepositorySpec) -> list[str]:
        await self._called("catalog")
        return sorted({one.manifest.name for one in self.offered})

    async def remembered(self, repository: RepositorySpec, package: str = "") -> Remembered | None:
        await self._called("remembered", package)
        return self.memory

    async def install(self, repository: RepositorySpec, offered: Offered, tell: Tell) -> Installed:
        self._busy += 1
        self.most = max(self.most, self._busy)
        self.tells.append(tell)
        try:
            await self._called("install", offered.manifest.name)
        finally:
            self._busy -= 1
        return self.put(offered)

    async def use(self, installed: Installed, owner: str) -> None:
        await self._called("use")
        self._require(installed)
        self.used.add((installed.digest, owner))

    async def disuse(self, installed: Installed, owner: str) -> None:
        await self._called("disuse")
        self.used.discard((installed.digest, owner))

    async def hold(self, installed: Installed, why: str) -> Installed:
        await self._called("hold")
        self.installed[installed.digest] = replace(self._require(installed), held=why)
        return self.installed[installed.digest]

    async def verify(self, installed: Installed, depth: Depth) -> list[Damage]:
        await self._called("verify", installed.manifest.name)
        self._require(installed)
        return self.damage.get(installed.digest, [])

    async def repair(self, repository: RepositorySpec, installed: Installed, tell: Tell) -> list[Damage]:
        self.tells.append(tell)
        await self._called("repair", installed.manifest.name)
        return self.damage.pop(self._require(installed).digest, [])

    async def remove(self, installed: Installed) -> None:
        await self._called("remove")
        if users := [owner for digest, owner in self.used if digest == installed.digest]:
            raise Refused("package_in_use", "{package} is in use", package=str(installed), users=users)
        self.installed.pop(installed.digest, None)

    async def collect(self, needed: frozenset[str], *, keep: int, dry_run: bool) -> Reclaimed:
        await self._called("collect")
        return Reclaimed((), 0)

    def _require(self, installed: Installed) -> Installed:
        if installed.digest not in self.installed:
            raise NotFound("package_not_installed", "{package} is gone", package=str(installed))
        return self.installed[installed.digest]

    async def _called(self, call: str, package: str = "") -> None:
        self.calls[call] += 1
        for name in (call, f"{call} {package}"):
            if name in self.gates:
                await self.gates[name].wait()
            if name in self.errors:
                raise self.errors[name]


def offer(
    name: str, number: str = "1.0", *needs: str, trust: Trust = "tuf", min_memory: int = 0, channels: str = ""
) -> Offered:
    """A build that runs everywhere. `needs`: names of packages, perhaps with ':' and a range."""
    pairs = (need.partition(":") for need in needs)
    manifest = Manifest(
        name,
        number,
        process=ProcessEntry("bin/serve"),
        dependencies=tuple(Dependency(need, range) for need, _, range in pairs),
        min_memory=min_memory,  # type: ignore[arg-type]
    )
    return Offered(
        manifest, REPOSITORY.name, trust, f"{name}-{number}-{trust}", PACKED, channels=tuple(channels.split())
    )


async def until(reached: Callable[[], object]) -> None:
    """Wait for what also needs threads to get on; a fake clock does not move meanwhile."""
    async with asyncio.timeout(60):
        while not reached():  # noqa: ASYNC110 - of anything at all, and in threads too
            await asyncio.sleep(0.001)
