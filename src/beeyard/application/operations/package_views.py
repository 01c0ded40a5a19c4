"""Packages as people and programs see them."""

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from beeyard.application.operation import Call
from beeyard.domain.errors import Refused
from beeyard.domain.packages import VERSION_EXPECTED, Check, Dependency, InstallState, PaperKind, Ref, Trust, wanted
from beeyard.ports.package_manager import Installed
from beeyard.ports.package_store import Damage

if TYPE_CHECKING:
    from beeyard.application.master import Master

Packages = Annotated[list[Ref], Meta(max_length=1000, examples=[["caddy"]])]
Version = Annotated[str, Meta(min_length=1, max_length=64, description=VERSION_EXPECTED, examples=["2.11.4"])]


class PackageView(Struct, frozen=True):
    """One installed package. `size`: bytes; `installed_at`: wall-clock seconds; `workers`: those that run from it;
    `held` says why it stays although none does; `damage`: what the last look at its files found wrong;
    `channels`: those by which workers took it; `papers`: those that were brought just now, and are its own;
    `check`: what it ran, and printed, before it was taken as installed."""

    name: str
    version: str
    platform: str
    state: InstallState
    repository: str
    trust: Trust
    manager: str
    size: int
    installed_at: float
    path: str
    digest: str
    workers: list[str]
    held: str
    dependencies: tuple[Dependency, ...] = ()
    damage: list[Damage] = []
    channels: list[str] = []
    papers: list[PaperKind] = []
    check: Check | None = None


def package_view(master: "Master", installed: Installed, call: Call) -> PackageView:
    """As it is now, with those workers that the caller may see."""
    users = [name for name in master.supplies.users(installed.digest) if call.caller.grant.sees(name)]
    supplies = [master.supervisors[name].worker.supply for name in users]
    manifest, damage = installed.manifest, master.packages.damaged.get(installed.digest, [])
    return PackageView(
        name=manifest.name,
        version=manifest.version,
        platform=manifest.platform,
        state="corrupted" if damage else "installed",
        repository=installed.repository,
        trust=installed.trust,
        manager=installed.manager,
        size=installed.size,
        installed_at=installed.installed_at,
        path=installed.path,
        digest=installed.digest,
        workers=users,
        held=installed.held,
        dependencies=manifest.dependencies,
        damage=damage,
        check=manifest.check,
        channels=sorted({one.channel for one in supplies if one is not None and one.channel}),
    )


def chosen(master: "Master", named: list[str]) -> list[Installed]:
    """The installed packages of these names, each in all versions that fit; all there are if none is named.

    Raises:
        NotFound: one is not installed.
        Refused: `channel_here`, a channel is named.
    """
    found = list(master.packages.installed) if not named else []
    for text in named:
        asked = wanted(text)
        if asked.channel:
            told, hint = "{package}: {channel} is a channel: name a version, or a range", "beeyard package list"
            raise Refused("channel_here", told, hint=hint, package=text, channel=asked.channel)
        fit = [
            one
            for one in master.packages.installed
            if one.manifest.name == asked.name and asked.takes(one.manifest.version)
        ]
        found += fit or [master.packages.require(asked.name, asked.range)]
    return list(dict.fromkeys(found))
