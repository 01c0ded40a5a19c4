"""The composition root: paths in, a wired application out. The only place that knows every part."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from msgspec import Struct
from msgspec.structs import asdict, replace

from beeyard.adapters.clock import SystemClock
from beeyard.adapters.host.launcher import LauncherClient
from beeyard.adapters.host.system import PRESSURE, LinuxHost, platform
from beeyard.adapters.journal import FileJournal
from beeyard.adapters.logs import FileLogs
from beeyard.adapters.means import Means, PackageMeans
from beeyard.adapters.notify import NotifySocket
from beeyard.adapters.packages import PACKAGE_MANAGERS
from beeyard.adapters.probes import NetworkProber
from beeyard.adapters.providers import PROVIDERS
from beeyard.adapters.secrets import LocalSecrets
from beeyard.adapters.stores.sqlite import SqliteStore
from beeyard.application.master import Master, Place
from beeyard.application.operations import OPERATIONS
from beeyard.domain.packages import Manifest
from beeyard.domain.secrets import filled, references
from beeyard.domain.sources import Credentials, RepositorySpec
from beeyard.launcher.paths import Paths
from beeyard.ports.invitations import Invitation, Invitations
from beeyard.ports.package_manager import PackageManager
from beeyard.ports.resolver import Resolver
from beeyard.ports.secrets import Secrets
from beeyard.ports.store import Store

M = TypeVar("M", bound=Master)


class Application(Struct, Generic[M]):
    """One master with its launcher."""

    master: M
    launcher: LauncherClient
    paths: Paths


def master_argv(paths: Paths) -> list[str]:
    """The command line by which a launcher starts the master of this state folder."""
    # -P: nothing in the folder we happen to be in may pass for a module of ours.
    return [sys.executable, "-P", "-m", "beeyard.entrypoints.daemon", paths.state]


def _pressure() -> Path | None:
    """Where the pressure of this host is read: $BEEYARD_PRESSURE, a folder; empty: nowhere."""
    folder = os.environ.get("BEEYARD_PRESSURE", str(PRESSURE))
    return Path(folder) if folder else None


def _managers(root: Path, secrets: Secrets, read: Callable[[str], Manifest]) -> dict[str, PackageManager]:
    async def shown(spec: RepositorySpec) -> RepositorySpec:
        mirrors = [replace(one, credentials=await known(one.credentials)) for one in spec.mirrors]
        return replace(spec, credentials=await known(spec.credentials), mirrors=tuple(mirrors))

    async def known(written: Credentials) -> Credentials:
        fields = asdict(written)
        values = {name: await secrets.fetch(name) for text in fields.values() for name in references(text)}
        return Credentials(**{field: filled(text, values) for field, text in fields.items()})

    means = PackageMeans(root, platform(), shown, _resolver, read)
    return {name: manager.made(means) for name, manager in PACKAGE_MANAGERS.items()}


class _Invitations:
    """Those of the master, which is made after its providers. Implements ports.invitations.Invitations."""

    def __init__(self, enrolment: Callable[[], Invitations]) -> None:
        self._enrolment = enrolment

    async def invite(self, worker: str, attempt: int, waits: float = 0.0) -> Invitation:
        return await self._enrolment().invite(worker, attempt, waits)


def _resolver() -> Resolver:
    from beeyard.adapters.resolvers.pubgrub import PubgrubResolver  # Only who installs needs it.

    return PubgrubResolver()


async def build(
    paths: Paths,
    *,
    keep_master: Sequence[str],
    read: Callable[[str], Manifest],
    kind: type[M],
    store: Store | None = None,
    managers: Sequence[PackageManager] = (),
) -> Application[M]:
    """Wire a master of this kind.

    Args:
        keep_master: what the launcher starts when the master dies; empty when the master is part of another program.
        read: what reads the package file of a folder.
        store: instead of the database in the state folder.
        managers: of packages, beside our own and before those of the same name.
    """
    launcher, secrets = LauncherClient(paths, keep_master), LocalSecrets()
    host = LinuxHost(paths, pressure=_pressure())
    store = store or await SqliteStore.open(Path(paths.database))
    notices = NotifySocket.open(paths)
    means = Means(launcher, secrets, notices, _Invitations(lambda: master.enrolment))
    providers = {name: provider(means) for name, provider in PROVIDERS.items()}
    master = kind(
        store=store,
        providers=providers,
        prober=NetworkProber(),
        clock=SystemClock(),
        host=host,
        logs=FileLogs(paths),
        notices=notices,
        journal=await FileJournal.open(Path(paths.journal)),
        place=Place(
            os.getpid(), paths.state, paths.master_socket, launcher.pid, launcher.pump_pid, lambda: master.listening.url
        ),
        operations=OPERATIONS,
        secrets=secrets,
        managers=_managers(Path(paths.packages), secrets, read) | {manager.name: manager for manager in managers},
        resolver=_resolver,
    )
    return Application(master, launcher, paths)
