"""Images from a registry with a password, as a real one serves them."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from beeyard.adapters.providers.docker.engine import Engine
from beeyard.adapters.providers.docker.pulling import Pulling
from beeyard.domain.errors import Rejected, Unavailable
from tests.contract.engines import docker, image
from tests.yard import eventually

pytestmark = [
    pytest.mark.needs_docker,
    pytest.mark.skipif(
        not (shutil.which("docker-registry") and shutil.which("htpasswd")),
        reason="needs docker-registry and htpasswd",
    ),
]

CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: bees, path: {folder}/passwords}}}}
"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Its address, with one image in it that only `bee` with the password `honey` may have."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    passwords = subprocess.run(["htpasswd", "-nbB", "bee", "honey"], capture_output=True, check=True).stdout
    (tmp_path / "passwords").write_bytes(passwords.strip() + b"\n")
    (tmp_path / "config.yml").write_text(CONFIG.format(folder=tmp_path, port=port))
    log = (tmp_path / "log").open("wb")
    child = subprocess.Popen(["docker-registry", "serve", str(tmp_path / "config.yml")], stdout=log, stderr=log)
    try:
        eventually(lambda: _answers(port), "a registry that answers")
        host = f"127.0.0.1:{port}"
        folder = tmp_path / "with"
        folder.mkdir()
        (folder / "config.json").write_text(_config(host))
        docker("tag", image(), f"{host}/bees:1")
        docker("--config", str(folder), "push", f"{host}/bees:1")
        docker("rmi", f"{host}/bees:1")
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "without"))
        yield host
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait()
        log.close()
        form = "{{.Repository}}:{{.Tag}}"
        for one in docker("images", "--format", form, "--filter", f"reference=127.0.0.1:{port}/*").split():
            docker("rmi", "-f", one)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _config(host: str) -> str:
    return json.dumps({"auths": {host: {"auth": base64.b64encode(b"bee:honey").decode()}}})


async def pulled(name: str) -> None:
    """Pull it as a launch does."""
    engine = Engine()
    try:
        await Pulling(engine).pull(name)
    finally:
        await engine.close()


async def test_the_password_of_the_docker_configuration_is_used(
    registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And without it the registry's no is an error, not a stale image."""
    with pytest.raises(Rejected) as refused:
        await pulled(f"{registry}/bees:1")
    assert (refused.value.code, "no basic auth credentials" in str(refused.value)) == ("image_not_pulled", True)
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "config.json").write_text(_config(registry))
    await pulled(f"{registry}/bees:1")
    assert docker("images", "-q", f"{registry}/bees:1")
    with pytest.raises(Rejected) as missing:
        await pulled(f"{registry}/bees:2")
    assert "manifest unknown" in str(missing.value)


async def test_a_helper_for_credentials_is_asked(
    registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On its standard input, for this registry; and when it fails, that is told."""
    helper = tmp_path / "docker-credential-hive"
    helper.write_text(
        f'#!/bin/sh\nread host\n[ "$host" = "{registry}" ] || exit 1\n'
        'echo "{\\"Username\\": \\"bee\\", \\"Secret\\": \\"honey\\"}"\n'
    )
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "without").mkdir()
    config = tmp_path / "without" / "config.json"
    config.write_text(json.dumps({"credHelpers": {registry: "hive"}}))
    await pulled(f"{registry}/bees:1")
    assert docker("images", "-q", f"{registry}/bees:1")
    config.write_text(json.dumps({"credHelpers": {registry: "none-such"}}))
    with pytest.raises(Unavailable) as failed:
        await pulled(f"{registry}/bees:1")
    assert "can't be had from docker-credential-none-such: No such file or directory" in str(failed.value)
