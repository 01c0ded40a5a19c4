"""Packages that show on the host that they run before they count as installed: a real master, a real confinement."""

import os
import signal
from pathlib import Path

import pytest

from tests.end_to_end.shelf import Shelf
from tests.end_to_end.test_packages import talk, version, wish
from tests.end_to_end.test_secrets import Watched, watched
from tests.unit.adapters.test_confined import needs_namespaces
from tests.yard import eventually

pytestmark = needs_namespaces

CHECK = {"command": ["serve", "--version"]}
TELLS = 'case "$1" in --version) {};; *) exec sleep 1000;; esac'


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A repository with a version that tells which one it is."""
    return Shelf(tmp_path / "shelf").put("hello", "1.0", script=TELLS.format("echo hello 1.0"), check=CHECK)


def left(yard: Watched) -> list[str]:
    """What lies around of installs."""
    packages = Path(yard.paths.packages)
    return [one.name for folder in ("staging", "store") for one in (packages / folder).iterdir()]


def checking(yard: Watched) -> list[int]:
    """The processes that run from what is not installed yet."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{yard.paths.packages}/staging" in (process / "cmdline").read_text():
                found.append(int(process.name))
        except OSError:  # It ended.
            continue
    return found


def test_a_package_that_runs_here_is_installed_and_says_so(tmp_path: Path, shelf: Shelf) -> None:
    """One that does not is not, and its worker says what was found, and runs on from what it has."""
    with watched(tmp_path) as yard:
        wish(yard, [shelf.spec()], web="hello")
        yard.run("up", "--detach")
        assert version(yard) == "1.0"
        told = "1.0: checked when it was installed: `serve --version` printed 1.0"
        assert told in yard.run("package", "show", "hello").splitlines()
        shelf.put("hello", "2.0", script=TELLS.format("echo hello 1.0"), check=CHECK)
        fails = (
            "error: hello 2.0 fails its own check, `serve --version`: no 2.0 in what it printed; it printed: hello 1.0"
        )
        assert fails in talk(yard, "package", "install", "hello:2.0", code=6)
        assert fails in talk(yard, "package", "update", "hello", code=6)
        assert (version(yard), left(yard)) == ("1.0", ["hello"])
        assert len(yard.ask("package_list")) == 1


def test_a_kill_in_the_midst_of_a_check_leaves_nothing(tmp_path: Path, shelf: Shelf) -> None:
    """Neither files nor a process; the next master begins anew."""
    wait = {**CHECK, "timeout": "10m"}
    shelf.put("slow", "1.0", script=TELLS.format("sleep 1000"), check=wait)
    with watched(tmp_path) as yard:
        wish(yard, [shelf.spec()], web="hello")
        yard.run("up", "--detach")
        yard.follow("package", "install", "slow")
        (before, *_) = eventually(lambda: checking(yard), "a check")
        os.kill(yard.pid("master"), signal.SIGKILL)
        eventually(yard.answers, "another master")
        eventually(lambda: before not in checking(yard), "the end of the check")
        eventually(lambda: left(yard) == ["hello"], "nothing that is left")
        assert [one["name"] for one in yard.ask("package_list")] == ["hello"]
