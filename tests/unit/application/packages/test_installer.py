"""Packages that are asked for: what comes, what does not, and what is known of it at any moment."""

import asyncio

import pytest

from beeyard.adapters.resolvers.pubgrub import PubgrubResolver
from beeyard.application.feed import Feed
from beeyard.application.packages.installer import Installer
from beeyard.application.packages.status import FETCHED, PackageStatus
from beeyard.application.packages.wishes import Wish
from beeyard.domain.errors import BeeyardError, Refused, Rejected, Unavailable, Untrusted
from beeyard.domain.packages import Target, wanted
from beeyard.domain.resolution import Ask
from beeyard.domain.sources import PackagePolicies, PackagesSpec
from beeyard.domain.values import Duration
from tests.fakes.clock import FakeClock, settle
from tests.fakes.host import FakeHost
from tests.fakes.packages import PACKED, REPOSITORY, TORN, FakePackageManager, offer, until

BROKEN = Untrusted("payload_differs", "caddy is not what was promised")


def installer(manager: FakePackageManager, clock: FakeClock | None = None, **policies: object) -> Installer:
    """One that may take packages from one repository."""
    made = Installer({"fake": manager}, PubgrubResolver, FakeHost(), clock or FakeClock(), Feed("1"))
    made.want(PackagesSpec((REPOSITORY,), PackagePolicies(**policies)), "FILE")  # type: ignore[arg-type]
    return made


def asks(*packages: str) -> list[Ask]:
    return [Ask(wanted(package)) for package in packages]


def versions(made: Installer) -> list[str]:
    return [str(one) for one in made.installed]


async def test_what_was_brought_is_known_at_once_with_all_that_it_needs() -> None:
    """Nobody has to look; a second time there is nothing to do."""
    made = installer(
        FakePackageManager(offer("web", "1.0", "lib:>=1", "python3:>=3.8"), offer("lib"), offer("lib", "0.9"))
    )
    ensured = await made.ensure(asks("web"))
    assert versions(made) == [str(one) for one in sorted(ensured.fresh, key=str)] == ["lib 1.0", "web 1.0"]
    assert (await made.ensure(asks("web"))).fresh == ()
    assert made.statuses["web"].state == "installed"


@pytest.mark.parametrize(("policy", "wish"), [(30.0, None), (30.0, 60.0), (60.0, 30.0)])
async def test_an_install_lasts_as_long_as_policy_and_request_both_allow(policy: float, wish: float | None) -> None:
    """Then it says so, and what was there before is there still."""
    manager = FakePackageManager(offer("caddy", "2.0"))
    manager.put(offer("caddy"))
    manager.gate("install")
    clock = FakeClock()
    made = installer(manager, clock, installation_timeout=Duration(policy))
    await made.look()
    job = asyncio.ensure_future(made.ensure(asks("caddy:2.0"), Wish(timeout=wish)))
    await until(lambda: manager.calls["install"])
    await clock.run(29.9)
    assert not job.done()
    await clock.run(0.2)
    with pytest.raises(Unavailable, match="caddy could not be installed within 30s"):
        await job
    assert made.statuses["caddy"].error.startswith("caddy could not be installed within 30s")
    assert (versions(made), clock.pending()) == (["caddy 1.0"], [])


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("wished", [True, False])
async def test_an_older_version_comes_only_if_policy_and_request_both_want_it(allowed: bool, wished: bool) -> None:
    """Beside another's it is none."""
    manager = FakePackageManager(offer("caddy"), offer("caddy", "2.0"))
    manager.put(offer("caddy", "2.0"))
    made = installer(manager, allow_downgrades=allowed)
    if allowed and wished:
        await made.ensure(asks("caddy:1.0"), Wish(downgrade=True))
    else:
        with pytest.raises(Refused):
            await made.ensure(asks("caddy:1.0"), Wish(downgrade=wished))
        await made.ensure(asks("caddy:1.0"), Wish(beside=True))
    assert versions(made) == ["caddy 1.0", "caddy 2.0"]


async def test_no_more_installs_run_at_the_same_time_than_the_policy_says() -> None:
    """All come in the end."""
    manager = FakePackageManager(*(offer(f"p{number}") for number in range(5)))
    gate = manager.gate("install")
    made = installer(manager, max_concurrent_installs=2)
    every = asyncio.gather(*(made.ensure(asks(f"p{number}")) for number in range(5)))
    await until(lambda: manager.calls["install"] == 2 and manager.calls["offers"] == 5)
    gate.set()
    await every
    assert (manager.most, len(made.installed)) == (2, 5)


