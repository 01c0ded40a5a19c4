"""Groups going over to another version of their package, and back, in a fake world; and masters killed meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from msgspec.structs import replace

from beeyard.application.master import Master
from beeyard.application.packages.moves import RolloutView
from beeyard.application.packages.status import PackageStatus
from beeyard.application.supervisor import Supervisor
from beeyard.domain.course import OVER
from beeyard.domain.errors import BeeyardError, NotFound, Refused
from beeyard.domain.messages import Exit
from beeyard.domain.rollout_plan import Gate, Rollout
from beeyard.domain.sources import PackagePolicies, PackagesSpec
from beeyard.domain.spec import Endpoint, ProbeSpec, WorkerSpec
from beeyard.domain.values import Duration
from beeyard.ports.package_manager import Offered
from beeyard.ports.prober import Result
from tests.fakes.packages import REPOSITORY, FakePackageManager, offer, until
from tests.fakes.world import Mortal, World, spec

PLAN = Rollout()
READY = {"readiness": ProbeSpec("tcp", target="127.0.0.1:80", period=Duration(1.0), failures=1)}


class Yard(World):
    """With a package manager, and the word of a file."""

    def __init__(self, *offered: Offered, **policies: Any) -> None:
        super().__init__()
        self.manager = FakePackageManager(*offered)
        self.managers = {self.manager.name: self.manager}
        self.packages = PackagesSpec(repositories=(REPOSITORY,), policies=PackagePolicies(**policies))

    @asynccontextmanager
    async def up(self, *specs: WorkerSpec) -> AsyncIterator[Master]:
        """A master whose workers run from 1.0, and a repository that has 2.0 as well."""
        async with self.master().running() as master:
            master.use_packages(self.packages)
            await master.add_workers(specs)
            await until(lambda: all(one.worker.supply for one in serving(master)))
            await self.until(lambda: all(versions(master)[one.worker.id] for one in serving(master)))
            self.manager.offered.append(offer("caddy", "2.0"))
            yield master

    async def until(self, reached: Any) -> None:
        """While time passes by tenths of a second."""
        for _ in range(6_000):
            if reached():
                return
            await self.clock.run(0.1)
        raise AssertionError("it never came")


def web(count: int = 1, plan: Rollout | None = PLAN, package: str = "caddy", **more: Any) -> list[WorkerSpec]:
    """A group that becomes ready when the prober says so."""
    names = ["web"] if count == 1 else [f"web.{number}" for number in range(1, count + 1)]
    return [spec(name, package=package, rollout=plan, probes=READY, **more) for name in names]


def serving(master: Master) -> list[Supervisor]:
    """Those that are not on standby."""
    return [one for one in master.supervisors.values() if not one.worker.wanted.standby]


def versions(master: Master) -> dict[str, str]:
    """What each runs from and is ready with."""
    found = {}
    for name, one in master.supervisors.items():
        ready = master.view(one).ready
        found[name] = one.worker.supply.version if ready and one.worker.supply is not None else ""
    return found


def all_on(master: Master, version: str) -> bool:
    return set(versions(master).values()) == {version}


def told(status: PackageStatus) -> None:
    """Nobody listens."""


async def update(master: Master, to: str = "", *, dry_run: bool = False) -> str:
    """The reason why not, or nothing."""
    return (await master.updates.update("web", to, "ann", told, dry_run=dry_run)).why


def seen(master: Master) -> RolloutView:
    found = master.rollouts.view("web")
    assert found is not None
    return found


def verdicts(master: Master) -> list[tuple[str, str]]:
    return [(one.version, one.verdict) for one in seen(master).generations]


async def story(master: Master, name: str = "web") -> list[str]:
    return [entry.what for entry in (await master.records.past(name, 5, 50))[1]]


async def test_a_worker_goes_over_and_is_well() -> None:
    """It is restarted with the reason, watched, and the verdict is written down."""
    world = Yard(offer("caddy"))
    async with world.up(*web()) as master:
        assert await update(master) == ""
        await world.until(lambda: all_on(master, "2.0"))
        assert seen(master).stage == "moving"
        await world.until(lambda: seen(master).stage == "watching")
        assert seen(master).gate == "all to be well for 2m"
        await world.until(lambda: seen(master).stage == "done")
        assert verdicts(master) == [("1.0", "open"), ("2.0", "healthy")]
        assert "goes over to 2.0" in await story(master)
        assert await update(master) == "it runs already"


async def test_a_version_that_never_gets_ready_goes_back() -> None:
    """The one before serves again, and the bad one is tried no more until a newer one comes, or somebody names it."""
    world = Yard(offer("caddy"))
    async with world.up(*web()) as master:
        world.prober.answer = Result(False, "answered 502")
        assert await update(master) == ""
        await world.until(lambda: seen(master).stage == "returning")
        world.prober.answer = Result(True)
        await world.until(lambda: seen(master).stage == "returned")
        assert all_on(master, "1.0")
        reason = "web was not ready within 5m: answered 502"
        assert seen(master).reason == reason
        assert f"goes back to 1.0: {reason}" in await story(master)
        assert verdicts(master) == [("1.0", "open"), ("2.0", "bad")]
        assert await update(master) == f"it is bad: {reason}"
        await master.restart_worker("web")
        await world.until(lambda: all_on(master, "1.0"))
        world.manager.offered.append(offer("caddy", "3.0"))
        assert await update(master) == ""
        await world.until(lambda: all_on(master, "3.0"))


async def test_without_a_rollout_in_the_file_a_bad_version_is_not_taken_either() -> None:
    """Each start may take a newer one there; but not that one, and one that is newer still."""
    world = Yard(offer("caddy"))
    async with world.up(*web(plan=None)) as master:
        await update(master)
        await world.until(lambda: all_on(master, "2.0"))
        world.provider.exit("web", Exit(code=3))
        await world.until(lambda: seen(master).stage == "returned")
        assert seen(master).reason == "web ended: exit code 3"
        await master.restart_worker("web")
        await world.until(lambda: all_on(master, "1.0"))
        world.manager.put(offer("caddy", "2.1"))
        await master.packages.look()
        await master.restart_worker("web")
        await world.until(lambda: all_on(master, "2.1"))


async def test_one_that_dies_after_a_minute_goes_back() -> None:
    """It is watched for longer than it takes to be ready."""
    world = Yard(offer("caddy"))
    async with world.up(*web()) as master:
        await update(master)
        await world.until(lambda: seen(master).stage == "watching")
        await world.clock.run(60.0)
        world.provider.exit("web", Exit(signal=11))
        await world.until(lambda: seen(master).stage == "returned")
        assert all_on(master, "1.0")
        assert seen(master).reason == "web ended: SIGSEGV"


async def test_a_version_that_corrupts_its_answers_goes_back() -> None:
    """A figure of its own says so."""
    gate = Gate("/metrics", "errors_total")
    world = Yard(offer("caddy"))
    world.prober.pages["http://127.0.0.1:8080/metrics"] = "errors_total 0\n"
    endpoints = {"http": Endpoint("http", 8080)}
    async with world.up(*web(plan=replace(PLAN, gate=gate), endpoints=endpoints)) as master:
        await update(master)
        await world.until(lambda: seen(master).stage == "watching")
        world.prober.pages["http://127.0.0.1:8080/metrics"] = "errors_total 7\n"
        await world.until(lambda: seen(master).stage == "returned")
        assert seen(master).reason == "web: errors_total is 7, more than 0"


async def test_a_canary_of_four_leaves_three_alone() -> None:
    """Only the first ever ran the bad one."""
    world = Yard(offer("caddy"))
    async with world.up(*web(4, replace(PLAN, strategy="canary"))) as master:
        await update(master)
        await world.until(lambda: versions(master)["web.1"] == "2.0")
        world.provider.exit("web.1", Exit(code=1))
        await world.until(lambda: seen(master).stage == "returned")
        assert all_on(master, "1.0")
        assert [master.supervisors[f"web.{number}"].worker.attempt for number in (2, 3, 4)] == [1, 1, 1]


async def test_a_way_back_over_an_epoch_is_refused() -> None:
    """By itself it stops and says so; who asks is told as well."""
    world = Yard(offer("caddy"))
    async with world.up(*web()) as master:
        new = world.manager.offered.pop()
        world.manager.offered.append(replace(new, manifest=replace(new.manifest, epoch=2)))
        await update(master)
        await world.until(lambda: all_on(master, "2.0"))
        with pytest.raises(Refused, match=r"web can't run from caddy 1\.0, .* epoch 0: what ran last wrote epoch 2"):
            await master.rollouts.steered("web", "abort", "ann")
        world.provider.exit("web", Exit(code=1))
        await world.until(lambda: seen(master).stage == "failed")
        assert seen(master).reason == "web ended: exit code 1; 1.0 can't read what 2.0 wrote: data epoch 0"
        with pytest.raises(Refused, match=r"web can't run from caddy 1\.0") as caught:
            await master.updates.rollback("web", "", "ann")
        order = "beeyard package rollback web --to 1.0 --restored"
        assert caught.value.hint == f"beeyard stop web, restore the data from before, then: {order}"
        await world.until(lambda: all_on(master, "2.0"))


def of_epoch(epoch: int, version: str = "2.0") -> Offered:
    """One that reads and writes this form of data."""
    found = offer("caddy", version)
    return replace(found, manifest=replace(found.manifest, epoch=epoch))


async def stopped(master: Master) -> None:
    """Nothing of the group lives."""
    await master.stop_worker("web")
    await master.until(lambda: master.ended(list(master.supervisors)), None)


async def test_with_its_data_restored_a_group_goes_back_over_an_epoch() -> None:
    """Not while one of them lives; then none of them runs the newer version before the older one."""
    world = Yard(offer("caddy"))
    async with world.up(*web(2)) as master:
        world.manager.offered[-1] = of_epoch(2)
        await update(master)
        await world.until(lambda: seen(master).stage == "done")
        with pytest.raises(Refused, match=r"web\.1 can't be taken as restored: it is running"):
            await master.updates.rollback("web", "1.0", "ann", restored=True)
        await stopped(master)
        await master.updates.rollback("web", "1.0", "ann", restored=True)
        launches = len(world.provider.called("launch"))
        await master.start_worker("web")
        await world.until(lambda: seen(master).stage == "done")
        assert all_on(master, "1.0")
        assert len(world.provider.called("launch")) == launches + 2


async def test_with_its_data_restored_a_group_goes_back_halfway() -> None:
    """A rollout over an epoch can be given up so, and in no other way."""
    world = Yard(offer("caddy"))
    async with world.up(*web()) as master:
        world.manager.offered[-1] = of_epoch(2)
        await update(master)
        await world.until(lambda: all_on(master, "2.0"))
        await stopped(master)
        with pytest.raises(Refused, match="epoch 2"):
            await master.updates.rollback("web", "", "ann")
        await master.updates.rollback("web", "", "ann", restored=True)
        await master.start_worker("web")
        await world.until(lambda: all_on(master, "1.0"))
        assert seen(master).stage == "returned"


async def test_a_better_one_is_gone_to_though_a_higher_one_was_bad() -> None:
    """What is installed beside it makes it no downgrade: what counts is what the group runs."""
    world = Yard(offer("caddy"))
    async with world.up(*web()) as master:
        world.manager.offered.append(offer("caddy", "3.0"))
        await update(master)
        await world.until(lambda: all_on(master, "3.0"))
        await master.rollouts.steered("web", "abort", "ann")
        await world.until(lambda: seen(master).stage == "returned")
        assert await update(master, "2.0") == ""
        await world.until(lambda: all_on(master, "2.0"))


async def test_a_worker_out_of_sight_is_not_taken_for_well() -> None:
    """It may have ended: nothing is over before it was seen again."""
    world = Yard(offer("caddy"))
    async with world.up(*web()) as master:
        await update(master)
        await world.until(lambda: seen(master).stage == "watching")
        world.provider.lose("web", "no launcher")
        await world.clock.run(200.0)
        assert (seen(master).stage, seen(master).gate) == ("watching", "web to be ready (contact lost: no launcher)")
        world.provider.exit("web", Exit(code=3))
        await world.until(lambda: seen(master).stage == "returned")
        assert seen(master).reason == "web ended: exit code 3"


async def test_people_pause_resume_abort_and_roll_back() -> None:
    """A pause holds those who have not gone; an abort takes all back; so does a rollback afterwards."""
    world = Yard(offer("caddy"))
    async with world.up(*web(3, replace(PLAN, strategy="rolling"))) as master:
        with pytest.raises(Refused, match="nothing is being rolled out to web"):
            await master.rollouts.steered("web", "pause", "ann")
        await update(master)
        await world.until(lambda: versions(master)["web.1"] == "2.0")
        await master.rollouts.steered("web", "pause", "ann")
        await world.clock.run(1000.0)
        assert versions(master) == {"web.1": "2.0", "web.2": "1.0", "web.3": "1.0"}
        assert (seen(master).paused, seen(master).gate) == ("paused by ann", "paused by ann")
        with pytest.raises(Refused, match=r"web is on its way to caddy 2\.0"):
            await update(master)
        await master.rollouts.steered("web", "resume", "ann")
        await world.until(lambda: versions(master)["web.2"] == "2.0")
        await master.rollouts.steered("web", "abort", "ann")
        await world.until(lambda: seen(master).stage == "returned")
        assert (all_on(master, "1.0"), seen(master).reason) == (True, "aborted by ann")
        assert await update(master) == "it is bad: aborted by ann"
        assert await update(master, "2.0") == ""
        await world.until(lambda: seen(master).stage == "done")
        found = await master.updates.rollback("web", "", "ann")
        assert (found.source, found.target) == ("2.0", "1.0")
        await world.until(lambda: seen(master).stage == "done")
        assert all_on(master, "1.0")
        assert verdicts(master)[-2:] == [("2.0", "bad"), ("1.0", "healthy")]
        with pytest.raises(NotFound, match="there is no worker nobody"):
            await master.rollouts.steered("nobody", "abort", "ann")


async def test_what_is_on_hold_stays() -> None:
    """Neither an update nor a restart takes another version, until it is let go."""
    world = Yard(offer("caddy"))
    async with world.up(*web(plan=None)) as master:
        world.manager.put(offer("caddy", "2.0"))
        await master.packages.look()
        master.versions.hold("caddy", "ann")
        with pytest.raises(Refused, match="caddy is on hold: ann"):
            await update(master)
        await master.restart_worker("web")
        await world.until(lambda: all_on(master, "1.0"))
        master.versions.hold("caddy", "")
        await master.restart_worker("web")
        await world.until(lambda: all_on(master, "2.0"))


async def test_a_worker_with_a_rollout_is_moved_by_that_alone() -> None:
    """A newer version that is installed is not taken by a restart."""
    world = Yard(offer("caddy"))
    async with world.up(*web()) as master:
        world.manager.put(offer("caddy", "2.0"))
        await master.packages.look()
        await master.restart_worker("web")
        await world.until(lambda: all_on(master, "1.0"))
        assert await update(master, dry_run=True) == ""
        assert all_on(master, "1.0")


async def test_an_update_begins_by_itself_within_its_window() -> None:
    """Where the policies say so, and it is not on hold."""
    world = Yard(offer("caddy"), auto_update=True)
    windows = ("02:00-02:01",)
    async with world.up(*web(plan=replace(PLAN, windows=windows))) as master:
        await master.updates.look()
        assert master.rollouts.view("web") is None
        day = 86_400.0 - (world.clock.now().wall % 86_400.0)
        world.clock.jump_wall(day + 2 * 3600 + 30.0)
        await master.updates.look()
        assert seen(master).by == "auto_update"
        await world.until(lambda: all_on(master, "2.0"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # What the dead one asks, nobody awaits.
@pytest.mark.parametrize("steps", range(1, 46, 3))
@pytest.mark.parametrize("bad", [False, True])
async def test_a_master_may_be_killed_at_every_step(bad: bool, steps: int) -> None:
    """Whatever was saved by then, the next one brings the group to where it belongs, and all serve one version."""
    world = Yard(offer("caddy"))
    async with world.up(*web(2, replace(PLAN, strategy="rolling", watch=Duration(5.0)))):
        pass
    first = await waked(world)
    await update(first.master)
    for _ in range(steps):
        await world.clock.run(0.5)
    if died := bad and ("web.1", 2) in world.provider.running():
        world.provider.exit("web.1", Exit(code=3))
    for _ in range(steps % 7):
        await asyncio.sleep(0)
    await first.kill()
    second = await waked(world)
    with suppress(BeeyardError):
        await update(second.master)  # Nothing of the first try was saved, or it is under way.
    await world.until(lambda: seen(second.master).stage in OVER)
    expected = ("returned", "1.0") if died else ("done", "2.0")
    assert (seen(second.master).stage, *set(versions(second.master).values())) == expected
    await second.kill()


async def waked(world: Yard) -> Mortal:
    """A master that took over all that there was."""
    mortal = Mortal(world)
    await until(lambda: mortal.master.supervisors)
    await world.until(lambda: all(one.attempt() for one in serving(mortal.master)))
    return mortal
