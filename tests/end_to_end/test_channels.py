"""Workers that follow a channel of a real signed repository, and what lies beside the package that they run from."""

import json
import shutil
from pathlib import Path

import pytest

from tests.end_to_end.shelf import Shelf
from tests.end_to_end.test_packages import overwrite, talk, version, wish
from tests.end_to_end.test_secrets import watched
from tests.yard import eventually


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A repository with nothing in it."""
    return Shelf(tmp_path / "shelf")


def test_a_worker_follows_its_channel_there_and_back(tmp_path: Path, shelf: Shelf) -> None:
    """Each start that somebody asks for takes what the owner promoted last; without its repository the last word."""
    shelf.put("hello", "1.0", "2.0", "3.0")
    shelf.promote("hello:2.0", "stable")
    with watched(tmp_path) as yard:
        root = shutil.copyfile(shelf.folder / "metadata" / "1.root.json", tmp_path / "root.json")
        wish(yard, [shelf.spec() | {"root": str(root)}], web="hello:stable")
        yard.run("up", "--detach")
        assert version(yard) == "2.0"
        assert "hello  2.0 (stable)  installed" in yard.run("package", "list")
        assert yard.run("package", "why", "hello").splitlines() == ["hello 2.0", "  web needs hello stable"]
        shelf.promote("hello:1.0", "stable")
        yard.run("restart", "web")
        assert version(yard) == "1.0"
        shelf.promote("hello:3.0", "edge")
        assert "hive has no channel beta of hello" in talk(yard, "package", "install", "hello:beta", code=3)
        assert "channels of it: edge, stable" in yard.told[-1].decode()
        assert "installed hello 3.0" in talk(yard, "package", "install", "hello:edge")
        assert "stable is a channel: name a version" in talk(yard, "package", "uninstall", "hello:stable", code=4)

        yard.run("package", "lock")
        shelf.promote("hello:2.0", "stable")
        yard.run("package", "lock")
        yard.run("reload")
        yard.run("restart", "web")
        assert version(yard) == "1.0"
        assert "hello: 1.0 (stable) -> 2.0 (stable)" in yard.run("package", "lock", "--update", "hello")
        yard.run("reload")
        yard.run("restart", "web")
        assert version(yard) == "2.0"
        Path(tmp_path, "beeyard.lock").unlink()
        yard.run("reload")
        shutil.rmtree(shelf.folder)
        yard.run("restart", "web")
        assert version(yard) == "2.0"


def test_a_worker_runs_programs_of_what_its_package_needs(tmp_path: Path, shelf: Shelf) -> None:
    """It is told where each lies, also what is needed by what it needs; and that stays while it runs."""
    shelf.put("deep", "1.0", script="echo deep; exec cat $BEEYARD_PACKAGE/package.yaml")
    shelf.put("my-lib", "1.0", "2.0", script="$BEEYARD_PACKAGE_DEEP/serve", dependencies=[{"name": "deep"}])
    shelf.put(
        "app",
        "1.0",
        script="$BEEYARD_PACKAGE_MY_LIB/serve; exec sleep 1000",
        dependencies=[{"name": "my-lib", "version": "<2"}, {"name": "python3", "version": ">=3"}],
    )
    with watched(tmp_path) as yard:
        wish(yard, [shelf.spec()], web="app")
        yard.run("up", "--detach")
        assert version(yard) == "1.0"
        logged = eventually(lambda: [text for text in [yard.run("logs", "web")] if '"app"' in text], "its output")
        assert "deep" in logged[0]
        assert "my-lib 1.0 is needed by app 1.0, web" in talk(yard, "package", "uninstall", "my-lib", code=4)
        path = next(view["path"] for view in yard.ask("package_list") if view["name"] == "deep")
        overwrite(Path(path, "serve"), b"#!/bin/sh\n")
        assert "web still has the old files: " in talk(yard, "package", "repair")
        assert "restart web" in yard.told[-1].decode()
        repaired = json.loads(yard.run("package", "repair", "--json"))
        assert [(one["damage"], one["workers"]) for one in repaired] == [([], [])] * 3
