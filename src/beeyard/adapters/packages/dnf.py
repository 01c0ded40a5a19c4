"""Packages of Fedora and what is like it: dnf verifies repositories and knows what fits, rpm is what installs.

What a repository has is asked of the index that dnf verified, in a folder of its own: the host's configuration is not
touched, and counts only where the host's own sources are meant.
"""

import ast
import asyncio
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from beeyard.adapters.system.build import Build, Change, Present
from beeyard.adapters.system.locks import free
from beeyard.adapters.system.manager import SystemManager
from beeyard.adapters.system.rpm import Rpm, platform, theirs
from beeyard.adapters.system.running import Ran, run
from beeyard.adapters.system.troubles import trouble
from beeyard.adapters.system.versions import ordered, rpm_key, spelled
from beeyard.domain.errors import NotFound
from beeyard.domain.packages import NAME
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.package_manager import Tell
from beeyard.ports.package_store import Damage

LONGEST_INSTALL = 1800.0
"""Seconds that an install in the system may take."""
_ASKED = ("name", "epoch", "version", "release", "arch", "downloadsize", "location", "chksum", "summary")
_STEP = re.compile(r"^  (?!Preparing)(Verifying)?.*\s([0-9]+)/([0-9]+)\s*$")
_HEADINGS = {
    "Installing": "new",
    "Installing dependencies": "new",
    "Installing weak dependencies": "new",
    "Reinstalling": "changed",
    "Upgrading": "changed",
    "Downgrading": "changed",
    "Removing": "removed",
    "Removing dependent packages": "removed",
    "Removing unused dependencies": "removed",
}


class DnfManager(SystemManager):
    """Implements ports.package_manager.PackageManager."""

    name = "dnf"

    def tool(self, system: str) -> "Dnf":
        return Dnf(system)


class Dnf:
    """Implements adapters.system.build.Tool."""

    def __init__(self, system: str = "/") -> None:
        self.system = system
        self._rpm = Rpm(system)

    async def refresh(self, spec: RepositorySpec, folder: Path) -> None:
        """Raises Untrusted when what it says is not signed by its key."""
        await asyncio.to_thread(_configure, spec, folder)
        ran = await self._dnf(spec, folder, "-y", "--refresh", "makecache")
        await _end_agents(folder)
        if ran.code != 0:
            raise trouble(spec.name, ran)

    async def builds(self, spec: RepositorySpec, folder: Path, package: str) -> Sequence[Build]:
        """Also those for other kinds of machines."""
        form = "\x1f".join(f"%{{{one}}}" for one in _ASKED) + "\x1e"
        options = ("-C", "--setopt=ignorearch=1", "repoquery", "--showduplicates", f"--qf={form}")
        ran = await self._dnf(spec, folder, *options, package)
        if ran.code != 0:
            raise trouble(spec.name, ran)
        places = {} if _own(spec) else await self._places(spec, folder, package)
        lines = (line.strip().split("\x1f") for line in ran.out.split("\x1e"))
        found = [build for line in lines if (build := _build(line, _base(spec), places)) is not None]
        return ordered({(one.theirs, one.arch): one for one in found if one.name == package}.values(), rpm_key)

    async def names(self, spec: RepositorySpec, folder: Path) -> set[str]:
        ran = await self._dnf(spec, folder, "-C", "repoquery", "--qf=%{name}\n")
        if ran.code != 0:
            raise trouble(spec.name, ran)
        return {name for name in ran.out.split() if re.match(NAME, name)}

    async def tar(self, file: Path, into: Path, most: int) -> None:
        """Raises Untrusted when it holds more, or is none."""
        await self._rpm.tar(file, into, most)

    async def change(self, spec: RepositorySpec, folder: Path, build: Build) -> Change:
        """By what dnf would ask. Raises Refused when it can't be installed at all."""
        asked = ("-C", *self._place, "--assumeno", "install", _wanted(build))
        ran = await self._dnf(spec, folder, *asked, quiet=False)
        if ran.code != 0 and "Operation aborted" not in ran.err:
            raise trouble(f"{build.name} {build.version}", ran)
        found = list(_rows(ran.out))
        new, changed, removed = (
            tuple(name for what, name in found if what == kind) for kind in Change.__struct_fields__
        )
        return Change(new, changed, removed)

    async def present(self, name: str) -> Present | None:
        return await self._rpm.present(name)

    async def install(
        self, spec: RepositorySpec, folder: Path, build: Build, tell: Tell, *, again: bool = False, cut: bool = False
    ) -> None:
        """Configuration that somebody changed stays as it is; nobody is asked anything."""

        def told(line: str) -> None:
            if step := _STEP.search(line):
                half = 0.5 if step[1] else 0.0
                tell(int(build.size * (half + int(step[2]) / int(step[3]) / 2)))

        await free(self._rpm.locks, f"{build.name} {build.version}", tell)
        if cut:  # What rpm noted as installed may lack what its scripts had to do.
            present = await self._rpm.present(build.name)
            again = present is not None and present.theirs == build.theirs
        what = "reinstall" if again else "install"
        argv = ("-y", "--setopt=exit_on_lock=1", *self._place, what, _wanted(build))
        ran = await self._dnf(spec, folder, *argv, quiet=False, told=told, finish=True)
        if ran.code != 0:
            raise trouble(f"{build.name} {build.version}", ran)

    async def remove(self, name: str) -> None:
        await self._rpm.remove(name)

    async def damage(self, name: str) -> list[Damage]:
        return await self._rpm.damage(name)

    async def _places(self, spec: RepositorySpec, folder: Path, package: str) -> dict[str, str]:
        """The URL of each file, by the file's name: the host's own sources have several places."""
        ran = await self._dnf(spec, folder, "-C", "repoquery", "--showduplicates", "--location", package)
        return {url.rpartition("/")[2]: url for url in ran.out.split()}

    @property
    def _place(self) -> tuple[str, ...]:
        return () if self.system == "/" else (f"--installroot={self.system}",)

    async def _dnf(
        self,
        spec: RepositorySpec,
        folder: Path,
        *argv: str,
        quiet: bool = True,
        told: Callable[[str], object] | None = None,
        finish: bool = False,
    ) -> Ran:
        said = ("--config", str(folder / "dnf.conf")) if _own(spec) else (f"--setopt=cachedir={folder / 'cache'}",)
        patience = LONGEST_INSTALL if finish else 300.0
        return await run(["dnf", *("-q",) * quiet, *said, *argv], patience=patience, told=told, finish=finish)


