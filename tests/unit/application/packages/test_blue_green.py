"""Groups that go over blue-green in a fake world: one colour starts beside the other, and then takes over."""

import asyncio
from contextlib import suppress

import pytest
from msgspec.structs import replace

from beeyard.application.master import Master
from beeyard.application.packages.moves import VersionView
from beeyard.domain.course import OVER
from beeyard.domain.errors import BeeyardError, Refused
from beeyard.domain.messages import Exit
from beeyard.domain.rollout_plan import Gate, Rollout
from beeyard.domain.spec import Endpoint, Need, RestartPolicy, WorkerSpec
from beeyard.domain.values import Duration
from beeyard.ports.prober import Result
from tests.fakes.packages import offer
from tests.fakes.world import spec
from tests.unit.application.packages.test_rollouts import READY, Yard, seen, story, update, versions, waked

PLAN = Rollout(strategy="blue-green")
FIRST, SECOND = {"web.1": "1.0", "web.2": "1.0", "web.3": "", "web.4": ""}, ("", "", "2.0", "2.0")


def pair(half: int = 2, plan: Rollout = PLAN) -> list[WorkerSpec]:
    """Both colours, as a worker file makes them."""
    names = [f"web.{number}" for number in range(1, 2 * half + 1)]
    return [spec(name, package="caddy", rollout=plan, half=half, probes=READY, origin="test") for name in names]


def states(master: Master) -> list[str]:
    return [view.state for view in master.get_all_worker_states_with_diagnostics()]


def attempts(master: Master) -> list[int]:
    return [one.worker.attempt for one in master.supervisors.values()]


async def test_one_colour_serves_and_the_other_one_takes_over() -> None:
    """Nobody is restarted, nobody is taken away before the others are well; a rollback is the same the other way."""
    world = Yard(offer("caddy"))
    async with world.up(*pair()) as master:
        assert versions(master) == FIRST
        assert states(master) == ["running", "running", "standby", "standby"]
        view = master.view(master.supervisors["web.3"])
        assert view.note == "on standby for the next version: web.1, web.2 serve"
        assert await update(master) == ""
        await world.until(lambda: versions(master) == {**FIRST, "web.3": "2.0", "web.4": "2.0"})
        assert (seen(master).stage, seen(master).moved) == ("moving", ["web.3", "web.4"])
        await world.until(lambda: seen(master).stage == "watching")
        await world.until(lambda: tuple(versions(master).values()) == SECOND)
        view = master.view(master.supervisors["web.1"])
        assert view.note == "on standby to go back to 1.0: web.3, web.4 serve"
        await world.until(lambda: seen(master).stage == "done")
        assert (attempts(master), seen(master).standby) == ([1, 1, 1, 1], ["web.1", "web.2"])
        assert "starts 2.0 beside 1.0" in await story(master, "web.3")
        assert "2.0 took over" in await story(master, "web.1")
        await master.updates.rollback("web", "", "ann")
        await world.until(lambda: seen(master).stage == "done")
        assert (versions(master), attempts(master)) == (FIRST, [2, 2, 1, 1])


async def test_one_that_never_gets_ready_leaves_the_others_untouched() -> None:
    """It is put on standby with the reason."""
    world = Yard(offer("caddy"))
    async with world.up(*pair()) as master:
        await update(master)
        world.prober.answer = Result(False, "answered 502")
        await world.until(lambda: seen(master).stage == "returned")
        assert seen(master).reason == "web.3 was not ready within 5m: answered 502"
        assert (states(master), attempts(master)) == (["running", "running", "standby", "standby"], [1, 1, 1, 1])


async def test_a_fault_after_it_took_over_brings_the_others_back() -> None:
    """They are woken on the version that they had."""
    world = Yard(offer("caddy"))
    async with world.up(*pair()) as master:
        await update(master)
        await world.until(lambda: tuple(versions(master).values()) == SECOND)
        world.provider.exit("web.3", Exit(code=3))
        await world.until(lambda: set(world.provider.running()) >= {("web.1", 2), ("web.2", 2)})
        assert ("web.4", 1) in world.provider.running()
        await world.until(lambda: seen(master).stage == "returned")
        await world.until(lambda: versions(master) == FIRST)
        assert seen(master).reason == "web.3 ended: exit code 3"


