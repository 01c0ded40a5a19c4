"""Real modules within a real master: started, heard, judged, ended, and what each of them can't do to the others."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from beeyard.domain.limits import Limit, Limits
from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import ProbeSpec, StopStep, WorkerSpec
from beeyard.domain.values import Duration, SignalNumber, WorkerId
from tests.end_to_end.workers import AT_ONCE, NEVER
from tests.yard import Refusal, Yard, eventually

CODE = """
import asyncio, logging, sys, threading, time
from pathlib import Path

from beeyard.sdk import Context, Module


class Echo(Module[dict]):
    async def initialize(self, context: Context[dict]) -> None:
        self.context = context
        self.folder = Path(context.config["folder"])

    async def start(self) -> None:
        print("started")
        self.context.logger.info("its own word")
        logging.getLogger("library").warning("a library's word")
        thread = threading.Thread(target=lambda: print("from a thread"))
        thread.start()
        thread.join()
        self.context.run(self.serve())

    async def serve(self) -> None:
        while True:
            await asyncio.sleep(0.01)
            if self.asked("block"):
                self.note("blocked")
                while not self.asked("go on"):
                    time.sleep(0.02)
            if self.asked("hang"):
                self.note("hangs")
                hang_here(self.folder)
            if self.asked("exit"):
                sys.exit(7)
            if self.asked("raise in a thread"):
                threading.Thread(target=lambda: 1 / 0, name="odd").start()
            if self.asked("raise"):
                raise RuntimeError("the disk is on fire")

    async def stop(self) -> None:
        print("stopped")

    def asked(self, name: str) -> bool:
        there = (self.folder / name).exists()
        if there:
            (self.folder / name).unlink()
        return there

    def note(self, name: str) -> None:
        (self.folder / name).touch()


def hang_here(folder: Path) -> None:
    while True:
        try:
            while not (folder / "let go").exists():
                time.sleep(0.02)
            return
        except BaseException:
            pass
