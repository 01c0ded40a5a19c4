"""A lock file says what was chosen on each platform; it can be merged by hand, and a mistake is told by its line."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beeyard.domain.errors import Invalid
from beeyard.domain.locked import Lock, Locked, lock
from beeyard.domain.packages import TRUST, Wanted
from beeyard.domain.resolution import Ask
from beeyard.entrypoints.settings import lock_file

LINUX = "linux-x86_64"


def locked(name: str, version: str, platform: str = LINUX, digest: str = "a") -> Locked:
    """One build."""
    return Locked(name, version, platform, digest * 64, "main", "tuf")


TEXT = f"""\
# The builds that were chosen, written by Beeyard. Keep it beside the worker file.
# After a merge, leave the blocks of both sides: of several versions the newest that fits is taken.
format = 1

[[package]]
name = "caddy"
version = "2.9"
platform = "linux-x86_64"
digest = "{"a" * 64}"
repository = "main"
trust = "tuf"

[[package]]
name = "caddy"
version = "2.10"
platform = "linux-x86_64"
digest = "{"a" * 64}"
repository = "main"
trust = "tuf"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where it lies."""
    return tmp_path / "beeyard.lock"


def test_it_is_written_in_one_order_and_read_again(file: Path) -> None:
    """Older versions first, whatever came first; nothing else is left beside it."""
    made = lock([locked("caddy", "2.10"), locked("caddy", "2.9"), locked("caddy", "2.10")])
    lock_file.save(str(file), made)
    assert file.read_text() == TEXT
    assert lock_file.load(str(file)) == made
    assert list(file.parent.iterdir()) == [file]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=3), st.randoms())
def test_any_lock_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], mix: Random
) -> None:
    """Whatever a repository is called; and the order of the blocks does not matter."""
    made = [Locked(f"p{at}", "1", "any", "0" * 64, name, TRUST[at]) for at, name in enumerate(names)]
    file = tmp_path_factory.getbasetemp() / "any.lock"
    mix.shuffle(made)
    lock_file.save(str(file), lock(made))
    assert lock_file.load(str(file)) == lock(made)
    head, *blocks = file.read_text().split("[[package]]")
    mix.shuffle(blocks)
    file.write_text("[[package]]".join([head, *(block.rstrip() + "\n\n" for block in blocks)]))
    assert lock_file.load(str(file)) == lock(made)


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        (("format = 1", "format = 2"), ["3: format: found 2, expected 1, the one format that this version knows"]),
        (("format = 1", ""), ["1: format: found nothing, expected a value: it has no default"]),
        (('"2.9"', '"new"'), ["7: package[0].version: found 'new', expected a version such as 1.2.3"]),
        (('trust = "tuf"', "trust = true"), [
            "11: package[0].trust: found true, expected one of none, checksum, signature, tuf",
            "19: package[1].trust: found true, expected one of none, checksum, signature, tuf",
        ]),
        (('repository = "main"\n', ""), [
            "5: package[0].repository: found nothing, expected a value: it has no default",
            "12: package[1].repository: found nothing, expected a value: it has no default",
        ]),
        (('version = "2.9"', 'versoin = "2.9"'), [
            "5: package[0].version: found nothing, expected a value: it has no default",
            "7: package[0].versoin: found an unknown key, expected a known key (did you mean version?)",
        ]),
        (("format = 1\n", "format = 1\n<<<<<<< HEAD\n"), [
            "4: merge: found '<<<<<<< HEAD', expected a merge that is finished "
            "(leave the blocks of both sides, and remove this line)",
        ]),
        (("[[package]]", "[package"), ["5: syntax: found expected ']' at the end of a table declaration, "
            "expected valid TOML"]),
        ((f'version = "2.10"\nplatform = "linux-x86_64"\ndigest = "{"a" * 64}"',
          f'version = "2.9"\nplatform = "linux-x86_64"\ndigest = "{"b" * 64}"'), [
            "13: package[1]: found another build, expected what line 5 says of caddy 2.9 "
            "(remove one of the two blocks)",
        ]),
    ],
    ids=["newer", "no format", "version", "trust", "missing", "misspelt", "merge", "syntax", "clash"],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(file: Path, change: tuple[str, str], problems: list[str]) -> None:
    """All of it at once."""
    file.write_text(TEXT.replace(*change))
    with pytest.raises(Invalid) as caught:
        lock_file.load(str(file))
    assert caught.value.code == "config_invalid"
    assert [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems] == problems


def test_the_same_block_twice_is_no_mistake(file: Path) -> None:
    """Both sides of a merge chose the same."""
    file.write_text(TEXT.replace('"2.10"', '"2.9"'))
    assert lock_file.load(str(file)) == lock([locked("caddy", "2.9")])


def test_of_several_versions_the_newest_that_all_take_is_locked() -> None:
    """Else the newest; a version for another platform is none."""
    some = lock([locked("caddy", "2.9"), locked("caddy", "2.10"), locked("caddy", "3", "linux-aarch64")])
    assert some.versions([], LINUX) == {"caddy": "2.10"}
    assert some.versions([Ask(Wanted("caddy", "<2.10")), Ask(Wanted("caddy"))], LINUX) == {"caddy": "2.9"}
    assert some.versions([Ask(Wanted("caddy", ">4"))], LINUX) == {"caddy": "2.10"}


def test_the_build_for_this_platform_is_found_before_the_one_for_any() -> None:
    """And none that does not run here."""
    own, common = locked("a", "1"), locked("a", "1", "any", "b")
    some = lock([common, own, locked("b", "1", "linux-aarch64")])
    assert some.find("a", "1", LINUX) == own
    assert some.find("a", "1", "linux-aarch64") == common
    assert some.find("b", "1", LINUX) is None
    assert some.find("a", "2", LINUX) is None


def test_what_is_locked_for_other_platforms_stays() -> None:
    """Only what runs here is chosen anew."""
    other = locked("caddy", "2.9", "linux-aarch64")
    some = lock([locked("caddy", "2.9"), locked("old", "1", "any"), other])
    assert some.renewed([locked("caddy", "2.10")], LINUX) == Lock((other, locked("caddy", "2.10")))
