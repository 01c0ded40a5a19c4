"""What rpm knows: what is installed in a system, whether it is whole, and what a package file holds."""

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

_ASKED = ("NAME", "EPOCH", "VERSION", "RELEASE", "ARCH", "SIZE", "SUMMARY")
_CHANGED = re.compile(r"^(?P<what>missing|\S{9})\s+(?P<kind>[a-z] )?\s*/(?P<path>.+?)(?: \(.*\))?$")


def platform(arch: str) -> Platform:
    """As we call an architecture of rpm's, which is as Linux does."""
    return ANY if arch == "noarch" else f"linux-{arch}"


def theirs(epoch: str, upstream: str, release: str) -> str:
    """A version in one text."""
    return f"{epoch}:{upstream}-{release}" if epoch not in ("", "0", "(none)") else f"{upstream}-{release}"


class Rpm:
    """Of the system at a folder, `/` being the one that we run in. `place`: the options that say so. `locks`: what who
    installs there has."""

    def __init__(self, system: str) -> None:
        self.place = () if system == "/" else ("--root", system)
        self.locks = [Path(system, "var/lib/rpm/.rpm.lock")]
        self._held = Path(system, "etc/dnf/plugins/versionlock.list")

    async def present(self, name: str) -> Present | None:
        """Its newest version where it is there in several."""
        form = "\\t".join(f"%{{{one}}}" for one in _ASKED) + "\\n"
        ran = await run(["rpm", *self.place, "-q", "--qf", form, name])
        if ran.code != 0 or not ran.out:
            return None
        _, epoch, upstream, release, arch, size, summary = ran.out.splitlines()[-1].split("\t", 6)
        listed = await run(["rpm", *self.place, "-q", "--list", name])
        files = [path.lstrip("/") for path in listed.out.splitlines()]
        version = theirs(epoch, upstream, release)
        said = manifest(name, spelled(version), platform(arch), summary, files)
        return Present(said, version, int(size), self._locked(name))

    async def remove(self, name: str) -> None:
        """Raises Refused when others need it."""
        await free(self.locks, name)
        ran = await run(["rpm", *self.place, "--erase", name], patience=1800.0, finish=True)
        if ran.code != 0 and "is needed by" in ran.err:
            users = re.findall(r"is needed by (?:\(installed\) )?(\S+)", ran.err)
            text, hint = "{package} is needed on this host by {users}", "remove those first, by the host's own means"
            raise Refused("system_needed", text, hint=hint, package=name, users=", ".join(users))
        if ran.code != 0:
            raise trouble(name, ran)

    async def damage(self, name: str) -> list[Damage]:
        """Files of configuration may be changed."""
        ran = await run(["rpm", *self.place, "--verify", "--nodeps", name])
        found = [match for line in ran.out.splitlines() if (match := _CHANGED.match(line))]
        return [
            Damage(one["path"], "missing" if one["what"] == "missing" else "changed")
            for one in found
            if one["kind"] != "c "
        ]

    async def tar(self, file: Path, into: Path, most: int) -> None:
        """Raises Untrusted when it holds more, or is no package."""
        await tarred('rpm2archive -n < "$1"', file, into, most)

    def _locked(self, name: str) -> bool:
        """Whether `dnf versionlock` names it; lines with `!` name versions that are not to come."""
        try:
            lines = self._held.read_text().splitlines()
        except OSError:
            return False
        return any(re.fullmatch(rf"{re.escape(name)}-(\d+:)?[^-]+-[^-]+", line.strip()) for line in lines)
