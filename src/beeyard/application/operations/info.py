"""Tell about the master itself."""

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from beeyard.application.operation import Call, Operation, Request
from beeyard.application.packages.counts import Counts
from beeyard.domain.pressure import Strain, strain

if TYPE_CHECKING:
    from beeyard.application.master import Master
    from beeyard.application.packages.installer import Installer


class RepositoryView(Struct):
    """One repository: where it is, and whether what comes from there is signed (`tuf`) or `unsigned`."""

    name: str
    manager: str
    place: str
    trust: str


class PackagesView(Struct):
    """How many packages are installed, which of them the last look found damaged, where packages come from, and what
    was done about them since this master woke."""

    installed: int = 0
    damaged: list[str] = []
    repositories: list[RepositoryView] = []
    counts: Counts = msgspec.field(default_factory=Counts)


class ModulesView(Struct):
    """What modules have under way, as their hosts said last, in the master and in processes of their own."""

    running: int = 0
    tasks: int = 0
    threads: int = 0


class InfoView(Struct):
    """One master. `capabilities` is what each provider can do on this host; `orphans` run and are in no record.

    `network` is `ok`, `off`, `changing`, or what is wrong with it; `pressure` is `ok`, or what this host is short of,
    and how much more patient that makes us (docs/restarts.md). `memory` are the bytes of the master with all that runs
    within it.
    """

    version: str
    host: str
    master_pid: int
    launcher_pid: int | None
    pump_pid: int | None
    state_dir: str
    socket: str
    url: str | None
    workers: int
    store: str
    capabilities: dict[str, dict[str, str | bool]]
    orphans: list[str]
    network: str = ""
    pressure: str = ""
    packages: PackagesView = msgspec.field(default_factory=PackagesView)
    memory: int | None = None
    modules: ModulesView = msgspec.field(default_factory=ModulesView)


class Info(Request[InfoView]):
    """Nothing to say."""


async def info(master: "Master", request: Info, call: Call) -> InfoView:
    """Tell about the master: version, processes, socket, store, what this host allows."""
    from importlib.metadata import version  # 20 ms that no command line needs to wait for.

    place = master.place
    return InfoView(
        version=version("beeyard"),
        host=master.host.name(),
        master_pid=place.master_pid,
        launcher_pid=place.launcher_pid(),
        pump_pid=place.pump_pid(),
        state_dir=place.state_dir,
        socket=place.socket,
        url=place.url(),
        workers=len(master.supervisors),
        store=master.records.unwritable or "ok",
        capabilities={
            name: {
                "whole_tree_kill": capable.whole_tree_kill,
                "user_switching": capable.user_switching,
                "exact_exits": capable.exact_exits,
            }
            for name, capable in ((name, provider.capabilities()) for name, provider in master.providers.items())
        },
        orphans=master.sweep.known(),
        network=master.listening.state,
        pressure=_pressure(strain(master.host.pressure())),
        packages=_packages(master.packages),
        memory=master.host.own_memory(),
        modules=_modules(master),
    )


def _modules(master: "Master") -> ModulesView:
    heard = [one.notified for one in master.supervisors.values() if one.attempt() is not None]
    found = [one.report for one in heard if one is not None and one.report is not None]
    return ModulesView(len(found), sum(one.tasks for one in found), sum(one.threads for one in found))


def _packages(installer: "Installer") -> PackagesView:
    return PackagesView(
        installed=len(installer.installed),
        damaged=[str(one) for one in installer.installed if one.digest in installer.damaged],
        repositories=[
            RepositoryView(one.name, one.manager, one.url or one.path, one.trust) for one in installer.spec.repositories
        ],
        counts=installer.counts,
    )


def _pressure(strain: Strain) -> str:
    return f"{strain.reason}; waits are {strain.factor:.1f} times as long" if strain.reason else "ok"


OPERATION = Operation("info", Info, info, route="GET /v1/info")
