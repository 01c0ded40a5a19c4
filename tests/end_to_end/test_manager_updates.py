"""Updates and what works without a network, for packages of distributions and of Python: as for our own ones."""

from pathlib import Path
from typing import Any

import pytest

from tests import debs, rpms
from tests.end_to_end.test_packages import version
from tests.end_to_end.test_secrets import Watched, watched
from tests.end_to_end.test_updates import ended
from tests.wheels import a_wheel
from tests.yard import eventually

PLAN = {"min_healthy": "200ms", "healthy_deadline": "10s", "watch": "500ms"}
STAYS, ENDS = "exec sleep 1000", "sleep 0.3; exit 3"


class Place:
    """A repository of one kind, with versions of `hello`; unpacked where that can be chosen."""

    manager = "apt"

    def __init__(self, home: Path) -> None:
        self.folder = home / "repository"
        self.folder.mkdir()

    def spec(self) -> dict[str, Any]:
        """As the worker file has it."""
        said = {"name": "main", "manager": self.manager, "path": str(self.folder), "trust": "unsigned"}
        return said if self.manager == "python" else said | {"unpacked": True}

    def put(self, number: str, script: str = STAYS) -> None:
        """Another version, whose program does this."""
        debs.deb(self.folder, "hello", number, {"usr/bin/hello": f"#!/bin/sh\n{script}\n"})
        debs.index(self.folder)


class Rpms(Place):
    """Of Fedora's kind."""

    manager = "dnf"

    def put(self, number: str, script: str = STAYS) -> None:
        rpms.rpm(self.folder, "hello", number, {"usr/bin/hello": f"#!/bin/sh\n{script}\n"})
        rpms.index(self.folder)


class Wheels(Place):
    """Of Python."""

    manager = "python"

    def put(self, number: str, script: str = STAYS) -> None:
        files = {f"hello-{number}.data/scripts/hello": f"#!/bin/sh\n{script}\n"}
        a_wheel(self.folder, "hello", number, files)


@pytest.fixture(
    params=[
        pytest.param(Place, marks=pytest.mark.needs_apt, id="apt"),
        pytest.param(Rpms, marks=pytest.mark.needs_dnf, id="dnf"),
        pytest.param(Wheels, id="python"),
    ]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """With a first version."""
    made: Place = request.param(tmp_path)
    made.put("1.0")
    return made


def begin(yard: Watched, place: Place) -> None:
    """`web` runs 1.0."""
    worker = {"id": "web", "package": "hello", "restart_policy": "always", "rollout": PLAN}
    yard.wish(package_manager={"repositories": [place.spec()]}, workers=[worker])
    yard.run("up", "--detach")
    assert version(yard) == "1.0"


def test_a_worker_is_updated_and_a_bad_version_goes_back(tmp_path: Path, place: Place) -> None:
    """By itself, with the reason; then to the version before, by a command."""
    with watched(tmp_path) as yard:
        begin(yard, place)
        place.put("2.0")
        assert "web: hello 1.0 -> 2.0" in yard.run("package", "update", "hello", "--dry-run")
        yard.run("package", "update", "hello")
        assert (ended(yard)["stage"], version(yard)) == ("done", "2.0")
        place.put("3.0", ENDS)
        yard.run("package", "update", "hello")
        back = ended(yard)
        assert (back["stage"], version(yard)) == ("returned", "2.0")
        assert "web ended: exit code 3" in back["reason"]
        yard.run("package", "rollback", "web")
        assert (ended(yard)["stage"], version(yard)) == ("done", "1.0")


def test_without_its_repository_a_worker_starts_from_what_is_there(tmp_path: Path, place: Place) -> None:
    """Also after everything was down; what is there can be looked at, and what is missing says why."""
    with watched(tmp_path) as yard:
        begin(yard, place)
        place.folder.rename(place.folder.with_name("gone"))
        yard.run("restart", "web")
        yard.running("web")
        yard.run("down")
        yard.run("up", "--detach")
        assert version(yard) == "1.0"
        assert "1.0" in yard.run("package", "list")
        yard.run("package", "verify", "hello")
        yard.run("package", "install", "other", code=5)
        eventually(lambda: yard.ps()["web"]["state"] == "running", "web")
