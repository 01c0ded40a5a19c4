"""Workers that run from packages: when these are brought, which one is taken, and what is never started."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from beeyard.application.master import Master
from beeyard.domain.errors import Invalid, Rejected, Unavailable
from beeyard.domain.master import MasterSpec
from beeyard.domain.messages import Exit
from beeyard.domain.packages import Wanted
from beeyard.domain.resolution import Ask
from beeyard.domain.sources import PackagePolicies, PackagesSpec
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.supply import Supply
from beeyard.domain.worker import Down, Preparing, Running, Waiting
from tests.fakes.clock import settle
from tests.fakes.packages import PACKED, REPOSITORY, TORN, FakePackageManager, offer, until
from tests.fakes.world import World, phase, spec

PACKAGES = PackagesSpec(repositories=(REPOSITORY,))
AWAY = Unavailable("repository_away", "acme does not answer")
GONE = Rejected("executable_not_found", "there is no serve")


class Yard(World):
    """With a package manager."""

    def __init__(self, manager: FakePackageManager) -> None:
        super().__init__()
        self.manager = manager
        self.managers = {manager.name: manager}

    @asynccontextmanager
    async def applied(self, *specs: WorkerSpec, packages: PackagesSpec = PACKAGES) -> AsyncIterator[Master]:
        """A master that woke up and was given a worker file."""
        async with self.master().running() as master:
            await apply(master, *specs, packages=packages)
            yield master


async def apply(master: Master, *specs: WorkerSpec, packages: PackagesSpec = PACKAGES) -> None:
    """A worker file with just these."""
    await master.apply(specs, "FILE", master=MasterSpec(packages=packages))


def runs(name: str, package: str = "caddy") -> WorkerSpec:
    """A worker of that file."""
    return spec(name, package=package, origin="FILE")


def supply(master: Master, name: str) -> Supply:
    """What a worker runs from, or ran from last."""
    found = master.supervisors[name].worker.supply
    assert found is not None
    return found


def note(master: Master, name: str) -> str:
    """What `ps` says."""
    return master.get_worker_state_with_diagnostics(name).note


def up(master: Master, *names: str) -> bool:
    return all(isinstance(phase(master, name), Running) for name in names)


async def test_a_package_that_several_workers_miss_is_brought_once() -> None:
    """However often they are looked at; they say what they wait for, and run from it then."""
    world = Yard(FakePackageManager(offer("caddy")))
    gate = world.manager.gate("install")
    async with world.applied(runs("a"), runs("b"), runs("c", "caddy:>=1")) as master:
        await until(lambda: world.manager.calls["offers"] == 2 and world.manager.calls["install"])
        for _ in range(3):
            await master.restart_worker("a")
        await until(lambda: note(master, "c") == "caddy 1.0: 0 %")
        assert not world.provider.called("launch")
        gate.set()
        await until(lambda: up(master, "a", "b", "c"))
        assert (world.manager.calls["install"], world.manager.calls["offers"]) == (1, 2)
        assert {launch[0] for launch in world.provider.called("launch")} == {"a", "b", "c"}
        assert world.manager.used == {("caddy-1.0-tuf", name) for name in "abc"}


async def test_what_somebody_asks_for_meanwhile_is_done_at_once() -> None:
    """A worker can be stopped, changed and removed while its package comes; that comes all the same."""
    world = Yard(FakePackageManager(offer("caddy"), offer("other")))
    gate = world.manager.gate("install caddy")
    async with world.applied(runs("a"), runs("b"), runs("c")) as master:
        await until(lambda: world.manager.calls["install"])
        await master.stop_worker("a")
        assert isinstance(phase(master, "a"), Down)
        await apply(master, runs("a"), runs("b", "other"))
        await until(lambda: up(master, "b"))
        assert supply(master, "b").name == "other"
        gate.set()
        await until(lambda: "caddy-1.0-tuf" in world.manager.installed)
        await settle()
        assert world.provider.running() == [("b", 1)]


async def test_what_is_wrong_is_told_while_it_is_tried_again_as_well() -> None:
    """Whoever looks just then must not think that nothing ever failed."""
    world = Yard(FakePackageManager(offer("caddy")))
    world.manager.errors["offers caddy"] = AWAY
    async with world.applied(runs("a")) as master:
        await until(lambda: note(master, "a").endswith("after 2s") and bool(world.clock.pending()))
        gate = world.manager.gate("offers")
        await world.clock.run(2.1)
        await until(
            lambda: note(master, "a") == "caddy:latest can't be installed: acme does not answer; it is tried again now"
        )
        gate.set()
        await until(lambda: note(master, "a").endswith("after 4s"))


async def test_what_can_not_be_had_is_tried_again_after_pauses_that_grow() -> None:
    """At once when something changes; then no pause of earlier tries is left."""
    world = Yard(FakePackageManager(offer("caddy"), offer("other")))
    world.manager.errors["offers caddy"] = AWAY
    calls = world.manager.calls
    async with world.applied(runs("a")) as master:

        def failed(number: int, told: str) -> bool:
            return calls["offers"] == number and note(master, "a") == told and bool(world.clock.pending())

        text = "caddy:latest can't be installed: acme does not answer; it is tried again after "
        for number, pause in enumerate(("2s", "4s", "8s", "16s", "32s", "1m", "1m"), 1):
            await until(partial(failed, number, text + pause))
            due = world.clock.pending()[0] - world.clock.now().mono
            await world.clock.run(due - 0.1)
            assert calls["offers"] == number
            await world.clock.run(0.2)
        await until(world.clock.pending)
        timers = len(world.clock.pending())
        await apply(master, runs("a"))
        await until(lambda: "after 2s" in note(master, "a"))
        assert len(world.clock.pending()) == timers
        count = calls["offers"]
        await master.packages.ensure([Ask(Wanted("other"))])
        await until(lambda: calls["offers"] == count + 2)
        await until(lambda: "after 2s" in note(master, "a"))
        await world.clock.run(1.9)
        assert calls["offers"] == count + 2
        del world.manager.errors["offers caddy"]
        await world.clock.run(0.2)
        await until(lambda: up(master, "a"))


@pytest.mark.parametrize("way", ["restart", "stop and start"])
async def test_who_asks_for_a_start_waits_for_no_pause(way: str) -> None:
    """It is tried at once, for all who wait for it; pauses begin anew."""
    world = Yard(FakePackageManager(offer("caddy")))
    world.manager.errors["offers"] = AWAY
    async with world.applied(runs("a"), runs("b")) as master:
        await until(lambda: "after 2s" in note(master, "a"))
        await world.clock.run(2.1)
        await until(lambda: "after 4s" in note(master, "a"))
        if way == "restart":
            await master.restart_worker("a")
        else:
            await master.stop_worker("a")
            await master.start_worker("a")
        await until(lambda: world.manager.calls["offers"] == 3 and "after 2s" in note(master, "b"))
        del world.manager.errors["offers"]
        await master.restart_worker("a")
        await until(lambda: up(master, "a", "b"))


async def test_what_may_change_at_any_time_is_looked_at_before_a_start_that_was_asked_for() -> None:
    """Once, and by no other start; what can't be looked at is started as it was."""
    world = Yard(FakePackageManager(offer("caddy", "1.0")))
    world.manager.settled = False
    world.manager.put(offer("caddy", "1.0"))
    async with world.applied(runs("a")) as master:
        await until(lambda: up(master, "a"))
        world.manager.installed.clear()
        edited = world.manager.put(offer("caddy", "1.1"))
        await master.restart_worker("a")
        await until(lambda: up(master, "a") and master.supervisors["a"].worker.attempt == 2)
        assert supply(master, "a").digest == edited.digest
        count = world.manager.calls["facts"]
        world.provider.exit("a", Exit(code=1))
        await world.clock.run(1.5)
        await until(lambda: up(master, "a") and master.supervisors["a"].worker.attempt == 3)
        assert world.manager.calls["facts"] == count
        world.manager.errors["facts"] = AWAY
        await master.restart_worker("a")
        await until(lambda: up(master, "a") and master.supervisors["a"].worker.attempt == 4)
        assert world.manager.calls["facts"] == count + 1


