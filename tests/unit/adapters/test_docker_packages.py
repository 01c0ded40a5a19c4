"""What packages supply to containers: an image, or a mounted program; and what they can't."""

from pathlib import Path
from typing import Any

import pytest

from beeyard.adapters.providers.docker.packaged import equipped
from beeyard.adapters.providers.docker.section import PackagedDocker
from beeyard.domain.errors import Refused
from beeyard.domain.packages import Manifest, ProcessEntry
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.values import WorkerId

IMAGE = "registry.example.org/team/web@sha256:00"
ENTRY = ProcessEntry("bin/web", ("--serve",), ("PATH=/bin", "COLOUR=green"), "srv")
WEB = Manifest("web", "1.0", process=ENTRY)


def run(section: PackagedDocker, image: str = "", manifest: Manifest = WEB, **needs: str) -> dict[str, Any]:
    """The section that is carried out."""
    spec = WorkerSpec(WorkerId("w"), "docker", {}, package="web")
    return equipped(spec, section, manifest, "/store/web", needs, image).run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is one of this host, whatever is installed on it."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")


def test_a_mounted_package_supplies_the_program() -> None:
    """Its paths are those in the container; what it needs lies beside it, and all of it can only be read."""
    assert run(PackagedDocker("debian:12"), lib="/store/lib") == {
        "image": "debian:12",
        "entrypoint": ("/opt/beeyard/web/bin/web",),
        "command": ("--serve",),
        "working_directory": "/opt/beeyard/web/srv",
        "environment": {
            "PATH": "/opt/beeyard/web/bin:/bin",
            "COLOUR": "green",
            "BEEYARD_PACKAGE": "/opt/beeyard/web",
            "BEEYARD_PACKAGE_LIB": "/opt/beeyard/lib",
        },
        "volumes": {
            "/opt/beeyard/lib": {"path": "/store/lib", "read_only": True},
            "/opt/beeyard/web": {"path": "/store/web", "read_only": True},
        },
    }


def test_what_the_worker_names_counts_first() -> None:
    """Its own program has none of the package's arguments."""
    own = PackagedDocker(
        "debian:12", command=("sh",), environment={"COLOUR": "red"}, working_directory="/tmp", init=False
    )
    found = run(own)
    assert (found["command"], "entrypoint" in found, found["working_directory"]) == (("sh",), False, "/tmp")
    assert (found["environment"]["COLOUR"], found["init"]) == ("red", False)
    bare = Manifest("web", "1.0")
    assert run(PackagedDocker("debian:12", entrypoint=("sh",)), manifest=bare)["entrypoint"] == ("sh",)


def test_an_image_package_is_the_image() -> None:
    """Program, folder and environment are its own; unless the worker names another image, in which it is mounted."""
    assert run(PackagedDocker(), IMAGE) == {"image": IMAGE, "environment": {"BEEYARD_PACKAGE": "/"}}
    assert run(PackagedDocker("debian:12"), IMAGE)["entrypoint"] == ("/opt/beeyard/web/bin/web",)


@pytest.mark.parametrize(
    ("section", "image", "manifest", "error"),
    [
        (
            PackagedDocker(),
            "",
            WEB,
            "web 1.0 is no image, and w names none to run it in; name one as docker.image",
        ),
        (
            PackagedDocker("debian:12"),
            "",
            Manifest("web", "1.0"),
            "web 1.0 names no program that it runs as; name one as docker.command",
        ),
        (
            PackagedDocker("debian:12", host="tcp://10.0.0.1"),
            "",
            WEB,
            "w runs on an engine elsewhere, where the folder of web 1.0 is not; "
            "build it as an image: `beeyard package build --oci`",
        ),
    ],
)
def test_what_cannot_be_run_so_says_what_to_do(
    section: PackagedDocker, image: str, manifest: Manifest, error: str
) -> None:
    """Neither an image nor a program comes from nowhere, and no folder goes to another host."""
    with pytest.raises(Refused) as refused:
        run(section, image, manifest)
    assert refused.value.advised == error


def test_an_image_package_runs_on_an_engine_elsewhere() -> None:
    """It pulls it there."""
    assert run(PackagedDocker(host="tcp://10.0.0.1"), IMAGE)["image"] == IMAGE
