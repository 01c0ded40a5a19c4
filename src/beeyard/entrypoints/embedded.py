"""The master as a part of somebody else's program: it lives as long as a block of that, without HTTP and a daemon."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from beeyard import bootstrap
from beeyard.adapters.host.launcher import quit_launcher
from beeyard.application import master as application
from beeyard.application.views import WorkerView
from beeyard.domain.errors import Refused, Unavailable
from beeyard.entrypoints import package_folder
from beeyard.launcher.locks import holder, lock
from beeyard.launcher.paths import Paths
from beeyard.ports.package_manager import PackageManager
from beeyard.sdk import loading
from beeyard.sdk.module import Factory


class Master(application.Master):
    """The master, for use inside a program of one's own."""

    @staticmethod
    def register_native_module_factory(name: str, factory: Factory) -> None:
        """Let workers of this program name this factory: `module_name: NAME`, with the provider `module`.

        Raises ValueError for a name that is taken by another one, or that has a colon: so plugins are named.
        """
        loading.register_native_module_factory(name, factory)

    def get_running_modules(self) -> list[WorkerView]:
        """The workers that run as modules within this program, in the order in which they were added."""
        views = self.get_all_worker_states_with_diagnostics()
        return [view for view in views if view.provider == "module" and view.state == "running"]

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        state_dir: str,
        *,
        keep_running: bool = False,
        shutdown_timeout: float = 30.0,
        managers: Sequence[PackageManager] = (),
    ) -> AsyncIterator["Master"]:
        """Supervise from within this program, with state in this folder. The launcher then starts no master.

        Args:
            keep_running: leave workers running at the end; whoever opens the folder next takes them over, and starts
                those anew that ran within this program. Else they are stopped, dependents first, and started again by
                the next to open.
            shutdown_timeout: seconds until a worker that does not stop is killed.
            managers: package managers of one's own, as `set_package_manager` takes them; given here they are there when
                workers of an earlier master are taken over.

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
            built = await bootstrap.build(paths, keep_master=[], read=package_folder.read, kind=cls, managers=managers)
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
