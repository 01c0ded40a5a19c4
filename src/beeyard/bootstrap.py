"""The composition root: paths in, a wired application out. The only place that knows every part."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import asdict, replace

from beeyard.adapters.clock import SystemClock
from beeyard.adapters.fetcher import FolderFetcher
from beeyard.adapters.host.launcher import LauncherClient
from beeyard.adapters.host.system import PRESSURE, LinuxHost, platform
from beeyard.adapters.journal import FileJournal
from beeyard.adapters.logs import FileLogs
from beeyard.adapters.means import Means
from beeyard.adapters.notify import NotifySocket
from beeyard.adapters.packages.apt import AptManager
from beeyard.adapters.packages.binary import BinaryManager
from beeyard.adapters.packages.directory import DirectoryManager, Read
from beeyard.adapters.packages.dnf import DnfManager
from beeyard.adapters.packages.oci import OciManager
from beeyard.adapters.packages.python import PythonManager
from beeyard.adapters.probes import NetworkProber
from beeyard.adapters.providers import PROVIDERS
from beeyard.adapters.secrets import LocalSecrets
from beeyard.adapters.stores.sqlite import SqliteStore
from beeyard.application.master import Master, Place
from beeyard.application.operations import OPERATIONS
from beeyard.domain.packages import Platform
from beeyard.domain.secrets import filled, references
from beeyard.domain.sources import Credentials, RepositorySpec
from beeyard.launcher.paths import Paths
from beeyard.ports.fetcher import Fetcher
from beeyard.ports.invitations import Invitation, Invitations
from beeyard.ports.package_manager import PackageManager
from beeyard.ports.package_store import PackageStore
from beeyard.ports.repository import Repository
from beeyard.ports.resolver import Resolver
from beeyard.ports.secrets import Secrets
from beeyard.ports.store import Store

if TYPE_CHECKING:
    from beeyard.adapters.images.shelf import Shelf
    from beeyard.adapters.wheels.shelf import Shelf as Wheels

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


def _managers(root: Path, secrets: Secrets, read: Read) -> dict[str, PackageManager]:
    """The package managers, all of them keeping what they have below one folder."""

    async def shown(spec: RepositorySpec) -> RepositorySpec:
        """With its secrets, and those of its mirrors."""
        mirrors = [replace(one, credentials=await known(one.credentials)) for one in spec.mirrors]
        return replace(spec, credentials=await known(spec.credentials), mirrors=tuple(mirrors))

    async def known(written: Credentials) -> Credentials:
        fields = asdict(written)
        values = {name: await secrets.fetch(name) for text in fields.values() for name in references(text)}
        return Credentials(**{field: filled(text, values) for field, text in fields.items()})

    async def opened(spec: RepositorySpec) -> Repository:
        from beeyard.adapters.repositories import repository  # TUF takes 170 ms to load.

        return repository(await shown(spec), root / "trust" / spec.name)

    async def shelf(spec: RepositorySpec, platform: Platform) -> "Shelf":
        from beeyard.adapters.images.registry import Registry  # Only who has images needs what asks for them.
        from beeyard.adapters.images.shelf import Shelf

        return Shelf(spec, Registry(await shown(spec)), platform)

    # A master without packages has no store.
    def store(root: Path) -> PackageStore:
        from beeyard.adapters.archives.unpack import unpack
        from beeyard.adapters.confined.checking import check
        from beeyard.adapters.package_store import FolderStore

        return FolderStore(root, unpack, patch=unpack, check=check)

    async def wheels(spec: RepositorySpec, fetcher: Fetcher) -> "Wheels":
        from beeyard.adapters.wheels.opening import opened  # Nor what asks for wheels, where nobody has any.

        return await opened(await shown(spec), platform(), _resolver(), fetcher)

    def environments(root: Path) -> PackageStore:
        from beeyard.adapters.package_store import FolderStore
        from beeyard.adapters.wheels.unpacking import unpack

        return FolderStore(root, unpack)

    def images(root: Path) -> PackageStore:
        from beeyard.adapters.confined.checking import check
        from beeyard.adapters.images.unpacking import unpack
        from beeyard.adapters.package_store import FolderStore

        return FolderStore(root, unpack, check=check)

    binary = BinaryManager(root, store, FolderFetcher(root / "dl"), platform(), opened)
    oci = OciManager(root / "oci", images, FolderFetcher(root / "oci" / "dl"), platform(), shelf)
    python = PythonManager(root / "python", environments, FolderFetcher(root / "python" / "dl"), wheels)
    system = [
        kind(root / kind.name, images, FolderFetcher(root / kind.name / "dl"), platform(), shown)
        for kind in (AptManager, DnfManager)
    ]
    return {manager.name: manager for manager in (binary, DirectoryManager(read, platform()), oci, python, *system)}


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
    read: Read,
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
