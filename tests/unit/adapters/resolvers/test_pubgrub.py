"""Which versions are chosen, and the sentences told when none fit; the classic cases of resolvers among them."""

import pytest

from beeyard.adapters.resolvers.pubgrub import PubgrubResolver
from beeyard.domain.errors import Refused
from beeyard.domain.packages import Wanted
from beeyard.domain.resolution import Choice, Need, Question
from tests.unit.adapters.resolvers.graphs import ask, candidate, question


def chosen(asked: Question) -> dict[str, str]:
    """Package and version."""
    return {name: choice.version for name, choice in PubgrubResolver().resolve(asked).items()}


def refused(asked: Question) -> tuple[str, str]:
    """What is told, and what to do."""
    with pytest.raises(Refused) as caught:
        PubgrubResolver().resolve(asked)
    assert caught.value.code == "packages_conflict"
    return str(caught.value), caught.value.hint


THREE = [candidate(f"caddy {version}") for version in ("2.9", "2.10", "2.11")]


@pytest.mark.parametrize(
    ("asked", "version"),
    [
        ("caddy", "2.11"),
        ("caddy:latest", "2.11"),
        ("caddy:2.10", "2.10"),
        ("caddy:<2.11", "2.10"),
        ("caddy:~=2.9", "2.11"),
    ],
)
def test_the_newest_in_the_range_is_chosen(asked: str, version: str) -> None:
    """Newest by number, not by letters."""
    assert chosen(question([asked], *THREE)) == {"caddy": version}


def test_what_is_installed_or_locked_stays_while_it_fits() -> None:
    """No surprise updates: only who asks for the newest gets it, and a lock beats what is installed."""
    installed = {"caddy": candidate("caddy 2.9")}
    assert chosen(question(["caddy"], *THREE, installed=installed)) == {"caddy": "2.9"}
    assert chosen(question(["caddy"], *THREE, installed=installed, locked={"caddy": "2.10"})) == {"caddy": "2.10"}
    assert chosen(question(["caddy:>2.9"], *THREE, installed=installed)) == {"caddy": "2.11"}
    assert chosen(question([ask("caddy", newest=True)], *THREE, installed=installed)) == {"caddy": "2.11"}
    assert chosen(question(["caddy"], installed=installed)) == {"caddy": "2.9"}


def test_why_begins_with_who_asked() -> None:
    """The shortest way to each package, step by step."""
    asked = question(
        ["web>>gateway:>=1"], candidate("gateway 1.9", "proto <3"), candidate("proto 2.0", "base"), candidate("base 1")
    )
    web, gateway = Need("web", Wanted("gateway", ">=1")), Need("gateway 1.9", Wanted("proto", "<3"))
    assert PubgrubResolver().resolve(asked) == {
        "base": Choice("1", (web, gateway, Need("proto 2.0", Wanted("base")))),
        "gateway": Choice("1.9", (web,)),
        "proto": Choice("2.0", (web, gateway)),
    }


def test_it_goes_back_to_an_older_version_when_the_newest_leads_nowhere() -> None:
    """The newest gateway needs what nobody has."""
    found = chosen(
        question(
            ["gateway", "base:<2"],
            candidate("gateway 2.0", "base >=2"), candidate("gateway 1.0", "base"),
            candidate("base 1.5"), candidate("base 2.0"),
        )
    )  # fmt: skip
    assert found == {"gateway": "1.0", "base": "1.5"}


def test_a_circle_is_no_trouble() -> None:
    """Two that need each other come together."""
    assert chosen(question(["a"], candidate("a 1", "b"), candidate("b 1", "a >=1"))) == {"a": "1", "b": "1"}


@pytest.mark.parametrize(
    ("asks", "found"),
    [
        (["a"], {"a": "2"}),
        (["a", "b"], {"a": "2", "b": "1"}),
        (["a", "b:2"], {"a": "1", "b": "2"}),
        (["a", "c"], {"a": "2", "b": "1", "c": "1"}),
    ],
    ids=["alone", "with it", "with a version that does not go", "with it by another way"],
)
def test_what_a_package_can_do_without_counts_when_it_is_there(asks: list[str | object], found: dict[str, str]) -> None:
    """It does not make it come, and keeps the wrong version away."""
    asked = question(
        asks,  # type: ignore[arg-type]
        candidate("a 2", "b <2?"), candidate("a 1"),
        candidate("b 1"), candidate("b 2"), candidate("c 1", "b <=1"),
    )  # fmt: skip
    assert chosen(asked) == found


