"""Containers of an engine that is reached over ssh: a real sshd on loopback, whose user has an empty home."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from beeyard.domain.errors import Unavailable
from beeyard.domain.messages import Exit
from tests.contract.benches import DockerBench, bench, until
from tests.contract.engines import HOST, docker
from tests.yard import eventually

pytestmark = [pytest.mark.needs_docker, pytest.mark.needs_ssh]

SERVER = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/allowed
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
SetEnv DOCKER_HOST={engine} PATH={path} HOME={folder}/home
"""
CLIENT = """\
Host hive
  HostName 127.0.0.1
  Port {port}
  IdentityFile {folder}/key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
"""


@pytest.fixture
def hive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """`ssh://hive` leads to it; the folder with its keys."""
    folder = tmp_path / "ssh"
    (folder / "home").mkdir(parents=True)
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "key.pub", folder / "allowed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    (folder / "server").write_text(SERVER.format(port=port, folder=folder, engine=HOST, path=os.environ["PATH"]))
    (folder / "client").write_text(CLIENT.format(port=port, folder=folder))
    (folder / "bin").mkdir()
    program = folder / "bin/ssh"  # The real one looks for its configuration where the password file says, not in HOME.
    program.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/client "$@"\n')
    program.chmod(0o755)
    if not os.geteuid():
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert sshd is not None
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "server")], stderr=log)
    try:
        eventually(lambda: _answers(port), "an sshd that answers")
        yield folder
    finally:
        child.terminate()
        child.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def connections(folder: Path) -> list[int]:
    """The pids of our ends."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{folder}/client".encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


@pytest.fixture
async def on(hive: Path, tmp_path: Path) -> AsyncIterator[DockerBench]:
    """The provider on its bench."""
    async with bench("docker", "engine", tmp_path / "s") as made:
        assert isinstance(made, DockerBench)
        yield made


async def test_a_worker_lives_on_an_engine_behind_ssh(on: DockerBench, hive: Path) -> None:
    """Started, read, measured, asked, taken over by the next owner, stopped and removed; then no connection is left."""
    spec = on.spec("echo up; trap 'echo bye; exit 7' TERM; while :; do sleep 0.02; done", host="ssh://hive")
    handle = await on.ready(spec)
    assert docker("inspect", "-f", "{{.State.Running}}", handle.state["id"]) == "true"
    assert (await on.provider.exec(spec, ("echo", "hello"), 10.0)).output == "hello\n"
    await on.another_owner()
    assert (await on.provider.attach(spec, 1, handle)).state == "running"
    assert await on.provider.usages([("worker", 1)]) != [None]
    docker("kill", "--signal", "TERM", handle.state["id"])
    assert await on.exited() == Exit(7)
    await on.provider.drain("worker")
    assert on.lines() == ["up", "bye"]
    await on.provider.destroy("worker", 1)
    assert docker("ps", "-aq", "--filter", f"label=beeyard.owner={on.paths.identity}") == ""
    assert connections(hive)
    await on.leave()
    await until(lambda: not connections(hive), "no connection is left")
    await on.open()


async def test_what_ssh_complains_about_is_told(on: DockerBench, hive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks for no password."""
    (hive / "allowed").write_text("")
    monkeypatch.setattr("beeyard.adapters.providers.docker.following.PATIENCE", 2.0)
    with pytest.raises(Unavailable) as unavailable:
        await on.launch(on.spec("true", host="ssh://hive"))
    assert "Permission denied (publickey" in str(unavailable.value)


async def test_a_connection_that_breaks_is_made_again(on: DockerBench, hive: Path) -> None:
    """The worker is lost and found, and no line of it is missing or doubled."""
    await on.ready(on.spec("echo up; i=0; while :; do echo $i; i=$((i+1)); sleep 0.02; done", host="ssh://hive"))
    for pid in connections(hive):
        os.kill(pid, 9)
    await until(lambda: [o.kind for o in on.seen] == ["lost", "found"], "lost and found")
    count = len(on.lines())
    await until(lambda: len(on.lines()) > count + 10, "more lines")
    lines = on.lines()
    assert lines == ["up", *(str(number) for number in range(len(lines) - 1))]
    await asyncio.wait_for(on.provider.kill("worker", 1), 10.0)
    assert (await on.exited()).signal == 9
