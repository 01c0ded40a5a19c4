"""Blue-green with real processes behind one socket: under load by a real client not one request fails, there and
back."""

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.shelf import SLEEP, Shelf
from tests.end_to_end.test_secrets import Watched, watched
from tests.end_to_end.test_sockets import SERVER, Load, free
from tests.end_to_end.test_updates import ended
from tests.yard import eventually

PLAN = {"strategy": "blue-green", "min_healthy": "200ms", "healthy_deadline": "3s", "watch": "500ms"}
SERVE = f"""exec {sys.executable} -S -c '
import os, runpy, socket, sys
sys.argv = ["server", "WORD"]
made = runpy.run_path("{SERVER}")
serve = made["Server"].serve_forever
def ready(self, **more):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\\0", 1))
    serve(self, **more)
made["Server"].serve_forever = ready
made["main"]()
'"""
MODULE = """
from beeyard.sdk import Module

class Service(Module):
    async def start(self):
        START

create = Service
"""


def begin(yard: Watched, tmp_path: Path, shelf: Shelf, **worker: Any) -> None:
    """`web` runs the version that there is, once with as many again on standby."""
    root = shutil.copyfile(shelf.folder / "metadata" / "1.root.json", tmp_path / "root.json")
    written = {"id": "web", "package": "hello", "restart_policy": "always", "rollout": PLAN, **worker}
    yard.wish(package_manager={"repositories": [shelf.spec() | {"root": str(root)}]}, workers=[written])
    yard.run("up", "--detach")


def serving(yard: Watched, *names: str) -> None:
    """Wait until these are ready, and all others on standby: they have answered whom they had accepted."""
    wanted = [name in names for name in yard.ps()]

    def so() -> bool:
        rows = yard.ps().values()
        return [row["ready"] for row in rows] == wanted and [row["state"] != "standby" for row in rows] == wanted

    eventually(so, f"{', '.join(names)} serve")


def attempts(yard: Watched) -> list[int]:
    """Of each worker, how often it was started."""
    return [row["attempt"] for row in yard.ps().values()]


async def test_no_request_fails_while_versions_take_each_others_place(tmp_path: Path) -> None:
    """An update, a rollback, and a version that never gets ready: that one nobody is answered by."""
    shelf, port = Shelf(tmp_path / "shelf").put("hello", "1.0", script=SERVE.replace("WORD", "one")), free()
    endpoints = {"http": {"protocol": "http", "port": port, "listen": True}}
    probes = {"readiness": {"notify": True, "period": "100ms"}}
    with watched(tmp_path) as yard:
        await asyncio.to_thread(begin, yard, tmp_path, shelf, instances=2, endpoints=endpoints, probes=probes)
        load = Load(port)

        async def sent(*command: str) -> dict[str, Any]:
            await asyncio.to_thread(yard.run, "package", *command)
            return await asyncio.to_thread(ended, yard)

        async with load.going():
            await load.more("one")
            shelf.put("hello", "2.0", script=SERVE.replace("WORD", "two"))
            assert (await sent("update", "hello"))["stage"] == "done"
            await asyncio.to_thread(serving, yard, "web.3", "web.4")
            load.words.clear()
            await load.more("two")
            assert set(load.words) == {"two"}
            assert (await sent("rollback", "web"))["stage"] == "done"
            await asyncio.to_thread(serving, yard, "web.1", "web.2")
            load.words.clear()
            await load.more("one")
            before = attempts(yard)
            shelf.put("hello", "3.0", script=SLEEP)
            found = await sent("update", "hello")
            assert found["stage"] == "returned"
            assert "was not ready within 3s" in found["reason"]
            assert set(load.words) == {"one"}
        assert load.failed == []
        serving(yard, "web.1", "web.2")
        assert (before, attempts(yard)) == ([2, 2, 1, 1], [2, 2, 2, 2])


@pytest.mark.parametrize("provider", ["module", "process"])
def test_a_module_takes_the_place_of_its_older_version(tmp_path: Path, provider: str) -> None:
    """In the master and in a process of its own; one whose start fails is never in the way of the one that serves."""
    shelf = Shelf(tmp_path / "shelf").put_module("hello", "1.0", MODULE.replace("START", "pass"))
    with watched(tmp_path) as yard:
        begin(yard, tmp_path, shelf, provider=provider, instances=1)
        serving(yard, "web.1")
        shelf.put_module("hello", "2.0", MODULE.replace("START", "pass"))
        yard.run("package", "update", "hello")
        assert ended(yard)["stage"] == "done"
        serving(yard, "web.2")
        shelf.put_module("hello", "3.0", MODULE.replace("START", "raise OSError('no database')"))
        yard.run("package", "update", "hello")
        found = ended(yard)
        assert (found["stage"], found["reason"].partition(" ")[0]) == ("returned", "web.1")
        serving(yard, "web.2")
        assert (found["standby"], attempts(yard)[1]) == (["web.1"], 1)
