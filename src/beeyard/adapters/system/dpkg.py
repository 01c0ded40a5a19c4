"""What dpkg knows: what is installed in a system, whether it is whole, and what a package file holds."""

import re
from pathlib import Path

from beeyard.adapters.system.build import Present, manifest
from beeyard.adapters.system.locks import free
from beeyard.adapters.system.reading import tarred
from beeyard.adapters.system.running import run
from beeyard.adapters.system.troubles import trouble
from beeyard.adapters.system.versions import spelled
from beeyard.domain.errors import Refused
from beeyard.domain.packages import ANY, Platform
from beeyard.ports.package_store import Damage

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "armhf": "armv7l", "i386": "i686", "ppc64el": "ppc64le"}
_ASKED = ("db:Status-Want", "db:Status-Status", "Version", "Architecture", "Installed-Size", "binary:Summary")
FORCED = ("--force-confdef", "--force-confold")
"""Configuration that somebody changed stays as it is; nobody is asked anything."""
_CHANGED = re.compile(r"^(?P<what>missing|\S{9})\s+(?P<kind>[a-z] )?/(?P<path>.+?)(?: \(.*\))?$")


def platform(arch: str) -> Platform:
    """As we call an architecture of Debian's."""
    return ANY if arch == "all" else f"linux-{_MACHINES.get(arch, arch).replace('-', '_')}"


class Dpkg:
    """Of the system at a folder, `/` being the one that we run in. `place`: the options that say so. `locks`: what who
    installs there has."""

    def __init__(self, system: str) -> None:
        self.place = () if system == "/" else (f"--root={system}",)
        self.admin = str(Path(system, "var/lib/dpkg"))
        self.locks = [Path(self.admin, one) for one in ("lock-frontend", "lock")]

    async def present(self, name: str) -> Present | None:
        """Not what is half installed, nor configuration that was left."""
        form = "\t".join(f"${{{one}}}" for one in _ASKED) + "\n"
        ran = await run(["dpkg-query", f"--admindir={self.admin}", "-W", f"--showformat={form}", name])
        for line in ran.out.splitlines():
            want, state, theirs, arch, size, summary = (*line.split("\t", 5), "")[:6]
            if state != "installed":
                continue
            kilobytes = int(size) if size.isdigit() else 0
            listed = await run(["dpkg-query", f"--admindir={self.admin}", "--listfiles", name])
            files = [path.lstrip("/") for path in listed.out.splitlines()]
            said = manifest(name, spelled(theirs), platform(arch), summary, files)
            return Present(said, theirs, kilobytes * 1024, want == "hold")
        return None

    async def go_on(self) -> None:
        """With what was cut off. Raises Rejected when that can't be done."""
        ran = await run(["dpkg", *self.place, *FORCED, "--configure", "-a"], patience=1800.0, finish=True)
        if ran.code != 0:
            raise trouble("what was cut off", ran)

    async def remove(self, name: str) -> None:
        """Raises Refused when others need it."""
        await free(self.locks, name)
        ran = await run(["dpkg", *self.place, "--remove", name], patience=1800.0, finish=True)
        if ran.code != 0 and "dependency problems" in ran.err:
            users = re.findall(r"^ (\S+) depends on ", ran.err, re.MULTILINE)
            text, hint = "{package} is needed on this host by {users}", "remove those first, by the host's own means"
            raise Refused("system_needed", text, hint=hint, package=name, users=", ".join(users) or "others")
        if ran.code != 0:
            raise trouble(name, ran)

    async def damage(self, name: str) -> list[Damage]:
        """Files of configuration may be changed. It ends with 0 also where files are missing: its words count."""
        ran = await run(["dpkg", *self.place, "--verify", name])
        found = [match for line in ran.out.splitlines() if (match := _CHANGED.match(line))]
        return [
            Damage(one["path"], "missing" if one["what"] == "missing" else "changed")
            for one in found
            if one["kind"] != "c "
        ]

    async def tar(self, file: Path, into: Path, most: int) -> None:
        """Raises Untrusted when it holds more, or is no package."""
        await tarred('dpkg-deb --fsys-tarfile "$1"', file, into, most)