async def test_who_asks_for_what_is_under_way_is_told_how_that_goes_and_joins_it() -> None:
    """From the beginning, until it is there; who then finds it there has joined nothing."""
    manager = FakePackageManager(offer("caddy"))
    gate, clock = manager.gate("install"), FakeClock()
    made = installer(manager, clock)
    heard: list[PackageStatus] = []
    first = asyncio.ensure_future(made.ensure(asks("caddy")))
    await until(lambda: manager.calls["install"])
    second = asyncio.ensure_future(made.ensure(asks("caddy"), tell=heard.append))
    await until(lambda: heard)
    clock.advance(1)
    manager.tells[0](PACKED // 2)
    assert [(status.state, status.joined, status.done) for status in heard] == [
        ("installing", True, 0),
        ("installing", True, PACKED // 2),
    ]
    assert not made.statuses["caddy"].joined
    gate.set()
    begun, joined, late = await first, await second, await made.ensure(asks("caddy"))
    assert [([str(one) for one in by.fresh], [str(one) for one in by.joined]) for by in (begun, joined, late)] == [
        (["caddy 1.0"], []),
        ([], ["caddy 1.0"]),
        ([], []),
    ]
    assert manager.calls["install"] == 1


async def test_what_an_install_waits_for_is_told_at_once() -> None:
    """Figures may be late; somebody who looks why nothing goes on may not be left without a word."""
    manager = FakePackageManager(offer("caddy"))
    gate, made, heard = manager.gate("install"), installer(manager), list[PackageStatus]()
    installing = asyncio.ensure_future(made.ensure(asks("caddy"), tell=heard.append))
    await until(lambda: manager.calls["install"])
    manager.tells[0]("dpkg (pid 7) installs packages on this host")
    manager.tells[0]("")
    assert [status.waits for status in heard] == ["", "dpkg (pid 7) installs packages on this host", ""]
    gate.set()
    await installing


async def test_who_joins_an_install_that_is_called_off_brings_it() -> None:
    """And has joined nothing then."""
    manager = FakePackageManager(offer("caddy"))
    manager.gate("install")
    made = installer(manager)
    heard: list[PackageStatus] = []
    first = asyncio.ensure_future(made.ensure(asks("caddy")))
    await until(lambda: manager.calls["install"])
    second = asyncio.ensure_future(made.ensure(asks("caddy"), tell=heard.append))
    await until(lambda: heard)
    manager.gates.clear()
    first.cancel()
    done = await second
    assert ([str(one) for one in done.fresh], done.joined) == (["caddy 1.0"], ())
    assert [(status.state, status.joined) for status in heard] == [
        ("installing", True),
        ("installing", False),
        ("installed", False),
    ]


async def test_what_fails_is_told_as_it_is_and_ends_what_goes_with_it() -> None:
    """All that was wanted has failed with it; what another asks for goes on."""
    manager = FakePackageManager(offer("web", "1.0", "caddy", "lib"), offer("caddy"), offer("lib"), offer("other"))
    manager.errors["install caddy"] = BROKEN
    manager.gate("install lib")
    fail, gate = manager.gate("install caddy"), manager.gate("install other")
    made = installer(manager)
    other = asyncio.ensure_future(made.ensure(asks("other")))
    job = asyncio.ensure_future(made.ensure(asks("web")))
    await until(lambda: manager.calls["install"] == (4 if "web" in made.statuses else 3))
    fail.set()
    with pytest.raises(Untrusted) as failed:
        await job
    assert failed.value is BROKEN
    states = {name: (status.state, status.error) for name, status in made.statuses.items()}
    assert states["web"] == states["caddy"] == ("failed", str(BROKEN))
    assert states["lib"] == ("failed", "it was called off")
    assert states["other"][0] == "installing"
    gate.set()
    await other


async def test_the_last_failure_is_the_one_that_is_told() -> None:
    """Also if it failed with something else before, or never began."""
    manager = FakePackageManager(offer("caddy"))
    made = installer(manager)
    for error in (BROKEN, Unavailable("away", "acme does not answer")):
        manager.errors["offers"] = error
        with pytest.raises(BeeyardError):
            await made.ensure(asks("caddy"))
        assert made.statuses["caddy"].error == str(error)
    manager.errors.clear()
    await made.ensure(asks("caddy"))
    assert (made.statuses["caddy"].state, made.statuses["caddy"].error) == ("installed", "")


async def test_one_that_is_called_off_is_not_being_installed_any_more() -> None:
    """It can be asked for again at once."""
    manager = FakePackageManager(offer("caddy"))
    gate = manager.gate("install")
    made = installer(manager)
    told: list[PackageStatus] = []
    job = asyncio.ensure_future(made.ensure(asks("caddy"), Wish(), told.append))
    await until(lambda: manager.calls["install"])
    job.cancel()
    await asyncio.wait({job})
    assert [(one.state, one.error) for one in told] == [("installing", ""), ("failed", "it was called off")]
    assert made.statuses["caddy"] == told[-1]
    gate.set()
    await made.ensure(asks("caddy"))


async def test_a_look_that_began_before_a_change_does_not_hide_it() -> None:
    """Whichever of two looks ends last, what is known is the newest."""
    manager = FakePackageManager(offer("caddy"))
    made = installer(manager)
    gate = manager.gate("facts")
    early = asyncio.ensure_future(made.look())
    await until(lambda: manager.calls["facts"])
    del manager.gates["facts"]
    manager.put(offer("caddy"))
    late = asyncio.ensure_future(made.look())
    await settle()
    gate.set()
    await asyncio.gather(late, early)
    assert versions(made) == ["caddy 1.0"]


async def test_what_is_damaged_is_repaired_when_it_is_asked_for() -> None:
    """And counts as brought."""
    manager = FakePackageManager(offer("caddy"))
    installed = manager.put(offer("caddy"))
    made = installer(manager)
    await made.look()
    manager.damage[installed.digest] = [TORN]
    await made.verify(installed, "digests")
    assert made.fitting(wanted("caddy")) == []
    assert (await made.ensure(asks("caddy"))).fresh == (installed,)
    assert (made.fitting(wanted("caddy")), made.damaged, manager.damage) == ([installed], {}, {})


async def test_a_repair_is_as_far_as_what_came_of_what_is_to_come() -> None:
    """Not of what it will be, once it is unpacked."""
    manager = FakePackageManager(offer("caddy"))
    installed = manager.put(offer("caddy"))
    made = installer(manager)
    await made.look()
    manager.damage[installed.digest] = [TORN]
    gate = manager.gate("repair")
    job = asyncio.ensure_future(made.repair(installed))
    await until(lambda: manager.tells)
    manager.tells[0](PACKED // 2)
    assert made.statuses["caddy"].progress == FETCHED / 2
    gate.set()
    assert await job == [TORN]


async def test_what_was_removed_by_others_is_not_thought_to_be_there() -> None:
    """From the moment on at which somebody finds out; nor is it damaged any more."""
    manager = FakePackageManager()
    installed = manager.put(offer("caddy"))
    manager.damage[installed.digest] = [TORN]
    made = installer(manager)
    await made.look()
    await made.verify(installed, "digests")
    manager.installed.clear()
    with pytest.raises(BeeyardError, match="is gone"):
        await made.use(installed, "web")
    assert (made.installed, made.damaged) == ((), {})


async def test_a_package_that_needs_more_memory_than_there_is_does_not_come() -> None:
    """It says how much that is."""
    made = installer(FakePackageManager(offer("caddy", min_memory=2**30)))
    made._host.memory = 2**29  # type: ignore[attr-defined]
    with pytest.raises(Rejected, match=r"caddy 1\.0 needs 1\.0 GB of free memory, this host has 512 MB"):
        await made.ensure(asks("caddy"))


@pytest.mark.parametrize(("target", "lacking"), [("process", ""), ("module", "module"), ("both", "module"), (None, "")])
async def test_a_package_comes_only_for_what_it_runs_as(target: Target | None, lacking: str) -> None:
    """Otherwise nothing of it is brought; also when it is there already."""
    manager = FakePackageManager(offer("caddy", "1.0", "lib"), offer("lib"))
    made = installer(manager)
    for there in ([], ["caddy 1.0", "lib 1.0"]):
        assert versions(made) == there
        if not lacking:
            await made.ensure(asks("caddy"), Wish(target=target))
            continue
        with pytest.raises(Refused) as refused:
            await made.ensure(asks("caddy"), Wish(target=target))
        assert str(refused.value) == f"caddy 1.0 does not run as {lacking}, only as process"
        await made.ensure(asks("caddy"))
    assert versions(made) == ["caddy 1.0", "lib 1.0"]
