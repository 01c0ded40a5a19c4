"""What a lock does to a choice, with the solver that is in use and a repository made of records."""

from collections.abc import Mapping

import pytest

from beeyard.adapters.resolvers.pubgrub import PubgrubResolver
from beeyard.application.packages.gathering import Gathered
from beeyard.application.packages.locking import kept, locked, resolved
from beeyard.domain.errors import Refused, Untrusted
from beeyard.domain.locked import Lock, Locked, lock
from beeyard.domain.packages import Dependency, Manifest, wanted
from beeyard.domain.resolution import Ask, Candidate, Question
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.package_manager import Installed, Offered

HIVE = RepositorySpec("hive", path="/repository")
PLATFORM = "linux-x86_64"


def a_digest(name: str, version: str, platform: str = "any") -> str:
    """Of a build, made of what it is."""
    return f"{name}{version}{platform}".encode().hex().ljust(64, "0")


def a_lock(*builds: tuple[str, str], digest: str = "") -> Lock:
    """Of builds as they are in the repository, or with this digest."""
    return lock(Locked(name, one, "any", digest or a_digest(name, one), "hive", "tuf") for name, one in builds)


def an_offer(name: str, version: str, needs: str = "", platform: str = "any") -> Offered:
    """As the repository has it; `needs` is what it depends on."""
    depends = [Dependency(found.name, found.range) for found in (wanted(text) for text in needs.split())]
    manifest = Manifest(name, version, platform, dependencies=tuple(depends))
    return Offered(manifest, "hive", "tuf", a_digest(name, version, platform), 100)


def gathered(asks: Mapping[str, str], *offers: Offered) -> Gathered:
    """Worker -> what it asks for; a person has no name."""
    stock: dict[str, tuple[RepositorySpec, list[Offered]]] = {}
    for one in offers:
        stock.setdefault(one.manifest.name, (HIVE, []))[1].append(one)
    offered = {
        name: tuple(
            Candidate(name, one.manifest.version, one.manifest.platform, one.manifest.dependencies) for one in found
        )
        for name, (_, found) in stock.items()
    }
    question = Question(tuple(Ask(wanted(text), by) for by, text in asks.items()), PLATFORM, offered)
    return Gathered(question, stock)


HELLOS = (an_offer("hello", "1.0"), an_offer("hello", "1.1"), an_offer("hello", "2.0"))


def chosen(asks: Mapping[str, str], lock: Lock, *offers: Offered) -> dict[str, str]:
    """The versions."""
    _, found = resolved(PubgrubResolver(), gathered(asks, *offers), lock)
    return {name: choice.version for name, choice in found.items()}


def test_the_locked_version_is_taken_although_there_is_a_newer_one() -> None:
    """And so for what it needs; without a lock it is the newest."""
    offers = (*HELLOS, an_offer("web", "1.0", "hello:>=1"))
    assert chosen({"w": "web"}, Lock(), *offers) == {"web": "1.0", "hello": "2.0"}
    assert chosen({"w": "web"}, a_lock(("web", "1.0"), ("hello", "1.0")), *offers) == {"web": "1.0", "hello": "1.0"}


def test_of_several_locked_versions_each_worker_gets_the_newest_that_it_takes() -> None:
    """And nothing in between that came later."""
    several = a_lock(("hello", "1.0"), ("hello", "2.0"))
    assert chosen({"w": "hello:<2"}, several, *HELLOS) == {"hello": "1.0"}
    assert chosen({"w": "hello"}, several, *HELLOS) == {"hello": "2.0"}


def test_a_locked_version_that_a_worker_does_not_take_is_a_conflict_that_names_the_lock() -> None:
    """With the command that renews it."""
    with pytest.raises(Refused, match=r"^the lock has hello 1\.0, and w needs hello:>=2$") as caught:
        chosen({"w": "hello:>=2"}, a_lock(("hello", "1.0")), *HELLOS)
    assert caught.value.code == "lock_does_not_fit"
    assert "beeyard package lock" in caught.value.hint


def test_a_locked_version_that_is_gone_is_told_to_be_gone() -> None:
    """Nothing else is taken for it."""
    with pytest.raises(Refused, match=r"^the lock has hello 1\.5, which hive does not have any more$"):
        chosen({"w": "hello"}, a_lock(("hello", "1.5")), *HELLOS)


def test_what_fits_without_a_lock_neither_is_not_blamed_on_it() -> None:
    """The solver's own words stay."""
    with pytest.raises(Refused) as caught:
        chosen({"w": "hello:>=3"}, a_lock(("hello", "1.0")), *HELLOS)
    assert caught.value.code == "packages_conflict"


@pytest.mark.parametrize("by", ["w", ""], ids=["a worker", "a person"])
def test_another_build_of_a_locked_version_is_refused_to_everybody(by: str) -> None:
    """It says what the lock has, what the repository has, and how the lock is renewed."""
    with pytest.raises(Untrusted, match=r"^the lock says hello 1\.0 is 0{12}, and hive has [0-9a-f]{12}$") as caught:
        chosen({by: "hello:1.0"}, a_lock(("hello", "1.0"), digest="0" * 64), *HELLOS)
    assert caught.value.code == "package_not_as_locked"
    assert "beeyard package lock" in caught.value.hint


def test_a_person_may_ask_for_what_the_lock_does_not_have() -> None:
    """Whose version is free, and stays the locked one while it fits."""
    one = a_lock(("hello", "1.0"))
    assert chosen({"": "hello:>=2"}, one, *HELLOS) == {"hello": "2.0"}
    assert chosen({"": "hello"}, one, *HELLOS) == {"hello": "1.0"}


def test_a_build_that_comes_later_for_this_platform_does_not_displace_the_locked_one() -> None:
    """Of one version there may be a build for any platform and, later, one for this."""
    offers = (*HELLOS, an_offer("hello", "1.0", platform=PLATFORM))
    one = a_lock(("hello", "1.0"))
    narrowed, found = resolved(PubgrubResolver(), gathered({"w": "hello"}, *offers), one)
    assert lock(locked(narrowed, found)) == one


def test_what_is_installed_and_not_locked_does_not_stand_in_the_way() -> None:
    """Of what the lock does not name, all counts; of what only people ask for, too."""
    there = [
        Installed(Manifest(name, one), a_digest(name, one), "/", "binary", "hive", "tuf", 1, 0.0)
        for name, one in (("hello", "1.0"), ("hello", "2.0"), ("other", "1.0"))
    ]
    one = a_lock(("hello", "1.0"))
    assert [str(found) for found in kept(one, [Ask(wanted("hello"), "w")], there)] == ["hello 1.0", "other 1.0"]
    assert kept(one, [Ask(wanted("hello"))], there) == there
