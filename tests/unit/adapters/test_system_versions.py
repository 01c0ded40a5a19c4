"""Versions as distributions write them: their order is the tools' own, and ours never contradicts it."""

import subprocess
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some
from msgspec import Struct

from beeyard.adapters.system.versions import dpkg_key, ordered, rpm_key, spelled
from beeyard.domain.packages import version, wanted

PARTS = some.text(alphabet="019.~+ab", max_size=6)
DEBIAN = some.builds(
    lambda epoch, begin, rest, revision: f"{epoch}{begin}{rest}{revision}",
    some.sampled_from(["", "0:", "1:"]),
    some.sampled_from("019"),
    PARTS,
    PARTS.map(lambda text: f"-{text}" if text else ""),
)
FEDORA = some.builds(
    lambda begin, rest, revision: f"{begin}{rest}-{revision}",
    some.sampled_from("019"),
    some.text(alphabet="019.~^ab", max_size=6),
    some.sampled_from(["1", "2.fc40", "1~a"]),
)


class One(Struct, frozen=True):
    """A build."""

    theirs: str
    version: str


@pytest.mark.needs_apt
@settings(max_examples=150, deadline=None)
@given(DEBIAN, DEBIAN)
@example("1.0~rc1", "1.0")
@example("1.0-1", "1.0-1+b1")
@example("1.0", "1.0-0")
def test_the_order_is_that_of_dpkg(one: str, other: str) -> None:
    """Epochs, `~`, letters and numbers."""
    asked = subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False, capture_output=True)
    assert (dpkg_key(one) < dpkg_key(other)) is (asked.returncode == 0)


@pytest.mark.needs_dnf
@settings(max_examples=40, deadline=None)
@given(some.lists(some.tuples(FEDORA, FEDORA), min_size=30, max_size=60))
@example([("1.0~rc1-1", "1.0-1"), ("1.0^a-1", "1.0-1"), ("1.0^a-1", "1.0.1-1"), ("1.a-1", "1.1-1")])
def test_the_order_is_that_of_rpm(pairs: list[tuple[str, str]]) -> None:
    """`~` before the end, `^` after it, letters before numbers."""
    asked = "".join(f"%{{lua:print(rpm.vercmp('{one}', '{other}'))}}\n" for one, other in pairs)
    said = subprocess.run(["rpm", "--eval", asked], capture_output=True, check=True, text=True).stdout.split()
    assert [(rpm_key(one) > rpm_key(other)) - (rpm_key(one) < rpm_key(other)) for one, other in pairs] == [
        int(answer) for answer in said
    ]


@given(some.lists(DEBIAN, max_size=12, unique=True))
@example(["1.0-5", "1.0-5~bpo12", "1.0+dfsg-1", "1.0-1"])
def test_no_two_versions_change_places(texts: list[str]) -> None:
    """The newest by dpkg's rules is the newest by ours: what contradicts it is left out."""
    builds = [One(text, spelled(text)) for text in texts]
    found = ordered(builds, dpkg_key)
    assert [one.theirs for one in found] == [one.theirs for one in sorted(found, key=lambda one: dpkg_key(one.theirs))]
    assert all(version(one.version) < version(two.version) for one, two in pairwise(found))
    assert not builds or dpkg_key(found[-1].theirs) == max(dpkg_key(one.theirs) for one in builds)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("2.6.2-5+b1", "2.6.2+5.b.1"),
        ("5:7.0.15-1~deb12u5", "5!7.0.15+1.deb.12.u.5"),
        ("1:2.6~rc1-5", "1!2.6rc1+5"),
        ("2.0~git2023-1", "2.0.dev0+git.2023.1"),
        ("2.0+dfsg-1", "2.0+dfsg.1"),
        ("1.0-0", "1.0"),
        ("1.0", "1.0"),
    ],
)
def test_a_version_is_spelled_as_python_has_it(theirs: str, ours: str) -> None:
    """So upstream's part can be named alone."""
    assert spelled(theirs) == ours
    assert str(version(ours)) == ours


def test_a_range_names_upstreams_version_and_perhaps_the_epoch() -> None:
    """Whatever the distribution's own revision is."""
    assert wanted("caddy:2.6.2").takes(spelled("2.6.2-5+b1"))
    assert wanted("redis:>=5!7,<5!8").takes(spelled("5:7.0.15-1~deb12u5"))
    assert not wanted("redis:>=5!7,<5!8").takes(spelled("7.0.15-1"))


@pytest.mark.parametrize("theirs", ["beta-1", "a:1.0", "1." + "1-" * 40 + "2"])
def test_what_has_no_version_of_upstreams_is_no_version(theirs: str) -> None:
    """Nobody could name it."""
    with pytest.raises(ValueError, match="version"):
        spelled(theirs)