def test_of_one_version_the_build_for_this_host_is_taken() -> None:
    """The one for any host has other needs, which do not count."""
    asked = question(
        ["a"],
        candidate("a 1", "none"),
        candidate("a 1", platform="linux-x86_64"),
        candidate("a 2", platform="linux-arm64"),
    )
    assert chosen(asked) == {"a": "1"}


def test_pre_releases_come_only_where_they_are_named() -> None:
    """Or where there is nothing else, or all are allowed."""
    some = [candidate("a 1.0"), candidate("a 2.0b1"), candidate("a 2.0b2"), candidate("b 1.0rc1")]
    assert chosen(question(["a", "b"], *some)) == {"a": "1.0", "b": "1.0rc1"}
    assert chosen(question(["a:>=2.0b1"], *some)) == {"a": "2.0b2"}
    assert chosen(question(["a:2.0b1"], *some)) == {"a": "2.0b1"}
    assert chosen(question(["a"], *some, prereleases=True)) == {"a": "2.0b2"}


def test_what_was_yanked_comes_only_where_that_version_is_named() -> None:
    """Or where it is locked or installed already."""
    some = [candidate("a 1.0"), candidate("a 1.1", yanked="leaks")]
    assert chosen(question(["a"], *some)) == {"a": "1.0"}
    assert chosen(question(["a:1.1"], *some)) == {"a": "1.1"}
    assert chosen(question(["a"], *some, locked={"a": "1.1"})) == {"a": "1.1"}
    assert chosen(question(["a"], *some, installed={"a": some[1]})) == {"a": "1.1"}


def test_host_facts_decide_and_are_no_package() -> None:
    """Whatever follows the numbers of a kernel's version; what the host lacks does not matter to who can do without."""
    some = [candidate("a 2", "python3 >=3.12"), candidate("a 1", "python3 >=3.8", "kernel >=5", "glibc >=9?")]
    facts = {"python3": "3.11.2", "kernel": "6.18.3-amd64", "glibc": ""}
    assert chosen(question(["a"], *some, facts=facts)) == {"a": "1"}


