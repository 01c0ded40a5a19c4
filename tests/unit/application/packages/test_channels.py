"""Workers that follow a channel: which version that is, when its repository is asked, and what it is without one."""

import pytest

from beeyard.adapters.resolvers.pubgrub import PubgrubResolver
from beeyard.application.feed import Feed
from beeyard.application.master import Master
from beeyard.application.packages.installer import Installer
from beeyard.domain.errors import NotFound, Refused, Unavailable
from beeyard.domain.messages import Exit
from beeyard.domain.packages import wanted
from beeyard.domain.resolution import Ask
from beeyard.domain.sources import PackagesSpec
from tests.fakes.clock import FakeClock
from tests.fakes.host import FakeHost
from tests.fakes.packages import REPOSITORY, FakePackageManager, offer, until
from tests.unit.application.packages.test_supplies import AWAY, PACKAGES, Yard, apply, note, runs, supply, up


def point(manager: FakePackageManager, version: str, channel: str = "stable") -> None:
    """The owner lets the channel name this version, and no other."""
    versions = [one.manifest.version for one in manager.offered]
    manager.offered = [offer("caddy", one, channels=channel if one == version else "") for one in versions]


def pointed(*versions: str, at: str) -> FakePackageManager:
    """A repository with a channel `stable`."""
    manager = FakePackageManager(*(offer("caddy", version) for version in versions))
    point(manager, at)
    return manager


async def restarted(master: Master, name: str, attempt: int) -> str:
    """The version that it runs after somebody asked for a restart."""
    await master.restart_worker(name)
    return await running(master, name, attempt)


async def running(master: Master, name: str, attempt: int) -> str:
    """Its version, once this attempt runs."""
    await until(lambda: master.supervisors[name].worker.attempt == attempt and up(master, name))
    return supply(master, name).version


async def test_a_worker_takes_what_the_channel_names_and_goes_back_with_it() -> None:
    """Not the newest; also an older one than runs, whatever the policy says; by itself it keeps what it had."""
    world = Yard(pointed("1.0", "2.0", "3.0", at="2.0"))
    async with world.applied(runs("a", "caddy:stable")) as master:
        assert await running(master, "a", 1) == "2.0"
        point(world.manager, "1.0")
        world.provider.exit("a", Exit(code=1))
        await world.clock.run(1.5)
        assert await running(master, "a", 2) == "2.0"
        assert await restarted(master, "a", 3) == "1.0"
        point(world.manager, "3.0")
        assert await restarted(master, "a", 4) == "3.0"


@pytest.mark.parametrize("gone", ["the channel", "the repository"])
async def test_what_a_channel_named_last_is_started_while_nobody_says_anything_else(gone: str) -> None:
    """By the next master too, and for another worker that follows it; not something newer that is installed."""
    world = Yard(pointed("1.0", "2.0", at="1.0"))
    world.manager.put(offer("caddy", "2.0"))
    async with world.applied(runs("a", "caddy:stable")) as master:
        assert await running(master, "a", 1) == "1.0"
        if gone == "the channel":
            point(world.manager, "")
        else:
            world.manager.errors["offers"] = AWAY
        assert await restarted(master, "a", 2) == "1.0"
        await apply(master, runs("a", "caddy:stable"), runs("b", "caddy:stable"))
        assert await running(master, "b", 1) == "1.0"
    async with world.master().running() as master:
        assert await restarted(master, "a", 3) == "1.0"


async def test_without_a_word_of_its_channel_a_worker_does_not_start() -> None:
    """Nothing that is installed passes for it, whatever the worker ran before; a new word starts it."""
    world = Yard(pointed("1.0", "2.0", at="2.0"))
    async with world.applied(runs("a", "caddy:1.0")) as master:
        assert await running(master, "a", 1) == "1.0"
        await apply(master, runs("a", "caddy:beta"))
        await until(lambda: "tried again" in note(master, "a"))
        assert "caddy:beta can't be installed: acme has no channel beta of caddy; channels of it: stable" in note(
            master, "a"
        )
        point(world.manager, "2.0", "beta")
        assert await restarted(master, "a", 2) == "2.0"


async def test_a_package_that_is_gone_comes_again_by_the_word_of_its_channel() -> None:
    """Somebody removed it by hand."""
    world = Yard(pointed("1.0", "2.0", at="1.0"))
    async with world.applied(runs("a", "caddy:stable")) as master:
        assert await running(master, "a", 1) == "1.0"
        world.manager.installed.clear()
        await master.packages.look()
        assert await restarted(master, "a", 2) == "1.0"
        assert world.manager.calls["install"] == 2


