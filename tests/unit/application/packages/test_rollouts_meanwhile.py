"""What people, files and disks do while a group goes over to another version: none of it is undone, or done twice."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from beeyard.application.master import Master
from beeyard.application.operation import Call, Caller
from beeyard.application.operations.rollout_status import RolloutStatus, rollout_status
from beeyard.domain.access import EVERYTHING
from beeyard.domain.errors import NotFound, Refused, Unavailable
from beeyard.domain.locked import Locked, lock
from beeyard.domain.messages import Event, Exit
from beeyard.domain.rollout_plan import Gate
from beeyard.domain.spec import Endpoint
from beeyard.ports.prober import Page
from tests.fakes.packages import REPOSITORY, offer
from tests.unit.application.packages.test_rollouts import PLAN, Yard, seen, update, verdicts, versions, web

CANARY, ROLLING = (replace(PLAN, strategy=strategy) for strategy in ("canary", "rolling"))
GATED = replace(ROLLING, gate=Gate("/metrics", "errors_total"))
HTTP = {"http": Endpoint("http", 8080)}
FIGURES = "http://127.0.0.1:8080/metrics"


def attempts(master: Master) -> list[int]:
    return [one.worker.attempt for one in master.supervisors.values()]


async def first_of_all(world: Yard, master: Master) -> None:
    """The first of the group has gone and is well for long enough, and the rest stays where it is."""
    await update(master)
    await world.until(lambda: versions(master)["web.1"] == "2.0")
    await master.rollouts.steered("web", "pause", "ann")
    await world.clock.run(20.0)


# --- what they came from can't be had any more ------------------------------------------------------------------------


async def test_who_can_not_be_given_its_version_is_left_alone() -> None:
    """The file takes the one that they came from no more: that is no reason to restart anybody, let alone for ever."""
    world = Yard(offer("caddy"))
    async with world.up(*web(2, CANARY)) as master:
        await first_of_all(world, master)
        await master.apply(web(2, CANARY, package="caddy:>=2"), "test")
        await world.clock.run(60.0)
        assert attempts(master) == [3, 2], "each is restarted once, because the file says something else"
        assert set(versions(master).values()) == {"2.0"}
        await master.rollouts.steered("web", "resume", "ann")
        await world.until(lambda: seen(master).stage == "done")
        assert attempts(master) == [3, 2]


async def test_who_comes_up_on_the_new_version_has_gone_too() -> None:
    """Where the old one was taken away, one that crashes starts from the new one, and is watched like the others."""
    world = Yard(offer("caddy"))
    async with world.up(*web(3, CANARY)) as master:
        await first_of_all(world, master)
        world.manager.used.clear()
        del world.manager.installed["caddy-1.0-tuf"]
        await master.packages.look()
        world.provider.exit("web.2", Exit(code=1))
        await world.until(lambda: versions(master)["web.2"] == "2.0")
        await world.clock.run(60.0)
        assert (attempts(master), seen(master).moved) == ([2, 2, 1], ["web.1", "web.2"])


@pytest.mark.parametrize(
    ("package", "locked", "reason"),
    [
        ("caddy:<2", "", "caddy 2.0 is not there any more, or caddy:<2 does not take it"),
        ("caddy", "1.0", "caddy 2.0 is not what the lock names"),
    ],
)
async def test_what_may_not_be_given_any_more_is_not_bad_for_that(package: str, locked: str, reason: str) -> None:
    """It goes back, and says why; put back, the file or the lock lets the same version be gone to again."""
    world = Yard(offer("caddy"))
    async with world.up(*web(2, CANARY)) as master:
        await first_of_all(world, master)
        if locked:
            one = Locked("caddy", locked, "any", f"caddy-{locked}-tuf", REPOSITORY.name, "tuf")
            master.use_packages(replace(world.packages, locked=lock([one])))
        await master.apply(web(2, CANARY, package=package), "test")
        await world.until(lambda: seen(master).stage == "returned")
        assert (seen(master).reason, verdicts(master)) == (reason, [("1.0", "open"), ("2.0", "open")])
        master.use_packages(world.packages)
        await master.apply(web(2, CANARY), "test")
        await world.until(lambda: set(versions(master).values()) == {"1.0"})
        assert await update(master) == ""


# --- somebody wants it down -------------------------------------------------------------------------------------------


def interrupted(world: Yard, act: Callable[[], Awaitable[None]]) -> None:
    """While the figures are read next, somebody does this, and is answered before they are."""
    read, done = world.prober.read, asyncio.Event()

    async def slow(url: str, timeout: float) -> Page:
        if not done.is_set():
            done.set()
            await act()
        return await read(url, timeout)

    world.prober.read = slow  # type: ignore[method-assign]


async def test_a_stop_while_figures_are_read_is_not_undone() -> None:
    """Whoever was answered that it stops finds it stopped."""
    world = Yard(offer("caddy"))
    world.prober.pages[FIGURES] = "errors_total 0\n"
    async with world.up(*web(2, GATED, endpoints=HTTP)) as master:
        await first_of_all(world, master)
        interrupted(world, lambda: master.stop_worker("web.2", "bob"))
        await master.rollouts.steered("web", "resume", "ann")
        await world.clock.run(30.0)
        assert (versions(master), attempts(master)) == ({"web.1": "2.0", "web.2": ""}, [2, 1])


async def test_a_stop_that_was_asked_just_before_the_order_is_not_undone() -> None:
    """What is wanted is looked at when the order's turn comes."""
    world = Yard(offer("caddy"))
    async with world.up(*web(2, ROLLING)) as master:
        await first_of_all(world, master)
        request = master.rollouts._request

        async def late(events: list[tuple[str, Event]]) -> None:
            await master.stop_worker("web.2", "bob")
            await request(events)

        master.rollouts._request = late
        await master.rollouts.steered("web", "resume", "ann")
        await world.clock.run(30.0)
        assert (versions(master), attempts(master)) == ({"web.1": "2.0", "web.2": ""}, [2, 1])