async def test_what_may_change_at_any_time_is_in_no_lock() -> None:
    """Nor does it keep anything else from being locked."""
    world = Yard(FakePackageManager(offer("caddy", "1.0")))
    world.manager.settled = False
    async with world.applied() as master:
        assert (await master.packages.lock([Ask(Wanted("caddy"), "a")], PACKAGES, ())).packages == ()


async def test_a_worker_finds_what_its_package_needs_and_finds_the_same_again() -> None:
    """The best that all of them take; an automatic restart has no newer one. None of it can be removed meanwhile."""
    needy = offer("web", "1.0", "lib:>=1", "mid")
    world = Yard(FakePackageManager(needy, offer("mid", "1.0", "lib:<2"), offer("lib", "1.1"), offer("lib", "2.0")))
    async with world.applied(runs("a", "web")) as master:
        await until(lambda: up(master, "a"))
        world.manager.put(offer("lib", "1.2"))
        world.manager.put(offer("lib", "2.0"))
        await master.packages.look()
        beside = {"lib": "/store/lib-1.1-tuf", "mid": "/store/mid-1.0-tuf"}
        assert supply(master, "a").run["with"] == beside
        world.provider.exit("a", Exit(code=1))
        await world.clock.run(1.5)
        await until(lambda: up(master, "a") and master.supervisors["a"].worker.attempt == 2)
        assert supply(master, "a").run["with"] == beside
        assert world.manager.used == {(digest, "a") for digest in ("web-1.0-tuf", "lib-1.1-tuf", "mid-1.0-tuf")}
        assert "lib-1.1-tuf" in master.supplies.needed()
        await master.restart_worker("a")
        await until(lambda: up(master, "a") and master.supervisors["a"].worker.attempt == 3)
        assert supply(master, "a").run["with"]["lib"] == "/store/lib-1.2-tuf"
        assert {digest for digest, _ in world.manager.used} == {"web-1.0-tuf", "lib-1.2-tuf", "mid-1.0-tuf"}


