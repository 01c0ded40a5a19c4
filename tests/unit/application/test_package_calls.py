"""Packages as a program asks its master about them; and the rounds that find what is damaged."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from beeyard.application.master import Master
from beeyard.application.operation import Call, Caller
from beeyard.application.operations.info import Info, PackagesView, RepositoryView, info
from beeyard.application.packages import health
from beeyard.application.packages.condition import PackageHealth
from beeyard.application.packages.counts import Counts
from beeyard.application.packages.seed import AddWorkerOptions, InstallOptions, UpdateOptions
from beeyard.application.packages.versions import build
from beeyard.domain.access import EVERYTHING
from beeyard.domain.course import Course
from beeyard.domain.errors import Invalid, NotFound, Refused, Untrusted
from beeyard.domain.generations import History
from beeyard.domain.sources import PackagesSpec
from tests.fakes.world import World, spec
from tests.package_benches import Bench, Binary, Directory


@pytest.fixture
def bench(tmp_path: Path) -> Binary:
    """A repository of archives, with two versions of one package and another that needs it."""
    made = Binary(tmp_path)
    for version in ("1.0", "2.0"):
        made.publish(version)
    made.publish("1.0", "gateway", needs="[{name: hello, version: '>=2'}, {name: python3}]")
    return made


@asynccontextmanager
async def mastered(*benches: Bench) -> AsyncIterator[Master]:
    """A master with these managers, and their repositories."""
    world = World()
    world.managers = {bench.manager.name: bench.manager for bench in benches}
    async with world.running() as master:
        master.packages.want(PackagesSpec(tuple(bench.spec for bench in benches)), "test")
        yield master


async def noted(master: Master) -> list[tuple[str, str, Any]]:
    """The journal: what was done to packages, and why; oldest first."""
    entries = await master.audit.about("package_", "", 100)
    found = [entry.record for entry in reversed(entries)]
    return [(record.what, record.reason, record.asked.get("package") or record.asked["packages"]) for record in found]


async def running(master: Master, name: str) -> None:
    """Wait for it: a package is looked at in a thread before a worker starts from it."""
    view = master.get_worker_state_with_diagnostics
    await asyncio.wait_for(master.until(lambda: view(name).state == "running", None), 30)


def hurt(installed_at: str) -> None:
    """Take its program away."""
    os.chmod(Path(installed_at, "bin"), 0o755)
    Path(installed_at, "bin/run").unlink()


async def test_a_package_comes_is_updated_and_goes(bench: Binary) -> None:
    """The old version stays beside the new one until somebody takes it away; the journal tells all of it."""
    async with mastered(bench) as master:
        assert await master.get_available_versions("hello") == ["1.0", "2.0"]
        assert not await master.is_package_installed("hello")
        assert await master.check_worker_package_availability("hello", ">=2")
        assert not await master.check_worker_package_availability("hello", ">=3")
        first = await master.install_package("hello", InstallOptions("1.0"))
        assert Path(first.path, "bin/run").exists()
        assert str(await master.update_package("hello", by="ann")) == "hello 2.0"
        assert [str(one) for one in await master.get_installed_packages()] == ["hello 1.0", "hello 2.0"]
        assert [one.held for one in master.packages.installed] == ["installed by the program", "installed by ann"]
        assert await master.is_package_installed("hello", ">=2")
        assert not await master.is_package_installed("hello", ">=3")
        assert [str(one) for one in await master.uninstall_package("hello", "1.0")] == ["hello 1.0"]
        assert [str(one) for one in await master.get_installed_worker_packages()] == ["hello 2.0"]
        assert await noted(master) == [
            ("package_installed", "the program asked for it", "hello 1.0"),
            ("package_installed", "ann asked for it", "hello 2.0"),
            ("package_uninstalled", "the program asked for it", ["hello 1.0"]),
        ]


async def test_a_package_is_installed_only_for_what_it_runs_as(bench: Binary) -> None:
    """A program may ask for a process, a module, or both."""
    async with mastered(bench) as master:
        for target in ("module", "both"):
            with pytest.raises(Refused, match=r"hello 2\.0 does not run as module, only as process"):
                await master.install_package("hello", InstallOptions(target_type=target))
        assert await master.get_installed_packages() == []
        assert str(await master.install_package("hello", InstallOptions(target_type="process"))) == "hello 2.0"


async def test_what_is_not_there_can_be_neither_updated_nor_taken_away(bench: Binary) -> None:
    """The first is told before any repository is asked."""
    async with mastered(bench) as master:
        for call in (master.update_package, master.uninstall_package, master.validate_package):
            with pytest.raises(NotFound, match="hello is not installed"):
                await call("hello")
        assert not await master.check_worker_package_availability("nobody")


async def test_what_another_package_needs_stays(bench: Binary) -> None:
    """For people and for programs it is the same rule."""
    async with mastered(bench) as master:
        await master.install_package("gateway")
        with pytest.raises(Refused, match=r"hello 2\.0 is needed by gateway 1\.0"):
            await master.uninstall_package("hello")
        assert await master.is_package_installed("hello")


async def test_what_a_rollout_may_go_back_to_stays(bench: Binary) -> None:
    """Nobody runs from it meanwhile; afterwards it can be taken away."""
    async with mastered(bench) as master:
        old = await master.install_package("hello", InstallOptions("1.0"))
        new = await master.install_package("hello", InstallOptions("2.0"))
        await master.add_worker_with_package_check(spec("web", package="hello:2.0"))
        way = Course("hello", build(old), build(new), stage="watching", paused="by ann")
        master.versions.note("web", History(way))
        with pytest.raises(Refused, match=r"hello 1\.0 is needed by the rollout of web"):
            await master.uninstall_package("hello", "1.0")
        master.versions.note("web", None)
        assert [str(one) for one in await master.uninstall_package("hello", "1.0")] == ["hello 1.0"]


async def test_a_package_comes_from_the_repository_that_it_belongs_to(bench: Binary) -> None:
    """To name another one is refused, not followed."""
    async with mastered(bench) as master:
        assert (await master.install_package("hello", InstallOptions(repository="main"))).repository == "main"
        with pytest.raises(Refused, match="hello comes from main, not from elsewhere"):
            await master.install_package("hello", InstallOptions(repository="elsewhere"))


async def test_a_version_nobody_can_read_is_invalid(bench: Binary) -> None:
    """With what is expected instead."""
    async with mastered(bench) as master:
        await master.install_package("hello", InstallOptions("1.0"))
        with pytest.raises(Invalid, match="newer, please: expected a version, `latest`, or a range"):
            await master.update_package("hello", UpdateOptions("newer, please"))


async def test_a_status_has_six_states(bench: Binary) -> None:
    """Two of them while it comes, told as they happen; the others when nothing is done about it."""
    async with mastered(bench) as master:
        events = master.feed.read(None)
        assert await anext(events) == []

        async def status() -> tuple[str, str, float, str]:
            found = await master.get_installation_status("hello")
            return found.state, found.version, found.progress, found.error

        assert await status() == ("not_installed", "", 0.0, "")
        await master.install_package("hello", InstallOptions("1.0"))
        assert await status() == ("installed", "1.0", 1.0, "")
        await master.update_package("hello")
        seen = [event.data.state for event in await anext(events) if event.kind == "package"]
        assert list(dict.fromkeys(seen)) == ["installing", "installed", "updating"]
        await events.aclose()
        with pytest.raises(Refused):
            await master.install_package("hello", InstallOptions("9.9"))
        state, _, _, error = await status()
        assert (state, "9.9" in error) == ("failed", True)
        hurt(master.packages.require("hello").path)
        with pytest.raises(Untrusted, match=r"hello 2\.0 is not as it was signed: .*bin/run missing"):
            await master.validate_package("hello")
        assert (await status())[:2] == ("corrupted", "2.0")
        assert (await master.get_worker_package_status("nobody")).state == "not_installed"


async def test_health_says_what_speaks_against_running_it(bench: Binary) -> None:
    """Its files, its program, and what it needs of other packages and of the host."""
    async with mastered(bench) as master:
        gateway = await master.install_package("gateway")
        program = str(Path(gateway.path, "bin/run"))
        assert await master.get_package_health("gateway") == PackageHealth(True, program, True, True, True, ())
        hello = master.packages.require("hello")
        await bench.manager.hold(hello, "")
        await bench.manager.remove(hello)
        hurt(gateway.path)
        found = await master.get_package_health("gateway")
        assert (found.is_healthy, found.is_executable, found.checksum_valid) == (False, False, False)
        assert not found.dependencies_met
        assert found.issues[-3:] == ("bin/run missing", f"{program} can't be executed", "it needs hello >=2")


# --- workers ----------------------------------------------------------------------------------------------------------


async def test_a_worker_is_added_once_its_package_is_there(bench: Binary) -> None:
    """Without `auto_install` a package that is missing is an error, and nothing is added."""
    async with mastered(bench) as master:
        wished = spec("web", package="hello:>=1")
        with pytest.raises(NotFound, match="hello:>=1 is not installed"):
            await master.add_worker_with_package_check(wished)
        assert master.supervisors == {}
        options = AddWorkerOptions(auto_install=True, required_version="<2")
        await master.add_worker_with_package_check(wished, options)
        await running(master, "web")
        assert master.get_worker_state_with_diagnostics("web").package == "hello 1.0"
        assert await noted(master) == [("package_installed", "web runs from it", "hello 1.0")]
        with pytest.raises(Refused, match=r"hello 1\.0 is needed by web"):
            await master.uninstall_package("hello")


async def test_a_worker_without_a_package_needs_none(bench: Binary) -> None:
    """But a version can't be required of it."""
    async with mastered(bench) as master:
        with pytest.raises(Invalid, match="nap runs from no package"):
            await master.add_worker_with_package_check(spec("nap"), AddWorkerOptions(required_version="1.0"))
        await master.add_worker_with_package_check(spec("nap"))
        assert list(master.supervisors) == ["nap"]