async def test_what_goes_down_while_figures_are_read_stays_down() -> None:
    """`down` holds them all, and leaves none that a rollout would bring up again."""
    world = Yard(offer("caddy"))
    world.prober.pages[FIGURES] = "errors_total 0\n"
    async with world.up(*web(2, GATED, endpoints=HTTP)) as master:
        await first_of_all(world, master)
        downs: list[asyncio.Task[Any]] = []

        async def down() -> None:
            downs.append(asyncio.ensure_future(master.shut_down(10.0)))
            await master.until(lambda: all(one.worker.wanted.held for one in master.supervisors.values()), None)

        interrupted(world, down)
        await master.rollouts.steered("web", "resume", "ann")
        await world.until(downs[0].done)
        await world.clock.run(30.0)
        assert not world.provider.running()


# --- figures ----------------------------------------------------------------------------------------------------------


async def test_a_figure_that_nobody_tells_lets_nothing_pass() -> None:
    """It is waited for as readiness is; then the version goes back, and the reason names the figure."""
    world = Yard(offer("caddy"))
    async with world.up(*web(2, GATED, endpoints=HTTP)) as master:
        await update(master)
        await world.until(lambda: "tells" in seen(master).gate)
        assert seen(master).gate == "web.1 to be ready (it tells no errors_total)"
        world.prober.pages[FIGURES] = "other_total 0\n"
        await world.until(lambda: seen(master).stage == "returned")
        assert seen(master).reason == "web.1 was not ready within 5m: it tells no errors_total"
        assert attempts(master) == [3, 1]


async def test_all_are_asked_for_their_figures_at_once() -> None:
    """One that hangs takes its own time, and not that of each of the others as well."""
    world = Yard(offer("caddy"))
    world.prober.pages[FIGURES] = "errors_total 0\n"
    async with world.up(*web(5, GATED, endpoints=HTTP)) as master:
        read, asked, go = world.prober.read, 0, asyncio.Event()

        async def slow(url: str, timeout: float) -> Page:
            nonlocal asked
            asked += 1
            await go.wait()
            return await read(url, timeout)

        world.prober.read = slow  # type: ignore[method-assign]
        beginning = asyncio.ensure_future(update(master))
        await world.until(lambda: asked == 5)
        go.set()
        assert await beginning == ""


# --- it can't be written ----------------------------------------------------------------------------------------------


async def test_an_update_that_could_not_be_saved_does_not_happen_later() -> None:
    """Whoever was told so finds nothing begun, whenever the disk takes something again."""
    world = Yard(offer("caddy"))
    async with world.up(*web()) as master:
        world.manager.put(offer("caddy", "2.0"))
        await master.packages.look()
        world.store.failing = "no space left"
        with pytest.raises(Unavailable):
            await master.rollouts.begin("web", world.manager.installed["caddy-2.0-tuf"], "ann")
        world.store.failing = ""
        await world.clock.run(300.0)
        assert (versions(master), master.rollouts.view("web")) == ({"web": "1.0"}, None)


