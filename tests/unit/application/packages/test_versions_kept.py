"""What is kept to go back to, what is gone back to, and with what beside it; a group whose members differ, one that is
stopped, and one on hold."""

import pytest
from msgspec.structs import replace

from beeyard.application.master import Master
from beeyard.application.operation import Call, Caller
from beeyard.application.operations.package_update import PackageUpdate, package_update
from beeyard.domain.access import Grant
from beeyard.domain.course import OVER
from beeyard.domain.errors import Refused
from beeyard.domain.messages import Exit
from tests.fakes.packages import offer
from tests.fakes.world import spec
from tests.unit.application.packages.test_rollouts import (
    PLAN,
    READY,
    Yard,
    all_on,
    seen,
    story,
    update,
    versions,
    web,
)

CALL = Call(Caller("ann", Grant("admin", True)))
CANARY = replace(PLAN, strategy="canary")


async def over(world: Yard, master: Master, stage: str = "done") -> None:
    """It has come to this end."""
    await world.until(lambda: seen(master).stage in OVER)
    assert seen(master).stage == stage


async def fails(world: Yard, master: Master) -> None:
    """The version that it was sent to ends by itself."""
    await world.until(lambda: seen(master).stage == "watching")
    world.provider.exit("web", Exit(code=3))
    await over(world, master, "returned")


def beside(master: Master) -> list[str]:
    """What `web` runs from, and finds beside it."""
    supply = master.supervisors["web"].worker.supply
    assert supply is not None
    return sorted(str(one) for one in master.packages.installed if one.digest in (supply.digest, *supply.needs))


async def test_the_last_healthy_version_is_kept_and_gone_back_to() -> None:
    """Of two that came before, the bad one is not the one; gc leaves the good one, and so does who takes packages away
    without force."""
    world = Yard(offer("caddy"))
    async with world.up(*web()) as master:
        await update(master)
        await fails(world, master)
        world.manager.offered.append(offer("caddy", "3.0"))
        await update(master)
        await over(world, master)
        needed = master.supplies.needed()
        assert {one.manifest.version for one in master.packages.installed if one.digest in needed} == {"1.0", "3.0"}
        with pytest.raises(Refused, match=r"caddy 1\.0 is kept for web to go back to") as caught:
            await master.uninstall_package("caddy", "1.0")
        assert caught.value.hint == "beeyard package uninstall caddy:1.0 --force"
        assert (await master.updates.rollback("web", "", "ann")).target == "1.0"


async def test_a_bad_version_is_not_gone_back_to_where_there_is_no_other() -> None:
    """Who took the good one away by force, or let gc do so before, has to name it."""
    world = Yard(offer("caddy"))
    async with world.up(*web()) as master:
        await update(master)
        await fails(world, master)
        world.manager.offered.append(offer("caddy", "3.0"))
        await update(master)
        await over(world, master)
        await master.uninstall_package("caddy", "1.0", force=True)
        with pytest.raises(Refused, match="there is no caddy to go back to"):
            await master.updates.rollback("web", "", "ann")
        assert (await master.updates.rollback("web", "2.0", "ann")).target == "2.0"


async def test_what_was_given_up_halfway_is_not_gone_back_to() -> None:
    """Nobody spoke against it, but nobody ever stood on it either."""
    world = Yard(offer("caddy"))
    async with world.up(*web(2, CANARY)) as master:
        await update(master)
        await world.until(lambda: versions(master)["web.1"] == "2.0")
        await master.apply(web(2, CANARY, package="caddy:<2"), "file")
        await over(world, master, "returned")
        world.manager.offered.append(offer("caddy", "3.0"))
        await master.apply(web(2, CANARY), "file")
        await update(master)
        await over(world, master)
        assert (await master.updates.rollback("web", "", "ann")).target == "1.0"


async def test_who_rolls_back_again_and_again_comes_to_an_end() -> None:
    """What was left once is not gone back to, though it was healthy before."""
    world = Yard(offer("caddy"))
    async with world.up(*web()) as master:
        for version in ("2.0", "3.0"):
            world.manager.offered.append(offer("caddy", version))
            await update(master)
            await over(world, master)
        for version in ("2.0", "1.0"):
            assert (await master.updates.rollback("web", "", "ann")).target == version
            await over(world, master)
        with pytest.raises(Refused, match="there is no caddy to go back to"):
            await master.updates.rollback("web", "", "ann")


async def moved_with_its_library(world: Yard, master: Master) -> None:
    """It goes to a version that needs a newer library; both versions of that fit the one before."""
    assert beside(master) == ["caddy 1.0", "lib 1.0"]
    world.manager.offered = [one for one in world.manager.offered if one.manifest.version != "2.0"]
    world.manager.offered += [offer("lib", "2.0"), offer("caddy", "2.0", "lib:>=2")]
    await update(master)
    await world.until(lambda: seen(master).stage == "watching")
    assert beside(master) == ["caddy 2.0", "lib 2.0"]


async def test_what_goes_back_finds_beside_it_what_it_found_before() -> None:
    """Not the newest library that it takes: that came with the bad one. Nobody can take the old one away meanwhile."""
    world = Yard(offer("lib", "1.0"), offer("caddy", "1.0", "lib:>=1"))
    async with world.up(*web()) as master:
        await moved_with_its_library(world, master)
        with pytest.raises(Refused, match=r"lib 1\.0 is needed by the rollout of web"):
            await master.uninstall_package("lib", "1.0")
        world.provider.exit("web", Exit(code=3))
        await over(world, master, "returned")
        assert beside(master) == ["caddy 1.0", "lib 1.0"]