# --- rounds -----------------------------------------------------------------------------------------------------------


async def test_damage_is_told_once_and_stops_nothing_that_runs(bench: Binary) -> None:
    """As an event and in the journal; once it was mended and is damaged again, it is told again."""
    async with mastered(bench) as master:
        await master.add_worker_with_package_check(spec("web", package="hello"), AddWorkerOptions(auto_install=True))
        await running(master, "web")
        installed = master.packages.require("hello")
        events = master.feed.read(None)
        assert await anext(events) == []
        await master._rounds.turn()
        hurt(installed.path)
        await master._rounds.turn()
        await master._rounds.turn()
        told = [event for event in await anext(events) if event.kind == "package"]
        assert [(event.data.state, str(event.data)) for event in told] == [("corrupted", "hello 2.0")]
        assert [what for what, _, _ in await noted(master)] == ["package_installed", "package_damaged"]
        assert master.get_worker_state_with_diagnostics("web").state == "running"
        await master.packages.repair(installed)
        await master._rounds.turn()
        hurt(installed.path)
        await master._rounds.turn()
        assert [what for what, _, _ in await noted(master)].count("package_damaged") == 2
        assert (master.packages.counts.corrupted, master.packages.counts.failed) == (2, 0)
        await events.aclose()


async def test_the_first_round_comes_by_itself(bench: Binary, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at once: workers come first."""
    hurt((await bench.installed("3.0")).path)
    assert health.FIRST > 60
    monkeypatch.setattr(health, "FIRST", 0.0)
    async with mastered(bench) as master, asyncio.timeout(30):
        async for batch in master.feed.read(""):
            if found := [str(event.data) for event in batch if event.kind == "package"]:
                break
        assert found == ["hello 3.0"]


async def test_one_that_cant_be_looked_at_hides_no_other(bench: Binary) -> None:
    """It may have been removed just now."""
    async with mastered(bench) as master:
        await master.install_package("gateway")
        verify = master.packages.verify

        async def troubled(installed: Any, depth: Any) -> Any:
            if installed.manifest.name == "gateway":
                raise NotFound("package_not_installed", "gone")
            return await verify(installed, depth)

        master.packages.verify = troubled  # type: ignore[method-assign]
        hurt(master.packages.require("hello").path)
        await master._rounds.turn()
        assert [about for what, _, about in await noted(master) if what == "package_damaged"] == ["hello 2.0"]


async def test_what_was_done_is_counted(bench: Binary, tmp_path: Path) -> None:
    """And `info` tells it, with where packages come from, and that nobody signs them."""
    async with mastered(bench) as master:
        await master.install_package("gateway")
        with pytest.raises(Refused):
            await master.install_package("hello", InstallOptions("9.9"))
        await master.get_package_health("gateway")
        brought = sum((bench.place / f"{name}-any.tar.zst").stat().st_size for name in ("hello-2.0", "gateway-1.0"))
        told = await info(master, Info(), Call(Caller("ann", EVERYTHING)))
        assert told.packages == PackagesView(
            installed=2,
            repositories=[RepositoryView("main", "binary", str(bench.place), "unsigned")],
            counts=Counts(installs=2, failed=1, bytes=brought, resolved=1, checks=1),
        )


async def test_a_folder_is_never_taken_away(tmp_path: Path) -> None:
    """It is installed as it stands, and stays so."""
    bench = Directory(tmp_path)
    folder = bench.publish("1.0")
    async with mastered(bench) as master:
        assert (await master.install_package("hello")).path == str(folder)
        with pytest.raises(Refused, match="Beeyard changes nothing there"):
            await master.uninstall_package("hello")
        assert (await master.get_installation_status("hello")).state == "installed"