@pytest.mark.parametrize("act", ["pause", "resume", "abort"])
async def test_a_hand_that_could_not_be_saved_was_not_taken(act: Any) -> None:
    """It stands as it stood before."""
    world = Yard(offer("caddy"))
    async with world.up(*web(2, CANARY)) as master:
        await first_of_all(world, master)
        before = seen(master)
        world.store.failing = "no space left"
        with pytest.raises(Unavailable):
            await master.rollouts.steered("web", act, "bob")
        assert seen(master) == before
        world.store.failing = ""
        await world.clock.run(300.0)
        assert (versions(master), seen(master)) == ({"web.1": "2.0", "web.2": "1.0"}, before)


@pytest.mark.parametrize("act", ["pause", "resume"])
async def test_what_was_answered_is_saved_though_nobody_is_told_anything(act: Any) -> None:
    """Who pauses and is answered finds it paused by the next master too; so it is with an update nobody is up for."""
    world = Yard(offer("caddy"))
    async with world.up(*web(2, CANARY)) as master:
        await update(master)
        await world.until(lambda: versions(master)["web.1"] == "2.0")
        await master.rollouts.steered("web", "pause", "ann")
        await master.rollouts.steered("web", act, "bob")
        commit, durable = world.store.commits[-1]
        assert durable
        assert ('"paused":"paused by bob"' in commit.facts["rollouts"]) == (act == "pause")


async def test_an_update_of_what_is_stopped_is_saved() -> None:
    """Nobody is due, and it is answered all the same."""
    world = Yard(offer("caddy"))
    async with world.up(*web()) as master:
        await master.stop_worker("web", "ann")
        await update(master)
        assert any(durable and "rollouts" in commit.facts for commit, durable in world.store.commits)


# --- groups that go ---------------------------------------------------------------------------------------------------


async def told(master: Master) -> list[str]:
    """The groups of which `rollout status` tells."""
    views = rollout_status(master, RolloutStatus(), Call(Caller("ann", EVERYTHING)))
    return [view.group async for batch in views for view in batch]


async def test_a_group_takes_its_past_with_it() -> None:
    """Nothing is told of one that is no more, and another one of its name inherits no verdict."""
    world = Yard(offer("caddy"))
    async with world.up(*web()) as master:
        await update(master)
        await world.until(lambda: seen(master).stage == "done")
        assert await told(master) == ["web"]
        await master.stop_worker("web")
        await world.until(lambda: master.ended(["web"]))
        await master.remove_worker("web")
        assert (await told(master), dict(master.versions.histories)) == ([], {})
        await master.add_workers(web())
        assert master.rollouts.view("web") is None


async def test_one_that_goes_while_figures_are_read_is_not_missed() -> None:
    """Nor is the whole group: whoever asked is told that nothing is being rolled out to it."""
    world = Yard(offer("caddy"))
    world.prober.pages[FIGURES] = "errors_total 0\n"
    async with world.up(*web(3, GATED, endpoints=HTTP)) as master:
        await first_of_all(world, master)

        async def drop(*names: str) -> None:
            for name in names:
                await master.stop_worker(name)
            await world.until(lambda: master.ended(names))
            await master.remove_workers(names)

        interrupted(world, lambda: drop("web.3"))
        assert (await master.rollouts.steered("web", "pause", "ann")).members == ["web.1", "web.2"]
        await world.clock.run(10.0)
        interrupted(world, lambda: drop("web.1", "web.2"))
        with pytest.raises(Refused, match="nothing is being rolled out to web"):
            await master.rollouts.steered("web", "pause", "ann")
        with pytest.raises(NotFound):
            await master.rollouts.steered("web", "pause", "ann")


async def test_who_takes_a_hand_in_a_group_that_has_another_package_by_now_is_told() -> None:
    """It was renamed just before."""
    world = Yard(offer("caddy"), offer("nginx"))
    async with world.up(*web(2, CANARY)) as master:
        await first_of_all(world, master)
        for one in master.supervisors.values():
            one.worker = replace(one.worker, spec=replace(one.worker.spec, package="nginx"))
        with pytest.raises(Refused, match="nothing is being rolled out to web"):
            await master.rollouts.steered("web", "abort", "ann")
