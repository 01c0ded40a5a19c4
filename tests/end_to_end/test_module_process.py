"""A real module that runs as a process of its own: what is asked of it, heard of it, and told to it."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from beeyard.domain.master import MasterSpec, SecretSource
from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import Endpoint, ProbeSpec, WorkerSpec
from beeyard.domain.values import Duration, WorkerId
from beeyard.launcher import kernel
from tests.end_to_end.shelf import Shelf
from tests.end_to_end.test_packages import note, spoil
from tests.end_to_end.test_secrets import watched
from tests.end_to_end.workers import AT_ONCE, NEVER, lines, steps
from tests.yard import Yard, eventually

CODE = """
import asyncio, os, sys, time
from pathlib import Path

import msgspec

from beeyard.sdk import Context, Info, Module


class Config(msgspec.Struct):
    folder: str
    password: str = ""


class Echo(Module[Config]):
    config_type = Config

    async def initialize(self, context: Context[Config]) -> None:
        self.context = context
        self.folder = Path(context.config.folder)

    async def start(self) -> None:
        self.note("seen", repr(self.context.ports), str(len(self.context.config.password)))
        self.context.run(self.serve())

    async def serve(self) -> None:
        while True:
            await asyncio.sleep(0.01)
            if self.asked("block"):
                time.sleep(1000)
            if self.asked("exit"):
                sys.exit(7)
            if self.asked("raise"):
                raise RuntimeError("the disk is on fire")

    async def stop(self) -> None:
        self.note("stopped", "gracefully")

    async def healthy(self) -> bool:
        if self.asked("ill", once=False):
            raise RuntimeError("no database")
        return True

    def asked(self, name: str, once: bool = True) -> bool:
        there = (self.folder / name).exists()
        if there and once:
            (self.folder / name).unlink()
        return there

    def note(self, name: str, *words: str) -> None:
        with (self.folder / name).open("a") as file:
            file.write(" ".join(words) + "\\n")