def installer(manager: FakePackageManager) -> Installer:
    made = Installer({"fake": manager}, PubgrubResolver, FakeHost(), FakeClock(), Feed("1"))
    made.want(PACKAGES, "FILE")
    return made


async def test_a_person_installs_what_a_channel_names() -> None:
    """Although something newer is there and policies allow no way back: the owner signed it later."""
    manager = pointed("1.0", "2.0", at="1.0")
    manager.put(offer("caddy", "2.0"))
    made = installer(manager)
    assert [str(one) for one in (await made.ensure([Ask(wanted("caddy:stable"))])).fresh] == ["caddy 1.0"]
    with pytest.raises(Refused, match=r"older than the 2\.0"):
        await made.ensure([Ask(wanted("caddy:<2"))])


async def test_a_channel_that_goes_back_takes_what_its_version_needs_along() -> None:
    """What others run of that stays beside it."""
    manager = FakePackageManager(offer("web", "1.0", "lib:<2"), offer("web", "2.0", "lib"), offer("lib"))
    manager.offered[1] = offer("web", "2.0", "lib", channels="stable")
    manager.offered.append(offer("lib", "2.0"))
    world = Yard(manager)
    async with world.applied(runs("a", "web:stable")) as master:
        assert await running(master, "a", 1) == "2.0"
        manager.offered[:2] = [offer("web", "1.0", "lib:<2", channels="stable"), offer("web", "2.0", "lib")]
        assert await restarted(master, "a", 2) == "1.0"
        assert supply(master, "a").run["with"] == {"lib": "/store/lib-1.0-tuf"}
        assert [str(one) for one in master.packages.installed] == ["lib 1.0", "lib 2.0", "web 1.0", "web 2.0"]


async def test_what_does_not_go_with_a_channel_is_told_with_its_name() -> None:
    """Who asks sees which version it stands for."""
    manager = pointed("1.0", "2.0", at="2.0")
    manager.offered.append(offer("web", "1.0", "caddy:<2"))
    asks = [Ask(wanted("web")), Ask(wanted("caddy:stable"))]
    with pytest.raises(Refused, match=r"you want caddy 2\.0 \(stable\)"):
        await installer(manager).ensure(asks)


async def test_of_a_package_without_channels_none_can_be_followed() -> None:
    """It says what can be asked for."""
    with pytest.raises(NotFound, match="acme has no channel stable of caddy") as caught:
        await installer(FakePackageManager(offer("caddy"))).ensure([Ask(wanted("caddy:stable"))])
    assert (caught.value.code, caught.value.hint) == (
        "no_such_channel",
        "it has none: ask for a version, a range or `latest`",
    )


async def test_a_locked_channel_names_what_it_named_when_it_was_locked() -> None:
    """Each follows its own; what moved is taken when the lock is renewed, and a channel not locked is refused."""
    manager = FakePackageManager(
        offer("caddy", "1.0", channels="stable"), offer("caddy", "2.0", channels="beta"), offer("caddy", "3.0")
    )
    made = installer(manager)
    asks = [Ask(wanted("caddy:stable"), "a"), Ask(wanted("caddy:beta"), "b")]
    lock = await made.lock(asks, PACKAGES, ())
    assert [(one.version, one.channels) for one in lock.packages] == [("1.0", ("stable",)), ("2.0", ("beta",))]
    locked = PackagesSpec(repositories=(REPOSITORY,), locked=lock)
    point(manager, "3.0")
    assert await made.lock(asks, locked, ()) == lock
    world = Yard(manager)
    async with world.applied(runs("a", "caddy:stable"), runs("b", "caddy:beta"), packages=locked) as master:
        assert [await running(master, name, 1) for name in "ab"] == ["1.0", "2.0"]
        world.manager.errors["offers"] = Unavailable("asked", "nobody has to be asked")
        count = manager.calls["offers"]
        assert await restarted(master, "a", 2) == "1.0"
        assert manager.calls["offers"] == count
        del world.manager.errors["offers"]
        with pytest.raises(Refused, match=r"the lock has caddy 1\.0 and 2\.0, none of it for edge, which c follows"):
            await master.packages.ensure([Ask(wanted("caddy:edge"), "c")])
    renewed = await made.lock(asks[:1], locked, ["caddy"])
    assert [(one.version, one.channels) for one in renewed.packages] == [("3.0", ("stable",))]