async def _end_agents(folder: Path) -> None:
    """What gpg started to look at a signature stays until somebody ends it."""
    for home in await asyncio.to_thread(lambda: list(folder.glob("cache/*/pubring"))):
        with suppress(NotFound):
            await run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"])


def _own(spec: RepositorySpec) -> bool:
    """Whether it has a place of its own; else the host's sources are meant."""
    return bool(spec.url or spec.path)


def _configure(spec: RepositorySpec, folder: Path) -> None:
    if not _own(spec):
        return
    for below in ("repos", "cache", "persist", "log", "plugins"):
        (folder / below).mkdir(parents=True, exist_ok=True)
    shown = spec.credentials
    main = {
        "reposdir": folder / "repos",
        "cachedir": folder / "cache",
        "persistdir": folder / "persist",
        "logdir": folder / "log",
        "pluginpath": folder / "plugins",
        "plugins": 0,
        "install_weak_deps": 0,
        "timeout": 30,
        "retries": 2,
    }
    repository = {
        "name": spec.name,
        "baseurl": _base(spec),
        "enabled": 1,
        "gpgcheck": 0,  # Each package is known by its digest in the index, which is what is signed.
        "repo_gpgcheck": int(spec.trust == "gpg"),
        "gpgkey": f"file://{quote(spec.root)}" if spec.root else "",
        "username": shown.username,
        "password": shown.password,
        "sslclientcert": shown.certificate,
        "sslclientkey": shown.key,
        "sslcacert": os.environ.get("SSL_CERT_FILE", ""),
    }
    _section(folder / "dnf.conf", "main", main)
    _section(folder / "repos" / "beeyard.repo", f"beeyard-{spec.name}", repository)


def _section(path: Path, name: str, said: dict[str, object]) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in said.items() if value != ""))


def _base(spec: RepositorySpec) -> str:
    return (spec.url or f"file://{quote(spec.path)}").rstrip("/")


def _build(fields: Sequence[str], base: str, places: Mapping[str, str]) -> Build | None:
    """None: nothing that could be fetched and verified, or no version that can be spelled."""
    try:
        name, epoch, upstream, release, arch, size, where, checksum, summary = fields
        digest = ast.literal_eval(checksum)[1].hex()
        version = theirs(epoch, upstream, release)
        if len(digest) != 64:
            return None
        url = places[where.rpartition("/")[2]] if places else f"{base}/{quote(where)}"
        return Build(name, version, spelled(version), arch, platform(arch), int(size), digest, url, summary)
    except (ValueError, SyntaxError, TypeError, AttributeError, LookupError):
        return None


def _wanted(build: Build) -> str:
    epoch, _, rest = build.theirs.rpartition(":")
    return f"{build.name}-{epoch or 0}:{rest}.{build.arch}"


def _rows(table: str) -> Iterator[tuple[str, str]]:
    """What it would do, and with which package."""
    kind = ""
    for line in table.splitlines():
        if (heading := line.rstrip().removesuffix(":")) in _HEADINGS:
            kind = _HEADINGS[heading]
        elif line.startswith("Transaction Summary"):
            return
        elif kind and (row := re.match(r" (\S+)", line)):
            yield kind, row[1]