async def test_a_range_that_nobody_can_read_is_told_with_its_place() -> None:
    """By the worker that would run from it, and by who asks what is needed."""
    world = Yard(FakePackageManager())
    world.manager.put(offer("web", "1.0", "lib:about two"))
    async with world.applied(runs("a", "web")) as master:
        wrong = "web 1.0: dependencies.lib.version: found 'about two', expected a version, `latest`, or a range such as"
        await until(lambda: wrong in note(master, "a"))
        with pytest.raises(Invalid, match=r"dependencies\.lib\.version: found 'about two'") as caught:
            master.packages.closure(["web-1.0-tuf"])
        assert caught.value.code == "package_range"


async def test_an_automatic_restart_takes_the_same_build_and_one_that_was_asked_for_the_newest() -> None:
    """Whatever came in the meantime, and whoever was the master."""
    world = Yard(FakePackageManager(offer("caddy", "1.0"), offer("caddy", "2.0")))
    world.manager.put(offer("caddy", "1.0"))
    async with world.applied(runs("a"), runs("b", "caddy:<2")) as master:
        await until(lambda: up(master, "a", "b"))
        await master.packages.ensure([Ask(Wanted("caddy"), newest=True)])
        world.provider.exit("a", Exit(code=1))
        await world.clock.run(1.5)
        await until(lambda: up(master, "a"))
        assert supply(master, "a").version == "1.0"
        world.provider.exit("a", Exit(code=1))
        await until(lambda: isinstance(phase(master, "a"), Waiting))
    world.manager.errors["offers"] = AWAY
    async with world.master().running() as master:
        await world.clock.run(5)
        await until(lambda: up(master, "a", "b"))
        assert supply(master, "a").version == "1.0"
        await master.restart_worker("a")
        await master.restart_worker("b")
        await until(lambda: up(master, "a", "b") and master.supervisors["b"].worker.attempt == 2)
        assert (supply(master, "a").version, supply(master, "b").version) == ("2.0", "1.0")


