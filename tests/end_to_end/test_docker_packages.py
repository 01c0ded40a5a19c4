"""Packages in containers, on a real engine: a folder that is mounted, and an image that is the package."""

import base64
import gzip
import hashlib
import json
import os
from pathlib import Path

import pytest

from tests import registries
from tests.contract.engines import BUSYBOX, docker, image
from tests.end_to_end.test_package_folders import write
from tests.end_to_end.test_secrets import Watched, watched
from tests.registries import CONFIG, LAYER, MANIFEST, described, entry, layer
from tests.yard import eventually

pytestmark = pytest.mark.needs_docker

PROGRAM = b"#!/bin/sh\necho from $(cat /srv/word), in $PWD\nexec sleep 1000\n"
RUN = {"Entrypoint": ["serve"], "Env": ["PATH=/usr/local/bin:/bin"], "WorkingDir": "/srv"}


def push(host: str, layers: list[bytes]) -> None:
    """An image of these layers that an engine takes: it looks at the digest of what is in each."""
    inner = [f"sha256:{hashlib.sha256(gzip.decompress(one)).hexdigest()}" for one in layers]
    rootfs = {"type": "layers", "diff_ids": inner}
    config = json.dumps({"os": "linux", "architecture": "amd64", "config": RUN, "rootfs": rootfs}).encode()
    named = [described(one, f"{LAYER}+gzip") for one in layers]
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described(config, CONFIG), "layers": named}
    registries.push(host, "team/hello", "1.0", MANIFEST, json.dumps(manifest).encode(), [config, *layers])


def swept(yard: Watched) -> None:
    """No container of its worker is left."""
    yard.run("down")
    assert docker("ps", "-q", "--filter", f"label=beeyard.owner={yard.paths.identity}") == ""


def test_a_folder_is_mounted_and_supplies_the_program(tmp_path: Path) -> None:
    """The image is the worker's, program and arguments are the package's; what it needs lies beside it, and nothing of
    it can be written to."""
    (tmp_path / "dev").mkdir()
    write(tmp_path / "dev/hello", "1.0", "one")
    (tmp_path / "dev/hello/serve").write_text(
        "#!/bin/sh\necho $1 in $PWD from $BEEYARD_PACKAGE\ntouch here\nexec sleep 1000\n"
    )
    with watched(tmp_path) as yard:
        dev = {"name": "dev", "manager": "directory", "path": str(tmp_path / "dev"), "trust": "unsigned"}
        worker = {"id": "web", "provider": "docker", "package": "hello", "docker": {"image": image(), "init": True}}
        yard.wish(package_manager={"repositories": [dev]}, workers=[worker])
        yard.run("up", "--detach")
        eventually(lambda: "one in /opt/beeyard/hello from /opt/beeyard/hello" in yard.run("logs", "web"), "its word")
        eventually(lambda: "touch: here: Read-only file system" in yard.run("logs", "web"), "refused")
        swept(yard)


@pytest.mark.skipif(registries.DEBIAN is None, reason="needs docker-registry, as Debian has it")
def test_an_image_package_is_the_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the digest that Beeyard verified, as its own config says, with nothing but `package:` in the worker file."""
    login = base64.b64encode(f"{registries.USER}:{registries.PASSWORD}".encode()).decode()
    busybox = layer(entry("bin/sh", Path(os.path.realpath(BUSYBOX)).read_bytes(), 0o755), *(
        entry(f"bin/{name}", link="sh", kind=b"2") for name in ("cat", "sleep")
    ))  # fmt: skip
    own = layer(entry("usr/local/bin/serve", PROGRAM, 0o755), entry("srv/word", b"the image"))
    with registries.debian(tmp_path / "registry") as host:
        push(host, [busybox, own])
        (tmp_path / "docker").mkdir()
        (tmp_path / "docker/config.json").write_text(json.dumps({"auths": {host: {"auth": login}}}))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
        with watched(tmp_path) as yard:
            named = {"name": "images", "manager": "oci", "url": f"http://{host}/team", "trust": "unsigned"}
            worker = {"id": "web", "provider": "docker", "package": "hello"}
            yard.wish(package_manager={"repositories": [named]}, workers=[worker])
            yard.run("up", "--detach")
            eventually(lambda: "from the image, in /srv" in yard.run("logs", "web"), "its words")
            (container,) = docker("ps", "-q", "--filter", f"label=beeyard.owner={yard.paths.identity}").split()
            assert f"{host}/team/hello@sha256:" in docker("inspect", "-f", "{{.Config.Image}}", container)
            swept(yard)