STORIES: dict[str, tuple[Question, str, str]] = {
    "nobody has it": (
        question(["web>>cady"], *THREE),
        "web wants cady, but no repository has cady",
        "Did you mean caddy?",
    ),
    "no version in range": (
        question(["web>>caddy:>=3"], *THREE),
        "web wants caddy >=3, but of caddy there is only 2.9, 2.10 and 2.11",
        "Ask for something else in place of `caddy >=3` of web.",
    ),
    "two who ask": (
        question(["web>>caddy:2.9", "api>>caddy:>=2.10"], *THREE),
        "no versions fit together: web wants caddy 2.9; api wants caddy >=2.10",
        "Ask for something else in place of `caddy 2.9` of web or `caddy >=2.10` of api.",
    ),
    "shared dependency": (
        question(
            ["web>>foo", "bar"],
            candidate("foo 1.0", "shared >=2,<3"), candidate("bar 1.0", "shared >=3,<4"),
            candidate("shared 2.0"), candidate("shared 3.0"),
        ),
        "no versions fit together: web wants foo; you want bar; "
        "foo 1.0 needs shared >=2,<3; bar 1.0 needs shared >=3,<4",
        "Ask for something else in place of `foo` of web or `bar`.",
    ),
    "dependency that nobody has": (
        question(["food"], candidate("food 1.0", "foo"), candidate("food 1.1", "foo")),
        "no versions fit together: you want food; every food needs foo; no repository has foo",
        "A repository whose `packages:` cover foo has to have it; or take food in another version.",
    ),
    "long chain": (
        question(
            ["web>>menu", "icons:1"],
            candidate("menu 1.0", "dropdown >=2"), candidate("menu 1.1", "dropdown >=2"),
            candidate("dropdown 1.0", "icons"),
            candidate("dropdown 2.0", "icons >=2"), candidate("dropdown 2.1", "icons >=2"),
            candidate("icons 1"), candidate("icons 2"),
        ),
        "no versions fit together: web wants menu; you want icons 1; every menu needs dropdown >=2; "
        "dropdown 2.0 and 2.1 need icons >=2",
        "Ask for something else in place of `menu` of web or `icons 1`.",
    ),
    "host too old": (
        question(["web>>app"], candidate("app 1", "python3 >=3.12"), facts={"python3": "3.11.2"}),
        "no versions fit together: web wants app; app 1 needs python3 >=3.12; this host has python3 3.11.2",
        "Bring this host up to it, or take app in another version.",
    ),
    "host without": (
        question(["web>>app"], candidate("app 1", "python3"), facts={"python3": ""}),
        "no versions fit together: web wants app; app 1 needs python3; this host has no python3",
        "Bring this host up to it, or take app in another version.",
    ),
    "other platform": (
        question(["web>>app"], candidate("app 1", platform="linux-aarch64")),
        "web wants app, but app 1 is for linux-aarch64, and this host is linux-x86_64",
        "Have it published for this platform.",
    ),
    "downgrade": (
        question(["web>>caddy:2.9"], *THREE, installed={"caddy": candidate("caddy 2.10")}),
        "web wants caddy 2.9, but caddy 2.9 is older than the 2.10 that is installed",
        "Allow downgrades, if the older version is really meant: by the policy `allow_downgrades`, and by hand "
        "--downgrade as well.",
    ),
    "yanked": (
        question(["web>>a:>1"], candidate("a 1"), candidate("a 2", yanked="it lost data")),
        "web wants a >1, but a 2 was yanked (it lost data)",
        "Name that version exactly to take it all the same.",
    ),
    "pre-release": (
        question(["web>>a:>1"], candidate("a 1"), candidate("a 2rc1")),
        "web wants a >1, but a 2rc1 is a pre-release",
        "Name the pre-release, or allow them all, if it is really meant.",
    ),
    "does not go with what is there": (
        question(["a", "b"], candidate("a 1", "b <2?"), candidate("b 2")),
        "no versions fit together: you want a; you want b; a 1 takes only b <2; of b there is only 2",
        "Ask for something else in place of `a` or `b`.",
    ),
    "a range that nobody can read": (
        question(["a"], candidate("a 1", "b ^1.2"), candidate("b 1.3")),
        "no versions fit together: you want a; a 1 needs b ^1.2; of b there is only 1.3",
        "Ask for something else in place of `a`.",
    ),
    "it needs itself in another version": (
        question(["a"], candidate("a 1", "a >1")),
        "no versions fit together: you want a; a 1 needs a >1; of a there is only 1",
        "Ask for something else in place of `a`.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_a_conflict_is_told_in_a_sentence_that_says_what_to_change(story: str) -> None:
    """Who wants what in our own spelling, what is in the way, and what to do about it."""
    asked, text, hint = STORIES[story]
    assert refused(asked) == (text, hint)


def test_what_has_nothing_to_do_with_it_is_not_told() -> None:
    """Of ten who ask, two are in each other's way."""
    others = [f"worker{number}>>other" for number in range(10)]
    text, _ = refused(question([*others, "web>>caddy:2.9", "api>>caddy:2.10"], *THREE, candidate("other 1")))
    assert text == "no versions fit together: web wants caddy 2.9; api wants caddy 2.10"


def test_a_long_story_is_cut() -> None:
    """Eight needs are told, the others counted."""
    chain = [candidate(f"p{number} 1", f"p{number + 1} 1") for number in range(20)]
    text, _ = refused(question(["p0"], *chain))
    assert text.count(" needs ") == 7
    assert text.endswith("; and 13 more such needs; no repository has p20")


def hard() -> Question:
    """Each package in twenty versions, which go with none of the next but by their number's luck."""
    made = [
        candidate(f"p{number} {version}", *(f"p{other} {(version * 7 + other) % 20}" for other in range(number)))
        for number in range(30)
        for version in range(20)
    ]
    return question([f"p{number}" for number in range(30)], *made)


def test_steps_and_time_are_bounded() -> None:
    """The error names what was asked for; the clock is the test's."""
    names = ", ".join(sorted(f"p{number}" for number in range(30)))
    ticks = iter(range(1000))
    for resolver, within in (
        (PubgrubResolver(steps=5), "5 steps"),
        (PubgrubResolver(patience=3.0, clock=lambda: float(next(ticks))), "3s"),
    ):
        with pytest.raises(Refused) as caught:
            resolver.resolve(hard())
        assert caught.value.code == "packages_too_many_ways"
        assert str(caught.value) == (
            f"no answer was found within {within}: there are too many ways to put {names} and what they need together"
        )
