"""What a container says by sd_notify, over a socket that it shares with a master on the same host."""

import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import MODULE_PROBES, Endpoint, ProbeRole, ProbeSpec, WorkerSpec
from beeyard.domain.values import Duration, WorkerId
from tests.contract.engines import docker, image
from tests.yard import PATIENCE, Yard, eventually

pytestmark = pytest.mark.needs_docker

READY: dict[ProbeRole, ProbeSpec] = {"readiness": ProbeSpec("notify")}
SPEAKER = """
import os, pathlib, sys, time
from beeyard.sdk.notify import notify
assert os.environ["BEEYARD_PROVIDER"] == "docker"
assert notify(f"STATUS={sys.argv[1]} is pid {os.getpid()}")
told = False
while True:
    if pathlib.Path("/tmp/go").exists():
        assert notify(f"READY=1\\nSTATUS={sys.argv[1]} serves\\nWATCHDOG=1") or told
        told = True
    time.sleep(0.05)
"""
MODULE = """
import asyncio
from beeyard.sdk import Module


class Echo(Module):
    async def initialize(self, context):
        self.context = context

    async def start(self):
        told = self.context.environment
        text = f"{self.context.config['word']} from {told['BEEYARD_WORKER']} {told['BEEYARD_ATTEMPT']}"

        async def answer(reader, writer):
            writer.write(text.encode())
            writer.close()

        self.server = await asyncio.start_server(answer, sock=self.context.socket("http"))
        self.context.register("far", "far.example:80", "tcp")
        self.context.run(asyncio.Event().wait())

    async def stop(self):
        self.server.close()
"""


def python(name: str, *argv: str, **more: Any) -> WorkerSpec:
    """A worker in an image of nothing but busybox, with this host's Python beside it, as another user than root."""
    places = {"/usr", "/lib", "/lib64", sys.prefix, sys.base_prefix, str(Path(__file__).parents[2] / "src")}
    outer = [place for place in places if os.path.isdir(place) and not place.startswith("/usr/")]
    volumes = {place: {"path": place, "read_only": True} for place in outer}
    run = {"image": image(), "command": [sys.executable, *argv], "volumes": volumes, "user": "1000"}
    return WorkerSpec(WorkerId(name), "docker", run, **more)


def note(yard: Yard, text: str, worker: str = "w") -> None:
    """Wait until this is what `ps` says of the worker."""

    def look() -> bool:
        return str(yard.ps().get(worker, {}).get("note")).startswith(text)

    eventually(look, f"note {text!r}: {yard.ps()}, {yard.log(worker, 'stderr')!r}")


def test_a_container_is_heard_by_this_master_and_the_next(fresh_yard: Yard) -> None:
    """Whatever it calls its processes: its words are its own. The next master listens at the same place."""
    watchdog = ProbeSpec("notify", period=Duration(20.0), failures=1)
    probes: dict[ProbeRole, ProbeSpec] = {**READY, "liveness": watchdog}
    fresh_yard.apply(*(python(name, "-c", SPEAKER, name, probes=probes) for name in ("w", "x")))
    for name in ("w", "x"):
        note(fresh_yard, f"{name} is pid ", name)
    assert [row["ready"] for row in fresh_yard.ps().values()] == [False, False]
    master = fresh_yard.pid("master")
    os.kill(master, signal.SIGKILL)
    eventually(lambda: fresh_yard.pid("master") != master, "another master")
    owned = f"label=beeyard.owner={fresh_yard.paths.identity}"
    (container,) = docker("ps", "-q", "--filter", "label=beeyard.worker=w", "--filter", owned).split()
    docker("exec", container, "touch", "/tmp/go")
    note(fresh_yard, "w serves")
    assert fresh_yard.running("w")["w"]["attempt"] == 1
    assert fresh_yard.ps()["x"]["ready"] is False


def test_a_module_in_a_container_is_one_as_anywhere(fresh_yard: Yard, tmp_path: Path) -> None:
    """Configured, ready, healthy, with what it offers, how much there is of it, and a proper end."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "echo.py").write_text(MODULE)
    tmp_path.chmod(0o755)
    base = python("w")
    volumes = {**base.run["volumes"], "/code": {"path": str(code), "read_only": True}}
    run = {**base.run, "volumes": volumes, "environment": {"PYTHONPATH": "/code"}}
    module = ModuleSpec("echo:Echo", str(code), {"word": "hello"})
    endpoints = {"http": Endpoint("tcp")}
    fresh_yard.apply(replace(base, run=run, module=module, endpoints=endpoints, probes=dict(MODULE_PROBES)))
    fresh_yard.running("w")
    eventually(lambda: fresh_yard.ps()["w"]["health"] == "healthy", "healthy")
    port = fresh_yard.ps()["w"]["endpoints"]["http"].rpartition(":")[2]
    with socket.create_connection(("127.0.0.1", int(port)), PATIENCE) as connection:
        assert connection.recv(100) == b"hello from w 1"
    offered = {one["name"]: one["address"] for one in fresh_yard.ask("endpoint_list", workers=["w"])}
    assert offered["far"] == "far.example:80"
    eventually(lambda: fresh_yard.ask("show", worker="w")[0]["module"]["tasks"], "its task is counted")
    fresh_yard.ask("stop", workers=["w"])
    assert fresh_yard.ask("why", worker="w")[0]["deaths"][0]["exit"]["code"] == 0
