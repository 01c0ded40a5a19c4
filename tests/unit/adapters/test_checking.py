"""What a package shows of itself before it counts as installed, and in what it is held meanwhile."""

import shutil
from pathlib import Path

import pytest

from beeyard.adapters.confined.checking import _tells, check
from beeyard.domain.errors import Refused, Rejected
from beeyard.domain.packages import Check, Description, Manifest, Payload
from beeyard.domain.values import Duration
from tests.unit.adapters.test_confined import allow, needs_landlock, needs_namespaces

pytestmark = needs_namespaces


def checked(folder: Path, script: str, *args: str, timeout: float = 10.0, begins: str = "#!/bin/sh\n") -> None:
    """As the store does it, with a program of this package."""
    tree, room = folder / "tree", folder / "room"
    for one in (tree, room):
        shutil.rmtree(one, ignore_errors=True)
        one.mkdir()
    (tree / "hello").write_text(f"{begins}{script}\n")
    (tree / "hello").chmod(0o555)
    wish = Check(("hello", *args), "1.0", Duration(timeout))
    check(Description(Manifest("hello", "1.0", check=wish), (), Payload("", 0, "0" * 64)), tree, room)


def test_a_program_that_tells_its_version_passes(tmp_path: Path) -> None:
    """On either of its outputs; it runs in its package, with a room to write to as its home."""
    checked(tmp_path, 'echo "hello v$1 linux/amd64"', "1.0")
    checked(tmp_path, "echo 1.0 >&2")
    checked(tmp_path, 'test -x hello && echo 1.0 > "$HOME/said" && cat "$HOME/said"')


@pytest.mark.parametrize(
    ("script", "timeout", "told"),
    [
        ("echo 2.0", 10.0, "no 1.0 in what it printed; it printed: 2.0"),
        ("", 10.0, "no 1.0 in what it printed"),
        ("echo 1.0; exit 3", 10.0, "exit code 3; it printed: 1.0"),
        ("echo no such library; kill -SEGV $$", 10.0, "it was ended by SIGSEGV; it printed: no such library"),
        ("printf 'a\\033[31mb'; exit 1", 10.0, "exit code 1; it printed: a [31mb"),
        ("sleep 1000", 0.5, "it was ended after 500ms"),
    ],
    ids=["another version", "nothing", "a bad end", "a signal", "control characters", "too long"],
)
def test_one_that_does_not_is_told_with_what_was_found(tmp_path: Path, script: str, timeout: float, told: str) -> None:
    """By its exit code, its time, and its last words."""
    with pytest.raises(Rejected) as caught:
        checked(tmp_path, script, "--version", timeout=timeout)
    assert caught.value.code == "package_check_failed"
    assert str(caught.value) == f"hello 1.0 fails its own check, `hello --version`: {told}"


def test_a_program_for_another_machine_is_told(tmp_path: Path) -> None:
    """The kernel says why it can't run."""
    with pytest.raises(Rejected, match=r"`hello`: Exec format error$"):
        checked(tmp_path, "", begins="\x7fELF")


@needs_landlock
def test_it_changes_nothing_and_reads_nothing_else(tmp_path: Path) -> None:
    """Neither its own package nor what belongs to this user."""
    (tmp_path / "secret").write_text("hidden")
    with pytest.raises(Rejected, match="exit code 7"):
        checked(tmp_path, f"cat {tmp_path}/secret || exit 7")
    with pytest.raises(Rejected, match="exit code 8"):
        checked(tmp_path, "echo more >> hello || exit 8")
    with pytest.raises(Rejected, match="exit code 9"):
        checked(tmp_path, f"echo x > {tmp_path}/made || exit 9")


@pytest.mark.parametrize(
    ("said", "told"),
    [("v1.0", True), ("hello 1.0-linux", True), ("1.0, built today", True), ("1.0.", True)]
    + [(said, False) for said in ("1.01", "1.0.1", "11.0", "2.1.0", "1.0rc1", "1.0.dev1")],
)
def test_a_version_is_not_taken_for_another_one(said: str, told: bool) -> None:
    """That is longer, or ends like it."""
    assert _tells("1.0", said) is told


@needs_landlock
def test_where_it_shares_the_host_it_is_held_by_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that may make no namespaces."""
    allow(monkeypatch, namespaces=False)
    (tmp_path / "secret").write_text("hidden")
    checked(tmp_path, "echo 1.0")
    with pytest.raises(Rejected, match="exit code 7"):
        checked(tmp_path, f"cat {tmp_path}/secret || exit 7")


def test_where_nothing_can_hold_it_it_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel of this test has nothing for that, and says so."""
    allow(monkeypatch, namespaces=False, landlock=False)
    with pytest.raises(Refused) as caught:
        checked(tmp_path, "echo 1.0")
    assert caught.value.code == "package_check_unheld"
