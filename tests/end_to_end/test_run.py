"""`beeyard run`, as somebody at a terminal uses it; no master anywhere."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CODE = """
import asyncio, threading, time
import msgspec
from beeyard.sdk import Context, Module

class Config(msgspec.Struct):
    name: str
    size: int = 1

class Shop(Module[Config]):
    config_type = Config
    ill = False
    async def initialize(self, context: Context[Config]) -> None:
        self.context = context
    async def start(self) -> None:
        self.context.logger.info("%s, and a port: %s", self.context.config, self.context.ports["http"] > 0)
        self.context.register("till", "127.0.0.1:1", "grpc")
    async def stop(self) -> None:
        print("closing", flush=True)

class Hung(Shop):
    async def start(self) -> None:
        print("hangs", flush=True)
        time.sleep(1000)

class Busy(Shop):
    async def start(self) -> None:
        asyncio.get_running_loop().run_in_executor(None, time.sleep, 1000)
        raise RuntimeError("no more shelves")
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `beeyard run` in a folder with a `shop.py`; whatever is left of it is killed at the end."""
    (tmp_path / "shop.py").write_text(CODE)
    started: list[subprocess.Popen[str]] = []

    def run(*words: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "beeyard", "run", *words]
        environment = {**os.environ, "COLOUR": "red"}
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def until(process: "subprocess.Popen[str]", line: str) -> list[str]:
    """The lines up to this one."""
    assert process.stdout is not None
    seen = []
    for read in process.stdout:
        seen.append(read.rstrip("\n"))
        if seen[-1] == line:
            return seen
    raise AssertionError(seen)


def rest(process: "subprocess.Popen[str]") -> tuple[list[str], int]:
    """What it says until its end, and its exit code."""
    said, _ = process.communicate(timeout=60)
    return said.splitlines(), process.returncode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_module_runs_in_the_foreground(start: Start, tmp_path: Path, number: int) -> None:
    """It says what it is given, what it offers and when it is ready; one signal stops it in good order."""
    (tmp_path / "shop.yaml").write_text("name: ${COLOUR} shop\nsize: 2\n")
    process = start("shop:Shop", "--config", "shop.yaml", "--set", "size=3", "--port", "http=8080")
    assert until(process, "ready; Ctrl-C stops it") == [
        "INFO Config(name='red shop', size=3), and a port: True",
        "offers till: grpc 127.0.0.1:1",
        "ready; Ctrl-C stops it",
    ]
    process.send_signal(number)
    assert rest(process) == (["stopping; Ctrl-C ends it at once", "closing"], 0)


def test_a_second_signal_ends_it_at_once(start: Start) -> None:
    """Also one that hears nothing, for its loop is blocked."""
    process = start("shop:Hung", "--set", "name=x")
    until(process, "hangs")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert rest(process) == ([], -signal.SIGTERM)


def test_a_port_that_nobody_gave_is_chosen_and_said(start: Start) -> None:
    """When the module asks for it; with --json in a line of JSON."""
    process = start("shop:Shop", "--set", "name=x", "--json")
    seen = until(process, '{"event": "ready", "text": "ready; Ctrl-C stops it"}')
    assert seen[0].startswith('{"event": "port", "text": "endpoint http: port ')


def test_a_thread_that_works_on_does_not_keep_it(start: Start) -> None:
    """Python would wait for it; the reason of the failure is told, and the thread named."""
    said, code = rest(start("shop:Busy", "--set", "name=x"))
    assert code == 1
    assert said[-2] == "closing"
    assert said[-3] == "RuntimeError: no more shelves"
    assert said[-1].startswith("WARNING beeyard: threads that still work: ")


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["shop:Shop"], "ERROR config: object missing required field `name`", 1),
        (["shop:Shap"], "ERROR shop has no Shap: did you mean Shop?", 78),
        (["shop:Shop", "--set", "=x"], "error: --set : expected KEY=VALUE", 2),
        (["shop:Shop", "--port", "http"], "error: --port http: expected NAME=PORT, a port from 1 to 65535", 2),
        (["shop:Shop", "--config", "secret.yaml"], "error: one problem in secret.yaml", 2),
    ],
)
def test_what_cannot_be_run_is_said(start: Start, tmp_path: Path, words: list[str], said: str, code: int) -> None:
    """In one line, with an exit code of its own. Nobody here knows secrets."""
    (tmp_path / "secret.yaml").write_text("name: ${secret:name}\n")
    lines, ended = rest(start(*words))
    assert (lines[-1], ended) == (said, code)
