"""What is asked of repositories, and what a resolver gets to see of it."""

import pytest
from msgspec.structs import replace

from beeyard.application.packages.gathering import Gathered, gather
from beeyard.domain.errors import NotFound, Unavailable
from beeyard.domain.locked import Lock, Locked, lock
from beeyard.domain.packages import wanted
from beeyard.domain.resolution import Ask
from beeyard.domain.sources import PackagePolicies, PackagesSpec, RepositorySpec
from tests.fakes.packages import FakePackageManager, offer

FACTS = {"python3": "3.11.2"}


async def gathered(
    manager: FakePackageManager,
    name: str,
    packages: tuple[str, ...] = ("*",),
    locked: Lock = Lock(),  # noqa: B008
    **policies: object,
) -> Gathered:
    """The question about one package; `packages` belong to the only repository."""
    spec = PackagesSpec(
        (RepositorySpec("acme", manager="fake", packages=packages),),
        PackagePolicies(**policies),  # type: ignore[arg-type]
        locked,
    )
    there = list(manager.installed.values())
    managers = {"fake": manager}
    return await gather([Ask(wanted(name))], spec, managers, there, "linux-x86_64", FACTS, downgrades=False)


async def test_all_that_is_needed_is_asked_for_once() -> None:
    """Also what only an installed one needs; never what the host has itself."""
    manager = FakePackageManager(
        offer("web", "1.0", "lib", "python3"), offer("lib", "1.0", "base"), offer("lib", "2.0", "web"), offer("base")
    )
    manager.put(offer("lib", "0.9", "old"))
    found = await gathered(manager, "web")
    assert manager.calls["offers"] == 4
    assert set(found.question.offered) == set(found.stock) == {"web", "lib", "base", "old"}
    assert found.question.installed["lib"].version == "0.9"


async def test_a_repository_that_does_not_answer_is_no_empty_one() -> None:
    """Not for a dependency either."""
    manager = FakePackageManager(offer("web", "1.0", "lib"), offer("lib"))
    manager.errors["offers lib"] = Unavailable("away", "acme does not answer")
    with pytest.raises(Unavailable):
        await gathered(manager, "web")


async def test_what_belongs_to_no_repository_can_only_be_needed() -> None:
    """Perhaps it is installed, or needed by none that is taken."""
    manager = FakePackageManager(offer("web", "1.0", "lib"))
    found = await gathered(manager, "web", ("web",))
    assert "lib" not in found.stock
    with pytest.raises(NotFound, match="there is no repository for lib"):
        await gathered(manager, "lib", ("web",))


async def test_what_is_not_trusted_enough_is_nowhere() -> None:
    """Neither in the repository nor on this host, where an older one may be good enough."""
    manager = FakePackageManager(offer("web", "3.0", trust="checksum"))
    manager.put(offer("web", "1.0"))
    manager.put(offer("web", "2.0", trust="checksum"))
    found = await gathered(manager, "web", required_trust="tuf")
    assert found.question.offered["web"] == ()
    assert found.question.installed["web"].version == "1.0"
    everything = await gathered(manager, "web")
    assert [one.version for one in everything.question.offered["web"]] == ["3.0"]
    assert everything.question.installed["web"].version == "2.0"


def held(digest: str = "f" * 64, version: str = "1.0", platform: str = "any") -> Lock:
    """The lock has a build of `web` that the repository finds by `old`."""
    return lock([Locked("web", version, platform, digest, "acme", "tuf", source="old")])


async def test_a_locked_build_that_is_offered_no_more_takes_the_place_of_its_version() -> None:
    """Whatever is offered as that by now, and what that needs; other versions stay, and so does what is locked."""
    former = replace(offer("web", "1.0", "lib"), digest="f" * 64, source="old")
    manager = FakePackageManager(offer("web", "1.0"), offer("web", "2.0"), offer("lib"))
    manager.gone["old"] = former
    found = await gathered(manager, "web", locked=held())
    assert [one.digest for one in found.stock["web"][1]] == [offer("web", "2.0").digest, "f" * 64]
    assert set(found.stock) == {"web", "lib"}


@pytest.mark.parametrize("why", ["it is offered", "it is not there", "it is for another platform"])
async def test_else_what_is_offered_stays_as_it_is(why: str) -> None:
    """A lock asks for nothing that it does not need."""
    manager = FakePackageManager(offer("web", "1.0"))
    if why == "it is offered":
        build = held(offer("web", "1.0").digest)
    else:
        build = held(platform="linux-riscv64" if why == "it is for another platform" else "any")
    found = await gathered(manager, "web", locked=build)
    assert [one.digest for one in found.stock["web"][1]] == [offer("web", "1.0").digest]
    assert manager.calls["former"] == (1 if why == "it is not there" else 0)