async def test_people_never_wake_the_colour_that_rests() -> None:
    """Neither by the name of the group nor by that of an instance, nor when all goes down and up again."""
    world = Yard(offer("caddy"))
    async with world.up(*pair()) as master:
        for ask in (master.start_worker, master.restart_worker):
            for name in ("web", "web.3"):
                await ask(name, "ann")
                await world.until(lambda: versions(master) == FIRST)
                assert states(master)[2:] == ["standby", "standby"]
        await master.stop_worker("web", "ann")
        await world.until(lambda: not world.provider.running())
        await master.start_worker("web", "ann")
        await world.until(lambda: versions(master) == FIRST)
        await master.shut_down(10.0)
        assert not world.provider.running()
        await master.release("ann")
        await world.until(lambda: versions(master) == FIRST)
        assert master.supervisors["web.3"].worker.attempt == 0


async def test_what_is_down_goes_on_once_it_is_up() -> None:
    """An update of a group that is stopped, or goes down on its way, waits for it."""
    world = Yard(offer("caddy"))
    async with world.up(*pair()) as master:
        await master.stop_worker("web", "ann")
        await world.until(lambda: not world.provider.running())
        await update(master)
        assert seen(master).gate == "none of its workers is to run"
        await world.clock.run(2000.0)
        await master.start_worker("web", "ann")
        await world.until(lambda: seen(master).stage == "watching")
        await master.shut_down(10.0)
        await world.clock.run(2000.0)
        assert not world.provider.running()
        await master.release("ann")
        await world.until(lambda: seen(master).stage == "done")
        assert tuple(versions(master).values()) == SECOND


async def test_a_group_of_another_size_has_one_colour_that_serves_again() -> None:
    """More of them, fewer, none of the other colour, and a group that is restarted one by one."""
    world = Yard(offer("caddy"))
    async with world.up(*pair()) as master:
        await update(master)
        await world.until(lambda: seen(master).stage == "done")
        for half in (3, 2, 1):
            await master.apply(pair(half), "test")

            def settled(half: int = half) -> bool:
                return sorted(states(master)) == ["running"] * half + ["standby"] * half

            await world.until(settled)
            assert {found for found in versions(master).values() if found} == {"2.0"}
        await master.apply([spec("web.1", package="caddy", probes=READY), spec("web.2", package="caddy")], "test")
        await world.until(lambda: states(master) == ["running", "running"])


async def test_nobody_takes_over_without_the_word() -> None:
    """Both serve, and how each is doing is told, until somebody says who stays."""
    gate = Gate("/metrics", "errors_total", most=9)
    world = Yard(offer("caddy"))
    specs = [
        replace(one, endpoints={"http": Endpoint("http")})
        for one in pair(1, replace(PLAN, promote="manual", gate=gate))
    ]
    async with world.up(*specs) as master:
        for port, errors in ((20001, 3), (20002, 1)):
            world.prober.pages[f"http://127.0.0.1:{port}/metrics"] = f"errors_total {errors}\n"
        await update(master)
        word = "somebody's word: beeyard rollout resume web"
        await world.until(lambda: seen(master).gate == word)
        await world.clock.run(5000.0)
        told = {
            f"http://127.0.0.1:{one.ports['http']}/metrics": one.id
            for one in (supervisor.worker for supervisor in master.supervisors.values())
        }
        for number, url in enumerate(told):
            world.prober.pages[url] = f"errors_total {3 - number}\n"
        expected = [VersionView("1.0", ["web.1"], 1, 0, 3.0), VersionView("2.0", ["web.2"], 1, 0, 2.0)]
        await world.until(lambda: seen(master).versions == expected)
        assert (seen(master).gate, seen(master).stage) == (word, "moving")
        await master.rollouts.steered("web", "resume", "ann")
        await world.until(lambda: seen(master).stage == "done")
        assert tuple(versions(master).values()) == ("", "2.0")


async def test_a_canary_waits_for_the_word_too() -> None:
    """An abort says that the old version stays."""
    world = Yard(offer("caddy"))
    plan = Rollout(strategy="canary", promote="manual")
    specs = [spec(f"web.{number}", package="caddy", rollout=plan, probes=READY) for number in range(1, 5)]
    async with world.up(*specs) as master:
        await update(master)
        await master.rollouts.steered("web", "resume", "ann")  # Nothing asks yet: this is no word.
        await world.until(lambda: seen(master).gate.startswith("somebody's word"))
        await world.clock.run(5000.0)
        assert list(versions(master).values()) == ["2.0", "1.0", "1.0", "1.0"]
        await master.rollouts.steered("web", "abort", "ann")
        await world.until(lambda: seen(master).stage == "returned")
        assert set(versions(master).values()) == {"1.0"}


async def test_who_depends_on_the_group_is_not_kept_waiting_by_those_on_standby() -> None:
    """Those that serve are enough."""
    world = Yard(offer("caddy"))
    needs = {one.id: Need() for one in pair()}
    async with world.up(*pair()) as master:
        await master.add_worker(spec("shop", depends_on=needs))
        await world.until(lambda: master.view(master.supervisors["shop"]).state == "running")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # What the dead one asks, nobody awaits.
