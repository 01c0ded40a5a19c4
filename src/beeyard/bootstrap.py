"""The composition root: paths in, a wired application out. The only place that knows every part."""

import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from beeyard.adapters.clock import SystemClock
from beeyard.adapters.host.launcher import LauncherClient, quit_launcher
from beeyard.adapters.host.system import PRESSURE, LinuxHost
from beeyard.adapters.journal import FileJournal
from beeyard.adapters.logs import FileLogs
from beeyard.adapters.notify import NotifySocket
from beeyard.adapters.probes import NetworkProber
from beeyard.adapters.providers import PROVIDERS
from beeyard.adapters.secrets import LocalSecrets
from beeyard.adapters.stores.sqlite import SqliteStore
from beeyard.application import master as application
from beeyard.application.master import Place
from beeyard.application.operations import OPERATIONS
from beeyard.domain.errors import Refused, Unavailable
from beeyard.launcher.locks import holder, lock
from beeyard.launcher.paths import Paths
from beeyard.ports.store import Store


class Master(application.Master):
    """The master, for use inside a program of one's own."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, state_dir: str, *, keep_running: bool = False, shutdown_timeout: float = 30.0
    ) -> AsyncIterator["Master"]:
        """Supervise from within this program, with state in this folder. The launcher then starts no master.

        Args:
            keep_running: leave workers running at the end; whoever opens the folder next takes them over. Else they
                are stopped, dependents first, and started again by the next to open.
            shutdown_timeout: seconds until a worker that does not stop is killed.

        Raises:
            Refused: `master_running`, when another master serves this folder.
            Unavailable: `state_unwritable`, when the folder can't be made or written.
        """
        paths = Paths(state_dir)
        try:
            paths.create()
            held = lock(paths.master_lock)
        except OSError as error:
            text = "the state folder {path} can't be used: {reason}"
            raise Unavailable("state_unwritable", text, path=paths.state, reason=error.strerror) from None
        if held is None:
            pid = holder(paths.master_lock)
            raise Refused("master_running", "another master (pid {pid}) serves {state}", pid=pid, state=paths.state)
        try:
            built = await build(paths, keep_master=[])
            try:
                async with built.master.running():
                    await built.master.release()
                    try:
                        yield built.master
                    finally:
                        if not keep_running:
                            await built.master.shut_down(shutdown_timeout)
            finally:
                if not keep_running:
                    await quit_launcher(paths)  # Which stays if a worker is stuck.
        finally:
            os.close(held)


class Application(Struct):
    """One master with its launcher."""

    master: Master
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


async def build(paths: Paths, *, keep_master: Sequence[str], store: Store | None = None) -> Application:
    """Wire a master.

    Args:
        keep_master: what the launcher starts when the master dies; empty when the master is part of another program.
        store: instead of the database in the state folder.
    """
    launcher, secrets = LauncherClient(paths, keep_master), LocalSecrets()
    providers = {name: provider(launcher, secrets) for name, provider in PROVIDERS.items()}
    master = Master(
        store=store or await SqliteStore.open(Path(paths.database)),
        providers=providers,
        prober=NetworkProber(),
        clock=SystemClock(),
        host=LinuxHost(paths, pressure=_pressure()),
        logs=FileLogs(paths),
        notices=NotifySocket.open(paths),
        journal=await FileJournal.open(Path(paths.journal)),
        place=Place(
            os.getpid(), paths.state, paths.master_socket, launcher.pid, launcher.pump_pid, lambda: master.listening.url
        ),
        operations=OPERATIONS,
        secrets=secrets,
    )
    return Application(master, launcher, paths)
