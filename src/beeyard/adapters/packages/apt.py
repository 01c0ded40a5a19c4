"""Packages of Debian and what is made of it: apt verifies repositories and knows what fits, dpkg is what installs.

What a repository has is read from the index that apt verified, in a folder of its own: the host's configuration is not
touched, and counts only where the host's own sources are meant.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from beeyard.adapters.system import apt_sources
from beeyard.adapters.system.build import Build, Change, Present
from beeyard.adapters.system.dpkg import FORCED, Dpkg, platform
from beeyard.adapters.system.locks import PATIENCE, free
from beeyard.adapters.system.manager import SystemManager
from beeyard.adapters.system.running import Ran, run
from beeyard.adapters.system.troubles import trouble
from beeyard.adapters.system.versions import dpkg_key, ordered, spelled
from beeyard.domain.packages import NAME
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.package_manager import Tell
from beeyard.ports.package_store import Damage

LONGEST_INSTALL = 1800.0
"""Seconds that an install in the system may take."""


class AptManager(SystemManager):
    """Implements ports.package_manager.PackageManager."""

    name = "apt"

    def tool(self, system: str) -> "Apt":
        return Apt(system)


class Apt:
    """Implements adapters.system.build.Tool."""

    def __init__(self, system: str = "/") -> None:
        self.system = system
        self._dpkg = Dpkg(system)

    async def refresh(self, spec: RepositorySpec, folder: Path) -> None:
        """Raises Untrusted when what it says is not signed by its key."""
        # One that a killed master began goes on without it for a moment, and apt does not wait.
        await free([folder / "lists" / "lock"], spec.name, does="reads the same repository")
        await asyncio.to_thread(apt_sources.write, spec, folder)
        ran = await self._apt(folder, "apt-get", "update", "--error-on=any", "-q")
        if ran.code != 0:
            raise trouble(spec.name, ran)

    async def builds(self, spec: RepositorySpec, folder: Path, package: str) -> Sequence[Build]:
        found = [
            build
            for base, index in await self._indexes(spec, folder)
            for stanza in apt_sources.stanzas(index, package)
            if (build := _build(stanza, base)) is not None
        ]
        return ordered({(one.theirs, one.arch): one for one in found}.values(), dpkg_key)

    async def names(self, spec: RepositorySpec, folder: Path) -> set[str]:
        found = {name for _, index in await self._indexes(spec, folder) for name in apt_sources.names(index)}
        return {name for name in found if re.match(NAME, name)}

    async def tar(self, file: Path, into: Path, most: int) -> None:
        """Raises Untrusted when it holds more, or is none."""
        await self._dpkg.tar(file, into, most)

    async def change(self, spec: RepositorySpec, folder: Path, build: Build) -> Change:
        """By apt's own simulation. Raises Refused when it can't be installed at all."""
        ran = await self._apt(folder, "apt-get", "-s", *self._of_system(), "install", *_wanted(build))
        if ran.code != 0:
            raise trouble(f"{build.name} {build.version}", ran)
        new = re.findall(r"^Inst (\S+) \(", ran.out, re.MULTILINE)
        changed = re.findall(r"^Inst (\S+) \[", ran.out, re.MULTILINE)
        removed = re.findall(r"^(?:Remv|Purg) (\S+)", ran.out, re.MULTILINE)
        return Change(tuple(new), tuple(changed), tuple(removed))

    async def present(self, name: str) -> Present | None:
        return await self._dpkg.present(name)

    async def install(
        self, spec: RepositorySpec, folder: Path, build: Build, tell: Tell, *, again: bool = False, cut: bool = False
    ) -> None:
        """Configuration that somebody changed stays as it is; nobody is asked anything."""

        def told(line: str) -> None:
            kind, _, percent, *_ = (*line.split(":", 3), "", "")
            if kind in ("dlstatus", "pmstatus") and re.fullmatch(r"[0-9.]+", percent):
                half = 0.5 if kind == "pmstatus" else 0.0
                tell(int(build.size * (half + float(percent) / 200)))

        await free(self._dpkg.locks, f"{build.name} {build.version}", tell)
        if cut:
            await self._dpkg.go_on()
        options = ("-y", "-o", "APT::Status-Fd={status}", "-o", f"DPkg::Lock::Timeout={PATIENCE:g}", "--no-remove")
        more = ("--reinstall",) if again else ("--allow-downgrades",)
        ran = await self._apt(
            folder, "apt-get", *options, *more, *self._of_system(), "install", *_wanted(build), told=told, finish=True
        )
        if ran.code != 0:
            raise trouble(f"{build.name} {build.version}", ran)

    async def remove(self, name: str) -> None:
        await self._dpkg.remove(name)

    async def damage(self, name: str) -> list[Damage]:
        return await self._dpkg.damage(name)

    async def _apt(
        self, folder: Path, *argv: str, told: Callable[[str], object] | None = None, finish: bool = False
    ) -> Ran:
        patience = LONGEST_INSTALL if finish else 300.0
        env = {"APT_CONFIG": str(folder / "apt.conf")}
        return await run(argv, env=env, patience=patience, told=told, finish=finish)

    def _of_system(self) -> tuple[str, ...]:
        """Where what is installed stands."""
        forced = (*FORCED, *self._dpkg.place)
        options = [f"Dir::State::status={self._dpkg.admin}/status", *(f"DPkg::Options::={one}" for one in forced)]
        return tuple(part for one in options for part in ("-o", one))

    async def _indexes(self, spec: RepositorySpec, folder: Path) -> list[tuple[str, str]]:
        """Each with the place that the names of its files begin at."""
        form = "$(REPO_URI)\t$(FILENAME)"
        told = await self._apt(folder, "apt-get", "indextargets", "--format", form, "Created-By: Packages")
        found: list[tuple[str, str]] = []
        for line in told.out.splitlines():
            place, _, file = line.partition("\t")
            ran = await self._apt(folder, "/usr/lib/apt/apt-helper", "cat-file", file)
            if ran.code != 0:
                raise trouble(spec.name, ran)
            found.append((re.sub("^copy:", "file://", place), ran.out))
        return found


def _build(stanza: dict[str, str], base: str) -> Build | None:
    """None: nothing that could be fetched and verified, or no version that can be spelled."""
    try:
        theirs, size, sha256 = stanza["Version"], int(stanza["Size"]), stanza["SHA256"]
        url = base.rstrip("/") + "/" + quote(stanza["Filename"].removeprefix("./"))
        said, phase = stanza.get("Description", ""), stanza.get("Phased-Update-Percentage", "100")
        name, arch = stanza["Package"], stanza["Architecture"]
        return Build(name, theirs, spelled(theirs), arch, platform(arch), size, sha256, url, said, _phased(phase))
    except (KeyError, ValueError):
        return None


def _phased(percentage: str) -> str:
    """What comes to some hosts first comes to those of Beeyard when it comes to all."""
    return "" if percentage == "100" else f"it is meant for {percentage} % of all hosts so far"


def _wanted(build: Build) -> tuple[str, ...]:
    return (f"{build.name}={build.theirs}",)
