"""A real Beeyard and the owner of its repository, who replaces keys with `beeyard repo`, step by step as people do."""

from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.shelf import Shelf
from tests.end_to_end.test_packages import version, wish
from tests.end_to_end.test_secrets import watched


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A repository with one version of a package."""
    return Shelf(tmp_path / "shelf").put("hello", "1.0")


def test_a_host_that_pinned_root_1_goes_on_with_root_3(tmp_path: Path, shelf: Shelf) -> None:
    """The root's only key is given away for two others, then one of them is lost; the pin in the worker file stays."""
    home = shelf.folder.parent
    keys = ("--keys", str(home / "keys"))

    def sign(*arguments: Any) -> None:
        yard.run("repo", "sign", str(shelf.folder), *keys, *map(str, arguments))
        yard.run("repo", "publish", str(shelf.folder), *keys)

    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with watched(tmp_path / "first") as yard:
        wish(yard, [shelf.spec()], web="hello")
        yard.run("up", "--detach")
        assert version(yard) == "1.0"
        one, two, three = (home / f"{name}.key" for name in ("one", "two", "three"))
        sign("--rotate", "root", "--root-key", one, "--root-key", two, "--threshold", 1, "--key", home / "root.key")
        sign("--rotate", "root", "--root-key", two, "--root-key", three, "--threshold", 2)  # one is lost
        assert {file.name for file in shelf.folder.glob("metadata/*.root.json")} == {
            f"{n}.root.json" for n in (1, 2, 3)
        }
        shelf.put("hello", "1.1")
        yard.run("package", "install", "hello:latest")
        yard.run("restart", "web")
        assert version(yard) == "1.1"
    with watched(tmp_path / "second") as yard:  # who never read it before
        wish(yard, [shelf.spec()], web="hello")
        yard.run("up", "--detach")
        assert version(yard) == "1.1"