async def test_so_does_what_is_rolled_back_to_afterwards() -> None:
    """What is kept to go back to is kept with all that lay beside it; a start that somebody asks for later takes the
    newest, as ever."""
    world = Yard(offer("lib", "1.0"), offer("caddy", "1.0", "lib:>=1"))
    async with world.up(*web()) as master:
        await moved_with_its_library(world, master)
        await over(world, master)
        with pytest.raises(Refused, match=r"lib 1\.0 is kept for web to go back to"):
            await master.uninstall_package("lib", "1.0")
        await master.updates.rollback("web", "", "ann")
        await over(world, master)
        assert beside(master) == ["caddy 1.0", "lib 1.0"]
        await master.restart_worker("web")
        await world.until(lambda: all_on(master, "1.0"))
        assert beside(master) == ["caddy 1.0", "lib 2.0"]


async def apart(world: Yard, master: Master, ahead: str) -> None:
    """This one of two without a rollout was restarted by hand, and runs the newer version."""
    world.manager.put(offer("caddy", "2.0"))
    await master.packages.look()
    await master.restart_worker(ahead)
    await world.until(lambda: versions(master) == {"web.1": "1.0", "web.2": "1.0", ahead: "2.0"})


@pytest.mark.parametrize("to", ["", "2.0"])
async def test_a_group_runs_a_version_only_if_all_of_it_do(to: str) -> None:
    """The one that was left behind goes over; the other one is not restarted."""
    world = Yard(offer("caddy"))
    async with world.up(*web(2, None)) as master:
        await apart(world, master, "web.1")
        assert await update(master, to, dry_run=True) == ""
        assert await update(master, to) == ""
        await over(world, master)
        assert all_on(master, "2.0")
        assert [one.worker.attempt for one in master.supervisors.values()] == [2, 2]
        assert await update(master, to) == "it runs already"


async def test_one_of_a_group_that_went_ahead_is_rolled_back() -> None:
    """To the version that the other one still runs."""
    world = Yard(offer("caddy"))
    async with world.up(*web(2, None)) as master:
        await apart(world, master, "web.2")
        assert (await master.updates.rollback("web", "1.0", "ann")).source == "2.0"
        await over(world, master)
        assert all_on(master, "1.0")


async def test_what_keeps_one_group_from_it_is_told_of_that_one() -> None:
    """The other one has gone, and is told of as well; where none goes it is an error."""
    world = Yard(offer("caddy"))
    held = spec("zed", package="caddy", rollout=replace(PLAN, hold=True), probes=READY)
    async with world.up(*web(), held) as master:
        moves = await package_update(master, PackageUpdate(["caddy"]), CALL)
        said = "caddy is on hold: `rollout.hold` of zed; beeyard package unhold caddy"
        assert [(one.group, one.source, one.target, one.why, one.error) for one in moves] == [
            ("web", "1.0", "2.0", "", ""),
            ("zed", "1.0", "", said, "package_on_hold"),
        ]
        await over(world, master)
        with pytest.raises(Refused, match="caddy is on hold"):
            await package_update(master, PackageUpdate(["caddy"]), CALL)


async def test_what_is_put_on_hold_halfway_stays_where_it_is() -> None:
    """Those that went are still watched; the rest goes when it is let go."""
    world = Yard(offer("caddy"))
    async with world.up(*web(3, CANARY)) as master:
        await update(master)
        await world.until(lambda: versions(master)["web.1"] == "2.0")
        await master.updates.hold("caddy", "ann")
        await world.clock.run(3600.0)
        assert versions(master) == {"web.1": "2.0", "web.2": "1.0", "web.3": "1.0"}
        assert seen(master).gate == "on hold: ann"
        await master.updates.hold("caddy", "")
        await over(world, master)
        assert all_on(master, "2.0")


async def test_what_is_on_hold_goes_back_still() -> None:
    """By itself, and when somebody rolls it back, all of it."""
    world = Yard(offer("caddy"))
    async with world.up(*web(3, CANARY)) as master:
        await update(master)
        await over(world, master)
        await master.updates.hold("caddy", "ann")
        await master.updates.rollback("web", "", "ann")
        await over(world, master)
        assert all_on(master, "1.0")


async def test_a_group_that_is_stopped_goes_over_with_its_next_start() -> None:
    """It never comes up on the version before; then it is watched as any other."""
    world = Yard(offer("caddy"))
    async with world.up(*web(2, CANARY)) as master:
        await master.stop_worker("web")
        await world.until(lambda: master.ended(list(master.supervisors)))
        assert await update(master) == ""
        await world.clock.run(3600.0)
        assert (seen(master).stage, seen(master).gate) == ("moving", "none of its workers is to run")
        await master.start_worker("web")
        await over(world, master)
        assert all_on(master, "2.0")
        assert [one.worker.attempt for one in master.supervisors.values()] == [2, 2]
        assert "goes over to 2.0" not in await story(master, "web.1")


async def test_no_update_begins_by_itself_while_all_of_a_group_is_stopped() -> None:
    """It would go on when somebody starts it, outside its window perhaps."""
    world = Yard(offer("caddy"), auto_update=True)
    async with world.up(*web()) as master:
        await master.stop_worker("web")
        await world.until(lambda: master.ended(["web"]))
        await master.updates.look()
        assert master.rollouts.view("web") is None