@pytest.mark.parametrize("steps", range(1, 48, 3))
@pytest.mark.parametrize("bad", [False, True])
async def test_a_master_may_be_killed_at_every_step(bad: bool, steps: int) -> None:
    """The next one brings the group to where it belongs; only one colour serves then, and one version."""
    world = Yard(offer("caddy"))
    async with world.up(*pair(plan=replace(PLAN, watch=Duration(5.0)))):
        pass
    first = await waked(world)
    await update(first.master)
    for _ in range(steps):
        await world.clock.run(0.5)
    under_way = seen(first.master).stage not in OVER
    if died := bad and under_way and ("web.3", 1) in world.provider.running():
        world.provider.exit("web.3", Exit(code=3))
    for _ in range(steps % 7):
        await asyncio.sleep(0)
    await first.kill()
    second = await waked(world)
    with suppress(BeeyardError):
        await update(second.master)  # Nothing of the first try was saved, or it is under way.
    await world.until(lambda: seen(second.master).stage in OVER)
    expected = ("returned", *FIRST.values()) if died else ("done", *SECOND)
    await world.until(lambda: (seen(second.master).stage, *versions(second.master).values()) == expected)
    await second.kill()


@pytest.mark.parametrize("half", [1, 3])
async def test_no_group_changes_its_size_on_the_way(half: int) -> None:
    """Who goes and who stays was settled by the size that it had; once it is over it may."""
    world = Yard(offer("caddy"))
    async with world.up(*pair()) as master:
        await update(master)
        await world.until(lambda: tuple(versions(master).values()) == SECOND)
        with pytest.raises(Refused, match="on its way"):
            await master.apply(pair(half), "test")
        await world.until(lambda: seen(master).stage == "done")
        assert tuple(versions(master).values()) == SECOND
        await master.apply(pair(half), "test")
        await world.until(lambda: sorted(states(master)) == ["running"] * half + ["standby"] * half)


async def test_the_colour_that_serves_stays_until_the_next_one_is_well_whatever_was_said_against_it() -> None:
    """What is bad and serves alone is better than nobody."""
    world = Yard(offer("caddy"))
    async with world.up(*pair(plan=replace(PLAN, auto_revert=False))) as master:
        await update(master)
        await world.until(lambda: tuple(versions(master).values()) == SECOND)
        world.provider.exit("web.3", Exit(code=3))
        await world.until(lambda: seen(master).stage == "failed")
        await world.until(lambda: states(master) == ["standby", "standby", "running", "running"])
        before = attempts(master)
        world.manager.offered.append(offer("caddy", "3.0"))
        assert await update(master) == ""
        await world.until(lambda: list(versions(master).values()) == ["3.0", "3.0", "2.0", "2.0"])
        await world.until(lambda: seen(master).stage == "done")
        assert attempts(master)[2:] == before[2:]


async def test_nobody_goes_whose_place_nobody_takes() -> None:
    """The others were stopped one by one meanwhile: the way back ends where it is, and says so."""
    world = Yard(offer("caddy"))
    async with world.up(*pair(1)) as master:
        await update(master)
        await world.until(lambda: tuple(versions(master).values()) == ("", "2.0"))
        await master.stop_worker("web.1", "ann")
        await world.clock.run(5.0)
        await master.rollouts.steered("web", "abort", "ann")
        await world.until(lambda: seen(master).stage == "failed")
        assert "nobody of 1.0 is to run" in seen(master).reason
        assert states(master)[1] == "running"


async def test_a_way_back_on_which_nobody_has_to_be_told_anything_ends() -> None:
    """The new one ended because it was done."""
    world = Yard(offer("caddy"))
    once = [replace(one, restart=RestartPolicy(policy="on-failure")) for one in pair(1)]
    async with world.up(*once) as master:
        await update(master)
        await world.until(lambda: versions(master)["web.2"] == "2.0")
        world.provider.exit("web.2", Exit(code=0))
        await world.until(lambda: seen(master).stage in OVER)
        assert (seen(master).stage, states(master)[0]) == ("returned", "running")


async def test_no_repository_is_asked_on_the_way_back() -> None:
    """What it goes back to lies here; nobody waits for a repository that does not answer."""
    world = Yard(offer("caddy"), auto_update=True)
    async with world.up(*pair(1)) as master:
        await update(master)
        await world.until(lambda: tuple(versions(master).values()) == ("", "2.0"))
        hangs = world.manager.gate("offers")
        world.provider.exit("web.2", Exit(code=3))
        await world.until(lambda: seen(master).stage == "returned")
        assert tuple(versions(master).values()) == ("1.0", "")
        hangs.set()
