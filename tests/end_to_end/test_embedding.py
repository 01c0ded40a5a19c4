"""The master inside a program of one's own, by the names that the public face gives."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import beeyard
from beeyard.domain.module import ModuleSpec
from beeyard.domain.values import WorkerId
from beeyard.launcher.locks import holder
from beeyard.sdk import Module
from tests.fakes.packages import FakePackageManager, offer
from tests.yard import Yard, eventually


def sleeper(name: str = "nap") -> beeyard.WorkerSpec:
    """A worker that does nothing for long."""
    return beeyard.WorkerSpec(
        id=WorkerId(name), provider="process", run={"executable_path": "/bin/sleep", "args": ["1000"]}
    )


async def pid_of(master: beeyard.Master, name: str = "nap") -> int:
    """The worker's process, once it runs."""
    view = master.get_worker_state_with_diagnostics
    assert await master.until(lambda: view(name).state == "running", 15)
    pid = view(name).pid
    assert pid is not None
    return pid


async def test_an_embedded_master_does_what_the_daemon_does(tmp_path: Path) -> None:
    """Add, stop, start, restart, look, remove; at the end nothing is left."""
    async with beeyard.Master.open(str(tmp_path)) as master:
        await master.add_worker(sleeper())
        first = await pid_of(master)
        await master.restart_worker("nap")
        assert await master.until(lambda: master.get_worker_state_with_diagnostics("nap").attempt == 2, 15)
        assert await pid_of(master) != first
        await master.stop_worker("nap")
        assert await master.until(lambda: master.get_worker_state_with_diagnostics("nap").state == "stopped", 15)
        await master.start_worker("nap")
        last = await pid_of(master)
        with pytest.raises(beeyard.BeeyardError, match="it is running"):
            await master.remove_worker("nap")
        assert [view.id for view in master.get_all_worker_states_with_diagnostics()] == ["nap"]
    yard = Yard(tmp_path)
    eventually(lambda: yard.marked() == [] and not os.path.exists(f"/proc/{last}"), "all ended")


async def test_what_keeps_running_is_taken_over(tmp_path: Path) -> None:
    """keep_running leaves the process; the next to open the folder finds the very same."""
    try:
        async with beeyard.Master.open(str(tmp_path), keep_running=True) as master:
            await master.add_worker(sleeper())
            pid = await pid_of(master)
        async with beeyard.Master.open(str(tmp_path)) as master:
            assert await pid_of(master) == pid
    finally:
        Yard(tmp_path).end()


class Quiet(Module[Any]):
    """A module of this very program."""


async def test_a_module_of_the_program_itself_runs_within_it(tmp_path: Path) -> None:
    """It is known by the name that it was registered with, and ends with the master."""
    beeyard.Master.register_native_module_factory("test-embedded", Quiet)
    async with beeyard.Master.open(str(tmp_path)) as master:
        spec = beeyard.WorkerSpec(WorkerId("quiet"), "module", {}, module=ModuleSpec("test-embedded"))
        await master.add_workers([sleeper(), spec])
        assert await master.until(lambda: master.get_worker_state_with_diagnostics("quiet").ready, 15)
        assert [view.id for view in master.get_running_modules()] == ["quiet"]
        assert "quiet" in [thread.name for thread in threading.enumerate()]
    assert "quiet" not in [thread.name for thread in threading.enumerate()]


async def test_a_second_master_is_refused(tmp_path: Path) -> None:
    """One state folder, one master."""
    async with beeyard.Master.open(str(tmp_path)):
        with pytest.raises(beeyard.BeeyardError, match="another master"):
            async with beeyard.Master.open(str(tmp_path)):
                pass


async def test_an_error_in_the_block_is_raised_as_it_is(tmp_path: Path) -> None:
    """No task group shows through."""
    with pytest.raises(LookupError, match="mine"):
        async with beeyard.Master.open(str(tmp_path)):
            await asyncio.sleep(0)
            raise LookupError("mine")
    eventually(lambda: not any(map(holder, Yard(tmp_path)._locks())), "launcher and pump gone")


async def test_what_happens_is_told_to_any_number_of_readers(tmp_path: Path) -> None:
    """Each from where it likes: from now on, from the oldest, or behind an event it knows."""
    async with beeyard.Master.open(str(tmp_path)) as master:
        late = master.feed.read(None)
        await master.add_worker(sleeper())
        await pid_of(master)
        oldest = await _until_running(master.feed.read(""))
        assert [event.data.now.state for event in oldest][-2:] == ["starting", "running"]
        assert await _until_running(late) == oldest
        first, *rest = oldest
        assert await _until_running(master.feed.read(first.cursor)) == rest


async def _until_running(batches: AsyncIterator[list[beeyard.Event]]) -> list[beeyard.Event]:
    """A worker's events up to the one by which it runs."""
    found: list[beeyard.Event] = []
    async with asyncio.timeout(15):
        async for batch in batches:
            for event in batch:
                if event.kind == "worker":
                    found.append(event)
                    if event.data.now.state == "running":
                        return found
    return found


class Scripts(FakePackageManager):
    """A manager of the program's own: what it brings is a script in one folder."""

    name = "scripts"

    def __init__(self, folder: Path) -> None:
        super().__init__(offer("napper", "1.0"))
        self.folder = folder
        program = folder / "bin" / "serve"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\nexec sleep 1000\n")
        program.chmod(0o755)

    def put(self, offered: beeyard.Offered) -> beeyard.Installed:
        """In that folder."""
        found = replace(super().put(offered), path=str(self.folder))
        self.installed[offered.digest] = found
        return found


OURS = beeyard.PackagesSpec((beeyard.RepositorySpec("ours", "scripts"),))


async def test_a_worker_runs_from_a_package_of_the_programs_own_manager(tmp_path: Path) -> None:
    """Set while it waits for it; then given to the next to open the folder, where the worker starts by itself."""
    napper = beeyard.WorkerSpec(id=WorkerId("nap"), provider="process", run={}, package="napper")
    manager = Scripts(tmp_path / "scripts")
    async with beeyard.Master.open(str(tmp_path / "s")) as master:
        master.use_packages(OURS)
        await master.add_worker(napper)
        view = master.get_worker_state_with_diagnostics
        assert await master.until(lambda: "no package manager scripts here" in view("nap").note, 15)
        await master.set_package_manager(manager)
        await pid_of(master)
        assert view("nap").package == "napper 1.0"
        assert [str(one) for one in await master.get_installed_packages()] == ["napper 1.0"]
        assert await master.get_available_versions("napper") == ["1.0"]
    async with beeyard.Master.open(str(tmp_path / "s"), managers=[manager]) as master:
        await pid_of(master)
        assert master.get_worker_state_with_diagnostics("nap").package == "napper 1.0"
    assert (manager.calls["wake"], manager.calls["install"]) == (2, 1)