async def test_with_auto_update_a_start_that_was_asked_for_looks_for_a_newer_one_and_needs_none() -> None:
    """An automatic restart does not; and a repository that does not answer keeps nothing from starting."""
    world = Yard(FakePackageManager(offer("caddy", "1.0")))
    eager = PackagesSpec(repositories=(REPOSITORY,), policies=PackagePolicies(auto_update=True))
    async with world.applied(runs("a"), packages=eager) as master:
        await until(lambda: up(master, "a"))
        world.manager.offered.append(offer("caddy", "2.0"))
        world.provider.exit("a", Exit(code=1))
        await world.clock.run(1.5)
        await until(lambda: master.supervisors["a"].worker.attempt == 2 and up(master, "a"))
        assert supply(master, "a").version == "1.0"
        await master.restart_worker("a")
        await until(lambda: master.supervisors["a"].worker.attempt == 3 and up(master, "a"))
        assert supply(master, "a").version == "2.0"
        world.manager.errors["offers"] = AWAY
        await master.restart_worker("a")
        await until(lambda: master.supervisors["a"].worker.attempt == 4 and up(master, "a"))
        assert supply(master, "a").version == "2.0"


async def test_a_worker_goes_back_only_if_that_is_allowed_and_others_are_no_concern_of_it() -> None:
    """What it never ran it does not go back from."""
    world = Yard(FakePackageManager(offer("caddy", "1.0"), offer("caddy", "2.0"), offer("caddy", "1.1")))
    world.manager.put(offer("caddy", "2.0"))
    async with world.applied(runs("a"), runs("b", "caddy:1.0")) as master:
        await until(lambda: up(master, "a", "b"))
        assert (supply(master, "a").version, supply(master, "b").version) == ("2.0", "1.0")
        await apply(master, runs("a", "caddy:1.1"), runs("b", "caddy:1.0"))
        await until(lambda: "tried again" in note(master, "a"))
        assert "allow downgrades" in note(master, "a")
        allowed = PackagesSpec(repositories=(REPOSITORY,), policies=PackagePolicies(allow_downgrades=True))
        await apply(master, runs("a", "caddy:1.1"), runs("b", "caddy:1.0"), packages=allowed)
        await until(lambda: up(master, "a"))
        assert supply(master, "a").version == "1.1"


async def test_what_a_worker_ran_from_before_may_be_removed() -> None:
    """What it runs from now may not, until it is removed."""
    world = Yard(FakePackageManager(offer("caddy", "1.0"), offer("caddy", "2.0")))
    world.manager.put(offer("caddy", "1.0"))
    async with world.applied(runs("a")) as master:
        await until(lambda: up(master, "a"))
        await master.packages.ensure([Ask(Wanted("caddy"), newest=True)])
        await master.restart_worker("a")
        await until(lambda: world.manager.used == {("caddy-2.0-tuf", "a")})
        await apply(master)
        assert not world.manager.used


async def test_a_package_that_somebody_else_removed_comes_back_before_the_next_start() -> None:
    """Nothing is launched from where it was."""
    world = Yard(FakePackageManager(offer("caddy")))
    world.manager.put(offer("caddy"))
    async with world.applied(runs("a")) as master:
        await until(lambda: up(master, "a"))
        world.manager.installed.clear()
        await master.restart_worker("a")
        await until(lambda: isinstance(phase(master, "a"), Waiting))
        assert world.provider.called("launch") == [("a", 1)]
        await world.clock.run(1.5)
        await until(lambda: up(master, "a"))
        assert world.manager.calls["install"] == 1


