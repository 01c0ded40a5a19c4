"""An image as a package: it is pulled before a worker's first start, locked, and run as a process of this host."""

from pathlib import Path
from typing import Any

import pytest

from tests import registries
from tests.end_to_end.test_packages import version
from tests.end_to_end.test_secrets import watched
from tests.registries import entry, layer, push_image
from tests.yard import eventually

PROGRAM = b'#!/bin/sh\necho "$GREETING $1 of $(basename "$PWD"), $(helper)"\nexec sleep 1000\n'
RUN = {
    "Entrypoint": ["serve"],
    "Cmd": ["one"],
    "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "GREETING=word"],
    "WorkingDir": "/srv",
}


_needs_registry = pytest.mark.skipif(registries.DEBIAN is None, reason="needs docker-registry, as Debian has it")


def images(host: str, folder: Path) -> dict[str, Any]:
    """The worker file's `package_manager` and `secrets`."""
    (folder / "password").write_text(registries.PASSWORD)
    (folder / "password").chmod(0o600)
    named = {"name": "images", "manager": "oci", "url": f"http://{host}/team", "trust": "unsigned"}
    shown = {"username": registries.USER, "password": "${secret:pw}"}
    secrets = {"pw": {"file": str(folder / "password")}}
    return {"secrets": secrets, "package_manager": {"repositories": [named | shown]}}


def saying(word: str) -> bytes:
    """A layer whose program says this and stays."""
    return layer(entry("usr/local/bin/serve", f"#!/bin/sh\necho {word}\nexec sleep 1000\n".encode(), 0o755))


@_needs_registry
def test_a_worker_runs_from_an_image_of_a_private_registry(tmp_path: Path) -> None:
    """As its config says."""
    helper = entry("usr/local/bin/helper", b"#!/bin/sh\necho helped\n", 0o755)
    low = layer(entry("usr/local/bin/serve", PROGRAM, 0o755), helper, entry("srv/data", b"x"))
    with registries.debian(tmp_path / "registry") as host, watched(tmp_path) as yard:
        push_image(host, "team/hello", "1.0", [low], RUN)
        yard.wish(**images(host, tmp_path), workers=[{"id": "web", "package": "hello"}])
        yard.run("up", "--detach")
        assert version(yard) == "1.0"
        eventually(lambda: "word one of srv, helped" in yard.run("logs", "web"), "what the image says")
        (listed,) = yard.ask("package_list")
        assert (listed["name"], listed["trust"]) == ("hello", "checksum")
        assert "web needs hello" in yard.run("package", "why", "hello")


@_needs_registry
def test_what_is_locked_is_taken_whatever_its_tag_means_by_now(tmp_path: Path) -> None:
    """A host that never had it gets it by its digest, and the lock stays; it is renewed for who says so."""
    lock = tmp_path / "beeyard.lock"
    with registries.debian(tmp_path / "registry") as host, watched(tmp_path) as yard:
        push_image(host, "team/hello", "1.0", [saying("before")], RUN)
        yard.wish(**images(host, tmp_path), workers=[])
        yard.run("up", "--detach")
        yard.wish(**images(host, tmp_path), workers=[{"id": "web", "package": "hello"}])
        yard.run("package", "lock")
        written = lock.read_bytes()
        push_image(host, "team/hello", "1.0", [saying("after")], RUN)
        yard.run("up", "--detach")
        eventually(lambda: "before" in yard.run("logs", "web"), "what was locked")
        yard.run("package", "install", "hello", "--force")
        assert yard.run("package", "lock") == ""
        assert lock.read_bytes() == written
        assert yard.run("package", "lock", "--update", "hello") == "hello: 1.0, another build of it\n"
        yard.run("reload")
        yard.run("restart", "web")
        eventually(lambda: "after" in yard.run("logs", "web"), "what the tag means")
        renewed = lock.read_text()
        lock.write_text("".join(line for line in renewed.splitlines(True) if not line.startswith("source")))
        assert yard.run("package", "lock") == "hello: 1.0, the same build\n"
        assert lock.read_text() == renewed


@_needs_registry
def test_a_tag_that_was_moved_is_an_update(tmp_path: Path) -> None:
    """With `auto_update` a start that somebody asks for takes what it means by now; without, what is installed."""
    with registries.debian(tmp_path / "registry") as host, watched(tmp_path) as yard:
        push_image(host, "team/hello", "1.0", [saying("before")], RUN)
        wish = images(host, tmp_path)
        yard.wish(**wish, workers=[{"id": "web", "package": "hello"}])
        yard.run("up", "--detach")
        eventually(lambda: "before" in yard.run("logs", "web"), "the first one")
        push_image(host, "team/hello", "1.0", [saying("after")], RUN)
        yard.run("restart", "web")
        eventually(lambda: yard.run("logs", "web").count("before") == 2, "the same again")
        wish["package_manager"]["policies"] = {"auto_update": True}
        yard.wish(**wish, workers=[{"id": "web", "package": "hello"}])
        yard.run("reload")
        yard.run("restart", "web")
        eventually(lambda: "after" in yard.run("logs", "web"), "the second one")
