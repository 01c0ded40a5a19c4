"""What `package build --oci` makes, in a real Docker Engine: loaded from its file, and pulled from a registry."""

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import registries
from tests.contract.engines import BUSYBOX, docker

pytestmark = pytest.mark.needs_docker


def built(folder: Path, name: str, platform: str = "linux-x86_64") -> Path:
    """The image of a package whose program is a static busybox that tells what it was started with."""
    source = folder / name
    (source / "bin").mkdir(parents=True)
    shutil.copy(os.path.realpath(BUSYBOX), source / "bin" / "busybox")
    (source / "bin" / "echo").symlink_to("busybox")
    about = {"name": name, "version": "1.0", "platform": platform}
    (source / "package.yaml").write_text(
        json.dumps(about | {"process": {"executable_path": "bin/echo", "args": ["hello", "bees"]}})
    )
    output = folder / "builds"
    argv = [sys.executable, "-m", "beeyard", "package", "build", str(source), "--oci", "-o", str(output)]
    subprocess.run(argv, check=True, capture_output=True)
    return output / f"{name}-1.0-{platform}.oci.tar"


@pytest.mark.parametrize("platform", ["linux-x86_64", "any"])
def test_docker_loads_and_runs_what_was_built(tmp_path: Path, platform: str) -> None:
    """Under its name and version, with its program and arguments; nothing else lies in it."""
    name = f"loaded-{platform.replace('_', '-')}"
    file = built(tmp_path, name, platform)
    try:
        assert f"Loaded image: {name}:1.0" in docker("load", "-i", str(file))
        assert docker("run", "--rm", "--network", "none", f"{name}:1.0") == "hello bees"
        listed = docker("run", "--rm", "--network", "none", "--entrypoint", "/bin/busybox", f"{name}:1.0", "ls", "/bin")
        assert listed.split() == ["busybox", "echo"]
        (image,) = json.loads(docker("image", "inspect", f"{name}:1.0"))
        assert json.loads(image["Config"]["Labels"]["io.beeyard.package"])["name"] == name
    finally:
        docker("image", "rm", "--force", f"{name}:1.0")


@pytest.mark.skipif(registries.DEBIAN is None, reason="needs docker-registry, as Debian has it")
def test_docker_pulls_and_runs_what_was_built_and_pushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For any platform there is one image for each, and this host's is taken."""
    file = built(tmp_path, "pulled", "any")
    with registries.debian(tmp_path / "registry") as host:
        registries.push_layout(host, "team/pulled", "1.0", file)
        known = base64.b64encode(f"{registries.USER}:{registries.PASSWORD}".encode()).decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": known}}}))
        named = f"{host}/team/pulled:1.0"
        try:
            docker("--config", str(tmp_path), "pull", named)
            assert docker("run", "--rm", "--network", "none", named) == "hello bees"
        finally:
            docker("image", "rm", "--force", named)
