"""Data that an older version can't read: no way leads a worker there until somebody says that it was restored."""

import pytest
from msgspec.structs import replace

from beeyard.application.master import Master
from beeyard.domain.errors import Refused
from beeyard.domain.messages import Exit
from beeyard.domain.worker import Preparing
from beeyard.ports.package_manager import Offered
from tests.fakes.packages import FakePackageManager, offer, until
from tests.fakes.world import phase
from tests.unit.application.packages.test_supplies import Yard, apply, note, runs, supply, up

REFUSED = r"a can't run from caddy 1\.0, which reads data of epoch 0: what ran last wrote epoch 2"
WAITS = (
    "a can't run from caddy 1.0, which reads data of epoch 0: what ran last wrote epoch 2; take one that does; "
    "or stop it, restore the data from before, and: beeyard start a --restored"
)


def newer(channels: str = "") -> Offered:
    """Whose data 1.0 can't read."""
    found = offer("caddy", "2.0", channels=channels)
    return replace(found, manifest=replace(found.manifest, epoch=2))


async def on(master: Master, version: str, name: str = "a") -> None:
    """It runs that."""
    await until(lambda: up(master, name) and supply(master, name).version == version)


def waits(master: Master) -> bool:
    return isinstance(phase(master, "a"), Preparing) and note(master, "a") == WAITS


async def test_a_restart_that_would_cross_an_epoch_is_refused_and_it_runs_on() -> None:
    """Whatever would lead it there: a worker file, with what is installed or is not yet; or a channel."""
    world = Yard(FakePackageManager(offer("caddy"), newer("stable")))
    async with world.applied(runs("a", "caddy:stable")) as master:
        await on(master, "2.0")
        world.manager.offered = [offer("caddy", channels="stable"), newer()]
        with pytest.raises(Refused, match=REFUSED) as caught:
            await master.restart_worker("a")
        assert caught.value.code == "epoch_crossed"
        for installed in (False, True):
            with pytest.raises(Refused, match=REFUSED):
                await apply(master, runs("a", "caddy:==1.0"))
            if not installed:
                world.manager.put(offer("caddy"))
                await master.packages.look()
        assert world.provider.running() == [("a", 1)]
        assert master.supervisors["a"].worker.spec.package == "caddy:stable"


async def test_a_start_that_would_cross_an_epoch_waits_and_says_what_to_do() -> None:
    """By the next master as well, when nothing of the newer version is left; another worker is not concerned."""
    world = Yard(FakePackageManager(offer("caddy"), newer()))
    async with world.applied(runs("a")) as master:
        await on(master, "2.0")
        await master.stop_worker("a")
        await until(lambda: not world.provider.running())
        world.manager.installed.clear()
        world.manager.used.clear()
        world.manager.offered = [offer("caddy")]
        await master.packages.look()
        await apply(master, runs("a", "caddy:1.0"), runs("b", "caddy:1.0"))
        await on(master, "1.0", "b")
        await master.start_worker("a")
        await until(lambda: waits(master))
    async with world.master().running() as master:
        await until(lambda: waits(master))
        world.manager.put(newer())
        await master.packages.look()
        await apply(master, runs("a"), runs("b"))
        await on(master, "2.0")
        assert [launch[0] for launch in world.provider.called("launch")].count("a") == 2


async def test_who_restored_the_data_says_so_and_it_starts() -> None:
    """Not while it lives, for then it may write still; afterwards it is as if the newer one had never run."""
    world = Yard(FakePackageManager(offer("caddy"), newer()))
    async with world.applied(runs("a")) as master:
        await on(master, "2.0")
        with pytest.raises(Refused, match="a can't be taken as restored: it is running"):
            await master.start_worker("a", restored=True)
        await master.stop_worker("a")
        await until(lambda: not world.provider.running())
        world.manager.put(offer("caddy"))
        await master.packages.look()
        await apply(master, runs("a", "caddy:1.0"))
        await master.start_worker("a")
        await until(lambda: waits(master))
        await master.start_worker("a", "ann", restored=True)
        await on(master, "1.0")
        story = [(entry.what, entry.by) for entry in (await master.records.past("a", 5, 50))[1]]
        assert ("its data is as it was before", "ann") in story
        await master.restart_worker("a")
        await until(lambda: up(master, "a") and master.supervisors["a"].worker.attempt == 3)
        world.provider.exit("a", Exit(code=1))
        await world.clock.run(2)
        await on(master, "1.0")
        assert master.supervisors["a"].worker.epochs == {}
