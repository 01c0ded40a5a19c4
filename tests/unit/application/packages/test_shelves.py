"""What people see of repositories: what is so now, or what was so and why nothing newer is known; never a guess."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from beeyard.application.master import Master
from beeyard.application.operation import Call, Caller
from beeyard.application.operations.package_search import Found, PackageSearch, package_search
from beeyard.application.operations.package_show import PackageShow, package_show
from beeyard.domain.access import EVERYTHING
from beeyard.domain.errors import BeeyardError, NotFound, Unavailable, Untrusted
from beeyard.domain.sources import PackagesSpec
from beeyard.ports.package_manager import Remembered
from tests.fakes.packages import REPOSITORY, FakePackageManager, offer
from tests.fakes.world import World

CALL = Call(Caller("test", EVERYTHING))
GONE = Unavailable("repository_unreachable", "acme is gone")
WRONG = Untrusted("repository_wrong", "acme contradicts itself")
MEMORY = Remembered(1000.0, ("caddy", "hello"), (offer("caddy", "2.0"), offer("caddy", "1.0")))

Asked = Callable[[Master], Awaitable[Any]]


@pytest.fixture
def manager() -> FakePackageManager:
    """Its repository has one package."""
    return FakePackageManager(offer("caddy", "3.0"))


@pytest.fixture
async def master(manager: FakePackageManager) -> AsyncIterator[Master]:
    """With that repository."""
    world = World()
    world.managers = {"fake": manager}
    async with world.running() as made:
        made.packages.want(PackagesSpec((REPOSITORY,)), "test")
        yield made


def failing(manager: FakePackageManager, error: BeeyardError) -> None:
    """From now on the repository answers nothing else."""
    manager.errors["offers"] = manager.errors["catalog"] = error


async def test_what_a_repository_says_now_is_shown_without_an_age(master: Master, manager: FakePackageManager) -> None:
    """What it said before does not count then."""
    manager.memory = MEMORY
    assert await package_search(master, PackageSearch(), CALL) == [Found("caddy", "acme", "")]
    shown = await package_show(master, PackageShow("caddy"), CALL)
    assert ([one.version for one in shown.available], shown.as_of, shown.unknown) == (["3.0"], None, "")


async def test_one_out_of_reach_is_shown_as_it_was_with_the_reason(master: Master, manager: FakePackageManager) -> None:
    """Oldest version first, as ever."""
    manager.memory = MEMORY
    failing(manager, GONE)
    assert await package_search(master, PackageSearch("hell"), CALL) == [
        Found("hello", "acme", "", 1000.0, "acme is gone")
    ]
    shown = await package_show(master, PackageShow("caddy"), CALL)
    assert [one.version for one in shown.available] == ["1.0", "2.0"]
    assert (shown.as_of, shown.unknown) == (1000.0, "acme is gone")


def searched(name: str | None = None) -> Asked:
    """A search for it."""
    return lambda master: package_search(master, PackageSearch(name), CALL)


@pytest.mark.parametrize(
    ("memory", "error", "name"), [(None, GONE, None), (MEMORY, WRONG, None), (MEMORY, GONE, "nothing")]
)
async def test_what_nobody_knows_is_no_empty_answer(
    master: Master, manager: FakePackageManager, memory: Remembered | None, error: BeeyardError, name: str | None
) -> None:
    """Nothing is remembered; or what it says now is not to be believed; or what is looked for may have come since."""
    manager.memory = memory
    failing(manager, error)
    with pytest.raises(type(error), match=str(error)):
        await searched(name)(master)


async def test_nothing_is_installed_from_what_is_only_remembered(master: Master, manager: FakePackageManager) -> None:
    """It is not even looked at."""
    manager.memory = MEMORY
    failing(manager, GONE)
    with pytest.raises(Unavailable, match="acme is gone"):
        await master.install_package("caddy")
    assert (manager.calls["remembered"], manager.calls["install"]) == (0, 0)


@pytest.mark.parametrize("error", [None, GONE, WRONG])
async def test_what_was_never_there_and_nobody_knows_is_not_found(
    master: Master, manager: FakePackageManager, error: BeeyardError | None
) -> None:
    """Whether or not somebody tried to install it, and whatever its repository says."""
    if error is not None:
        failing(manager, error)
    for _ in range(2):
        with pytest.raises(NotFound) as caught:
            await package_show(master, PackageShow("nothing"), CALL)
        assert str(error or "there is no package nothing") in str(caught.value)
        with pytest.raises(BeeyardError):
            await master.install_package("nothing")