async def test_a_damaged_package_is_repaired_before_anything_is_started_from_it() -> None:
    """What runs goes on, and an older one that is whole is no substitute."""
    world = Yard(FakePackageManager(offer("caddy", "1.0"), offer("caddy", "2.0")))
    world.manager.put(offer("caddy", "1.0"))
    installed = world.manager.put(offer("caddy", "2.0"))
    async with world.applied(runs("a")) as master:
        await until(lambda: up(master, "a"))
        world.manager.damage[installed.digest] = [TORN]
        assert await master.packages.verify(installed, "sizes") == [TORN]
        await settle()
        assert up(master, "a")
        gate = world.manager.gate("repair")
        await master.restart_worker("a")
        await until(lambda: world.manager.calls["repair"])
        assert phase(master, "a") == Preparing(2, "caddy 2.0 is being repaired")
        gate.set()
        await until(lambda: up(master, "a"))
        assert (supply(master, "a").version, world.manager.damage) == ("2.0", {})


@pytest.mark.parametrize("torn", [True, False])
async def test_an_executable_that_is_not_found_has_its_package_looked_at_once(torn: bool) -> None:
    """It is repaired if it is damaged; and if it is not, no second look finds more."""
    world = Yard(FakePackageManager(offer("caddy")))
    installed = world.manager.put(offer("caddy"))
    world.manager.damage = {installed.digest: [TORN]} if torn else {}
    world.provider.fail_next_launch(GONE)
    world.provider.fail_next_launch(GONE)
    async with world.applied(runs("a")) as master:
        await until(lambda: isinstance(phase(master, "a"), Waiting))
        for _ in range(2):
            await until(lambda: isinstance(phase(master, "a"), Waiting | Running))
            await world.clock.run(5)
        await until(lambda: up(master, "a"))
        assert master.supervisors["a"].worker.attempt == 3
        assert world.manager.calls["repair"] == int(torn)
        assert world.manager.calls["verify"] == 1


async def test_what_is_not_trusted_enough_is_not_started() -> None:
    """Nor is it asked for without pause; what vouches for it better is taken."""
    world = Yard(FakePackageManager(offer("caddy", trust="checksum")))
    world.manager.put(offer("caddy", trust="checksum"))
    strict = PackagesSpec(repositories=(REPOSITORY,), policies=PackagePolicies(required_trust="tuf"))
    async with world.applied(runs("a"), packages=strict) as master:
        await until(lambda: "tried again" in note(master, "a"))
        assert "the trust in caddy from acme is `checksum`, and `tuf` is required" in note(master, "a")
        assert world.manager.calls["offers"] == 1
        world.manager.offered = [offer("caddy")]
        await apply(master, runs("a"), packages=strict)
        await until(lambda: up(master, "a"))
        assert supply(master, "a").trust == "tuf"


async def test_how_far_a_package_is_shows_wherever_its_worker_is_listed() -> None:
    """The list is another one then, and the worker's record the same."""
    world = Yard(FakePackageManager(offer("caddy")))
    gate = world.manager.gate("install")
    async with world.applied(runs("a"), spec("b", origin="FILE")) as master:
        await until(lambda: world.manager.tells)
        saved, version = len(world.calls), master.version
        world.manager.tells[0](0)
        world.clock.advance(2)
        world.manager.tells[0](PACKED // 2)
        view, other = master.get_all_worker_states_with_diagnostics()
        assert (view.state, view.note, view.progress) == ("preparing", "caddy 1.0: 45 %, 100 B/s, 2s left", 0.45)
        assert other.progress is None
        assert master.detail(master.supervisors["a"]).worker == view
        assert master.version > version
        assert len(world.calls) == saved
        gate.set()
        await until(lambda: up(master, "a"))
        assert master.get_worker_state_with_diagnostics("a").progress is None
