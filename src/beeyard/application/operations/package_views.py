"""Packages as people and programs see them."""

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from beeyard.application.operation import Call
from beeyard.domain.packages import Dependency, InstallState, Ref, Trust, wanted
from beeyard.ports.package_manager import Installed
from beeyard.ports.package_store import Damage

if TYPE_CHECKING:
    from beeyard.application.master import Master

Packages = Annotated[list[Ref], Meta(max_length=1000, examples=[["caddy"]])]


class PackageView(Struct, frozen=True):
    """One installed package. `size`: bytes; `installed_at`: wall-clock seconds; `workers`: those that run from it;
    `held` says why it stays although none does; `damage`: what the last look at its files found wrong."""

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


def package_view(master: "Master", installed: Installed, call: Call) -> PackageView:
    """As it is now, with those workers that the caller may see."""
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
        workers=[name for name in master.supplies.users(installed.digest) if call.caller.grant.sees(name)],
        held=installed.held,
        dependencies=manifest.dependencies,
        damage=damage,
    )


def chosen(master: "Master", named: list[str]) -> list[Installed]:
    """The installed packages of these names, each in all versions that fit; all there are if none is named.

    Raises NotFound.
    """
    found = list(master.packages.installed) if not named else []
    for text in named:
        asked = wanted(text)
        fit = [
            one
            for one in master.packages.installed
            if one.manifest.name == asked.name and asked.takes(one.manifest.version)
        ]
        found += fit or [master.packages.require(asked.name, asked.range)]
    return list(dict.fromkeys(found))
