"""Packages of a distribution: a worker runs from one that was unpacked, goes on to the next version and back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import debs
from tests.end_to_end.test_packages import version
from tests.end_to_end.test_secrets import watched
from tests.yard import eventually

pytestmark = pytest.mark.needs_apt


@pytest.fixture
def key(tmp_path: Path) -> Iterator[debs.Key]:
    """The owner's."""
    made = debs.Key(tmp_path / "gpg")
    yield made
    made.close()


def published(place: Path, key: debs.Key, number: str) -> None:
    """A program that says which version it is."""
    debs.deb(place, "hello", number, {"usr/bin/hello": f"#!/bin/sh\necho this is {number}\nexec sleep 1000\n"})
    debs.index(place, key)


def repository(place: Path, key: debs.Key, **more: Any) -> dict[str, Any]:
    """The worker file's `package_manager`."""
    said = {"name": "debian", "manager": "apt", "path": str(place), "root": str(key.public), "unpacked": True}
    policies = {"allow_downgrades": True, "required_trust": "signature"}
    return {"package_manager": {"repositories": [said | more], "policies": policies}}


def test_a_worker_runs_from_a_debian_package_and_goes_on_and_back(tmp_path: Path, key: debs.Key) -> None:
    """Both versions stand side by side; what the host has installed is not touched."""
    place = tmp_path / "debs"
    place.mkdir()
    published(place, key, "1:1.0-1")
    with watched(tmp_path) as yard:
        yard.wish(**repository(place, key), workers=[{"id": "web", "package": "hello"}])
        yard.run("up", "--detach")
        assert version(yard) == "1!1.0+1"
        eventually(lambda: "this is 1:1.0-1" in yard.run("logs", "web"), "what it says")
        published(place, key, "1:1.0-2")
        yard.run("package", "install", "hello:latest")
        yard.run("restart", "web")
        eventually(lambda: "this is 1:1.0-2" in yard.run("logs", "web"), "the next version")
        yard.wish(**repository(place, key), workers=[{"id": "web", "package": "hello:1!1.0+1"}])
        yard.run("reload")
        eventually(lambda: yard.run("logs", "web").count("this is 1:1.0-1") == 2, "the version before")
        yard.run("package", "verify", "hello")
        (shown,) = [view for view in yard.ask("package_list") if "web" in view["workers"]]
        assert (shown["version"], shown["trust"]) == ("1!1.0+1", "signature")
    assert not Path("/usr/bin/hello").exists()


def test_an_index_that_its_key_did_not_sign_never_starts_a_worker(tmp_path: Path, key: debs.Key) -> None:
    """It says so, and tries again."""
    place = tmp_path / "debs"
    place.mkdir()
    published(place, key, "1.0")
    (place / "InRelease").unlink()
    with watched(tmp_path) as yard:
        yard.wish(**repository(place, key), workers=[{"id": "web", "package": "hello"}])
        yard.run("up", "--detach")
        eventually(lambda: "is not signed" in yard.run("ps"), "why it waits")
        assert yard.ask("package_list") == []