"""


@pytest.fixture
def on(fresh_yard: Yard) -> Yard:
    """Where they run."""
    return fresh_yard


def echo(folder: Path, name: str = "w", **more: Any) -> WorkerSpec:
    """A worker whose module does what files in its folder ask for, and is asked often how it is."""
    own = folder / name
    own.mkdir(exist_ok=True)
    (folder / "echo.py").write_text(CODE)
    asked = ProbeSpec("module", period=Duration(0.2), timeout=Duration(5.0), failures=1)
    return WorkerSpec(
        id=WorkerId(name),
        provider="module",
        run={},
        module=ModuleSpec("echo:Echo", str(folder), {"folder": str(own)}),
        probes=more.pop("probes", {"readiness": ProbeSpec("notify"), "liveness": asked}),
        restart=more.pop("restart", AT_ONCE),
        **more,
    )


def ask(folder: Path, what: str, name: str = "w") -> None:
    """Have the module do this next."""
    (folder / name / what).touch()


def said(on: Yard, name: str = "w", stream: str = "stdout") -> list[str]:
    """All lines of it."""
    return on.log(name, stream).decode().splitlines()


def test_a_module_lives_as_a_process_would(on: Yard, tmp_path: Path) -> None:
    """Started, told apart by its log, restarted, stopped and started again, without a process of its own."""
    on.apply(echo(tmp_path))
    row = on.running("w")["w"]
    assert (row["pid"], row["provider"], row["attempt"]) == (None, "module", 1)
    eventually(lambda: said(on) == ["started", "from a thread"], "its output")
    eventually(
        lambda: said(on, stream="stderr") == ["INFO its own word", "WARNING library: a library's word"], "its log"
    )
    on.ask("restart", workers=["w"])
    eventually(lambda: on.running("w")["w"]["attempt"] == 2, "a second attempt")
    on.ask("stop", workers=["w"])
    eventually(lambda: on.ps()["w"]["state"] == "stopped", "an end")
    eventually(lambda: said(on) == ["started", "from a thread", "stopped"] * 2, "its output")
    assert on.ps()["w"]["exit"] == "exit code 0"
    assert on.leaders("w") == []
    on.ask("start", workers=["w"])
    assert on.running("w")["w"]["attempt"] == 3


@pytest.mark.parametrize(
    ("what", "exit"), [("exit", "exit code 7"), ("raise", "exit code 1")], ids=["sys.exit", "an error"]
)
def test_a_module_that_ends_by_itself_is_restarted(on: Yard, tmp_path: Path, what: str, exit: str) -> None:
    """Whatever it does to its own loop ends its attempt and nothing else, and its death says how."""
    master = on.pid("master")
    on.apply(echo(tmp_path))
    on.running("w")
    ask(tmp_path, what)
    eventually(lambda: on.ps()["w"]["attempt"] == 2, "a second attempt")
    assert on.running("w")["w"]["exit"] == exit
    assert on.pid("master") == master
    life = ["started", "from a thread"]
    eventually(lambda: said(on) == [*life, "stopped", *life], "a stop between two lives")


def test_an_error_in_a_thread_of_a_module_is_its_own(on: Yard, tmp_path: Path) -> None:
    """It is in the log of the worker, and ends nothing."""
    on.apply(echo(tmp_path))
    on.running("w")
    ask(tmp_path, "raise in a thread")
    eventually(lambda: "ZeroDivisionError: division by zero" in said(on, stream="stderr"), "the error")
    assert on.ps()["w"]["attempt"] == 1
    assert "ZeroDivisionError" not in on.said()


def test_a_module_that_blocks_its_loop_is_seen_by_its_own_probe_alone(on: Yard, tmp_path: Path) -> None:
    """Its silence is a failure; another module goes on answering, and so does the master."""
    patient = ProbeSpec("module", period=Duration(0.2), timeout=Duration(0.5), failures=1)
    probes = {"readiness": ProbeSpec("notify"), "liveness": patient}
    on.apply(echo(tmp_path, probes=probes, restart=NEVER), echo(tmp_path, "other"))
    on.running()
    ask(tmp_path, "block")
    eventually(lambda: on.ps()["w"]["state"] == "stopping", "a failed probe")
    assert "its loop has not answered" in on.ps()["w"]["note"]
    ask(tmp_path, "go on")
    eventually(lambda: on.ps()["w"]["state"] in ("stopped", "failed"), "an end")
    assert on.running("other")["other"]["attempt"] == 1


def test_a_module_that_never_ends_says_where_and_holds_up_nobody(on: Yard, tmp_path: Path) -> None:
    """It stays `stopping`, with the place where it hangs; no attempt begins beside it; and `down` ends all the same."""
    quick = (StopStep(SignalNumber(signal.SIGTERM), Duration(0.2)),)
    on.apply(echo(tmp_path, stop=quick), echo(tmp_path, "other"))
    on.running()
    ask(tmp_path, "hang")
    eventually((tmp_path / "w" / "hangs").exists, "a module that hangs")
    on.ask("restart", workers=["w"], wait=False)
    eventually(lambda: "hang_here (echo.py:" in on.ps()["w"]["note"], "where it hangs")
    assert (on.ps()["w"]["state"], on.ps()["w"]["attempt"]) == ("stopping", 1)
    assert on.running("other")
    assert on.ask("down", timeout=1)["stuck"] == []
    eventually(lambda: not on.answers(), "the end of the master")


def test_a_module_that_lets_go_late_ends_then(on: Yard, tmp_path: Path) -> None:
    """One that could not be ended is followed by the next attempt once it has really ended, and not before."""
    quick = (StopStep(SignalNumber(signal.SIGTERM), Duration(0.2)),)
    on.apply(echo(tmp_path, stop=quick))
    on.running()
    ask(tmp_path, "hang")
    eventually((tmp_path / "w" / "hangs").exists, "a module that hangs")
    on.ask("restart", workers=["w"], wait=False)
    eventually(lambda: "stuck" in on.ps()["w"]["note"], "where it hangs")
    (tmp_path / "w" / "let go").touch()
    assert on.running("w")["w"]["attempt"] == 2


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "told to end"])
def test_modules_start_anew_with_the_next_master(on: Yard, tmp_path: Path, how: signal.Signals) -> None:
    """They ended with it, at once again, and outside the restart budget; told to end it stops them properly first."""
    on.apply(echo(tmp_path, restart=NEVER))
    on.running("w")
    on.ask("start", workers=["w"])  # Answered once it is saved that it runs.
    master = on.pid("master")
    os.kill(master, how)
    eventually(lambda: on.pid("master") != master, "another master")
    eventually(lambda: on.ps().get("w", {}).get("attempt") == 2, "a second attempt")
    on.running("w")
    assert on.ask("show", worker="w")[0]["failures"] == 0
    assert ("stopped" in said(on)) == (how == signal.SIGTERM)


def test_limits_of_a_module_are_refused_with_what_to_do(on: Yard, tmp_path: Path) -> None:
    """They would be those of the master; a process can have its own."""
    spec = replace(echo(tmp_path), limits=Limits({"memory.max_rss": Limit(1e9)}))
    with pytest.raises(Refusal) as refused:
        on.apply(spec)
    assert "`provider: process` runs the same module as a process" in str(refused.value.document)
