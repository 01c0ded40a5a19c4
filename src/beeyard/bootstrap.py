"""The composition root: paths in, a wired application out. The only place that knows every part."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from beeyard.adapters.clock import SystemClock
from beeyard.adapters.host.launcher import LauncherClient
from beeyard.adapters.host.system import LinuxHost
from beeyard.adapters.logs import FileLogs
from beeyard.adapters.probes import NetworkProber
from beeyard.adapters.providers import PROVIDERS
from beeyard.adapters.stores.sqlite import SqliteStore
from beeyard.application.master import Master, Place
from beeyard.launcher.paths import Paths
from beeyard.ports.store import Store


class Application(Struct):
    """One master with its launcher."""

    master: Master
    launcher: LauncherClient
    paths: Paths


def master_argv(paths: Paths) -> list[str]:
    """The command line by which a launcher starts the master of this state folder."""
    return [sys.executable, "-m", "beeyard.entrypoints.daemon", paths.state]


async def build(paths: Paths, *, keep_master: Sequence[str], store: Store | None = None) -> Application:
    """Wire a master.

    Args:
        keep_master: what the launcher starts when the master dies; empty when the master is part of another program.
        store: instead of the database in the state folder.
    """
    launcher = LauncherClient(paths, keep_master)
    providers = {name: provider(launcher) for name, provider in PROVIDERS.items()}
    master = Master(
        store=store or await SqliteStore.open(Path(paths.database)),
        providers=providers,
        prober=NetworkProber(),
        clock=SystemClock(),
        host=LinuxHost(paths),
        logs=FileLogs(paths),
        place=Place(os.getpid(), paths.state, paths.master_socket, launcher.pid, launcher.pump_pid),
    )
    return Application(master, launcher, paths)