"""


def echo(folder: Path, **more: Any) -> WorkerSpec:
    """The worker `w`, whose module does what files in the folder ask for. It is asked often how it is."""
    (folder / "echo.py").write_text(CODE)
    asked = ProbeSpec("module", period=Duration(0.1), timeout=Duration(2.0), failures=1)
    module = ModuleSpec("echo:Echo", str(folder), {"folder": str(folder), **more.pop("config", {})})
    probes = {"readiness": ProbeSpec("notify", period=Duration(0.1)), "liveness": asked}
    return WorkerSpec(WorkerId("w"), "process", {}, module=module, **{"probes": probes, "restart": AT_ONCE, **more})


def death(yard: Yard) -> dict[str, Any]:
    """Why the attempt before this one ended."""
    eventually(lambda: yard.ps()["w"]["attempt"] == 2, "another attempt")
    yard.running("w")
    found: dict[str, Any] = yard.ask("why", worker="w")[0]["deaths"][0]
    return found


def test_a_module_runs_as_a_process_and_is_told_its_ports(fresh_yard: Yard, tmp_path: Path) -> None:
    """With nothing said of Python or of probes; a stop lets it finish."""
    spec = replace(echo(tmp_path, restart=NEVER, endpoints={"http": Endpoint("http")}), probes={})
    fresh_yard.apply(spec)
    row = fresh_yard.running("w")["w"]
    port = row["endpoints"]["http"].rpartition(":")[2].rstrip("/")
    assert lines(tmp_path / "seen") == [f"{{'http': {port}}} 0"]
    fresh_yard.ask("stop", workers=["w"])
    eventually(lambda: fresh_yard.ps()["w"]["state"] == "stopped", "a stop")
    assert lines(tmp_path / "stopped") == ["gracefully"]
    assert fresh_yard.ask("why", worker="w")[0]["deaths"][0]["exit"]["code"] == 0


def test_an_ill_module_is_restarted_with_its_reason(fresh_yard: Yard, tmp_path: Path) -> None:
    """The error of `healthy()` is what people read."""
    fresh_yard.apply(echo(tmp_path))
    fresh_yard.running("w")
    (tmp_path / "ill").touch()
    eventually(lambda: fresh_yard.ps()["w"]["attempt"] > 1, "another attempt")
    (tmp_path / "ill").unlink()
    cause = fresh_yard.ask("why", worker="w")[0]["deaths"][0]["cause"]
    assert cause == {"kind": "probe", "detail": "liveness probe failed: RuntimeError: no database"}


def test_a_module_that_blocks_its_loop_is_replaced(fresh_yard: Yard, tmp_path: Path) -> None:
    """It says nothing any more, and that is heard; neither can it hear that it is to stop."""
    fresh_yard.apply(echo(tmp_path, stop=steps((signal.SIGTERM, 0.1))))
    fresh_yard.running("w")
    (tmp_path / "block").touch()
    assert death(fresh_yard)["cause"]["detail"].startswith("liveness probe failed: its loop has not answered for 2.")


@pytest.mark.parametrize(("way", "code"), [("exit", 7), ("raise", 1)])
def test_a_module_that_ends_leaves_its_exit_code(fresh_yard: Yard, tmp_path: Path, way: str, code: int) -> None:
    """By `sys.exit`, or by the error of a task, which stands at the end of its log."""
    fresh_yard.apply(echo(tmp_path))
    fresh_yard.running("w")
    (tmp_path / way).touch()
    found = death(fresh_yard)
    assert (found["cause"]["kind"], found["exit"]["code"]) == ("exit", code)
    assert lines(tmp_path / "stopped") == ["gracefully"]


def test_a_module_is_asked_on_when_another_master_comes(fresh_yard: Yard, tmp_path: Path) -> None:
    """The very same process; what it says is heard by the new one."""
    fresh_yard.apply(echo(tmp_path))
    before = fresh_yard.running("w")["w"]["pid"]
    master = fresh_yard.pid("master")
    os.kill(master, signal.SIGKILL)
    eventually(lambda: fresh_yard.pid("master") != master and fresh_yard.answers(), "another master")
    assert fresh_yard.running("w")["w"]["pid"] == before
    (tmp_path / "ill").touch()
    eventually(lambda: fresh_yard.ps().get("w", {}).get("attempt", 1) > 1, "another attempt")
    (tmp_path / "ill").unlink()
    assert "no database" in fresh_yard.ask("why", worker="w")[0]["deaths"][0]["cause"]["detail"]


def test_a_secret_in_a_configuration_shows_nowhere(fresh_yard: Yard, tmp_path: Path) -> None:
    """It is in no command line, no log, no answer and no environment of what the module starts; the module has it."""
    hidden = "hunter2-hunter2"
    (tmp_path / "password").write_text(hidden)
    master = MasterSpec(secrets={"password": SecretSource(file=str(tmp_path / "password"))})
    spec = echo(tmp_path, config={"password": "${secret:password}"})
    fresh_yard.ask("apply", specs=[spec], origin="test", master=master)
    pid = fresh_yard.running("w")["w"]["pid"]
    assert lines(tmp_path / "seen") == [f"{{}} {len(hidden)}"]
    assert hidden in kernel.environment(pid)[b"BEEYARD_MODULE"].decode()
    told = [Path(f"/proc/{pid}/cmdline").read_bytes(), fresh_yard.log("w"), fresh_yard.log("w", "stderr")]
    told += [json.dumps(fresh_yard.ask(ask, **of)).encode() for ask, of in (("show", {"worker": "w"}), ("ps", {}))]
    told += [fresh_yard.said().encode()]
    assert not [text for text in told if hidden.encode() in text]


def test_a_module_runs_from_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package says which module it is, the worker file how it is configured; its files stay as they were."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    shelf = Shelf(tmp_path / "shelf").put_module("shop", "1.0", f"{CODE}\ncreate = Echo\n")
    with watched(tmp_path) as yard:
        spec: dict[str, Any] = {"id": "w", "package": "shop", "restart_policy": "never"}
        spec["module"] = {"config": {"folder": str(tmp_path)}}
        yard.wish(package_manager={"repositories": [shelf.spec()]}, workers=[spec | {"provider": "process"}])
        yard.run("up", "--detach")
        yard.running("w")
        assert lines(tmp_path / "seen") == ["{} 0"]
        yard.run("package", "verify", "shop")


@pytest.mark.parametrize("provider", ["module", "process"])
def test_a_module_that_nobody_signed_or_that_was_changed_is_never_imported(tmp_path: Path, provider: str) -> None:
    """Where signatures are required; `why` says what is wrong, and not a line of its code has run."""
    marks = tmp_path / "marks"
    marks.mkdir()
    shelves = {name: Shelf(tmp_path / name) for name in ("good", "bare", "changed")}
    for name, shelf in shelves.items():
        shelf.put_module(name, "1.0", f"open({str(marks / name)!r}, 'w').close()\n{CODE}\ncreate = Echo\n")
    spoil(shelves["changed"].payload("changed", "1.0"))
    places = {name: shelf.spec(name, packages=[name]) for name, shelf in shelves.items()}
    built = str(tmp_path / "bare" / "built")
    places["bare"] = {"name": "bare", "path": built, "trust": "unsigned", "packages": ["bare"]}
    config = {"config": {"folder": str(tmp_path)}}
    workers = [{"id": name, "provider": provider, "package": name, "module": config} for name in shelves]
    with watched(tmp_path) as yard:
        manager = {"repositories": list(places.values()), "policies": {"required_trust": "tuf"}}
        yard.wish(package_manager=manager, workers=workers)
        yard.follow("up", "--detach")
        yard.running("good")
        wrong = {"bare": "the trust in bare from bare is `checksum`", "changed": "its SHA-256 is another one"}
        for name, text in wrong.items():
            assert f"{name}:latest can't be installed: " in note(yard, name, text)
        assert [mark.name for mark in marks.iterdir()] == ["good"]
