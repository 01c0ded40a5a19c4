"""Real WebAssembly within a real master: started, heard, restarted, ended, bounded, and started anew with the next."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from beeyard.domain.limits import Limit, Limits
from beeyard.domain.spec import Backoff, RestartPolicy, WorkerSpec
from beeyard.domain.values import Duration, WorkerId
from tests.end_to_end.shelf import Shelf
from tests.end_to_end.test_secrets import watched
from tests.end_to_end.workers import NEVER
from tests.wasm import program
from tests.yard import Refusal, Yard, eventually

ONCE_AGAIN = RestartPolicy(policy="on-failure", backoff=Backoff(delay=Duration(0.0), max_retries=1), jitter=0.0)


@pytest.fixture
def on(fresh_yard: Yard) -> Yard:
    """Where they run."""
    return fresh_yard


def wasm(folder: Path, of: str, name: str = "w", restart: RestartPolicy = NEVER, **run: Any) -> WorkerSpec:
    """A worker that runs one of the programs."""
    section = {"module": program(folder, of), **run}
    return WorkerSpec(id=WorkerId(name), provider="wasm", run=section, restart=restart)


def ended(on: Yard, name: str = "w") -> dict[str, Any]:
    """Its row, once it ended for good."""
    return eventually(
        lambda: row if (row := on.ps().get(name, {})).get("state") in ("stopped", "failed") else {}, "an end"
    )


def test_it_lives_as_a_process_would(on: Yard, tmp_path: Path) -> None:
    """Its output is its log; restarted, stopped and started again, without a process of its own, and without delay."""
    on.apply(wasm(tmp_path, "busy"), wasm(tmp_path, "sleeper", "other"))
    rows = on.running()
    assert [(row["pid"], row["provider"], row["attempt"]) for row in rows.values()] == [(None, "wasm", 1)] * 2
    eventually(lambda: on.log("w") == on.log("other") == b"hello\n", "their output")
    on.ask("restart", workers=["w", "other"])
    eventually(lambda: [row["attempt"] for row in on.running().values()] == [2, 2], "second attempts")
    on.ask("stop", workers=["w", "other"])
    eventually(lambda: {row["state"] for row in on.ps().values()} == {"stopped"}, "ends")
    assert on.ps()["w"]["exit"] == "SIGTERM"
    on.ask("start", workers=["w"])
    assert on.running("w")["w"]["attempt"] == 3
    assert on.leaders("w") == []


def test_what_it_may_use_is_bounded(on: Yard, tmp_path: Path) -> None:
    """Memory and fuel; the record of its death says which."""
    on.apply(wasm(tmp_path, "hog", memory=1024**2), wasm(tmp_path, "busy", "tired", fuel=10_000))
    assert ended(on)["exit"] == "exit code 134"
    assert "out of memory: all 1.0 MB are in use" in str(on.ask("why", worker="w"))
    ended(on, "tired")
    assert "out of fuel: it had 10000" in str(on.ask("why", worker="tired"))


def test_a_trap_ends_one_attempt_and_the_restart_policy_decides(on: Yard, tmp_path: Path) -> None:
    """Nothing else notices; the way there is in its log."""
    master = on.pid("master")
    on.apply(wasm(tmp_path, "trap", restart=ONCE_AGAIN), wasm(tmp_path, "sleeper", "other"))
    row = ended(on)
    assert (row["state"], row["attempt"], row["exit"]) == ("failed", 2, "exit code 134")
    assert "unreachable" in str(on.ask("why", worker="w"))
    eventually(lambda: b"!boom" in on.log("w", "stderr"), "where it trapped")
    assert on.running("other")["other"]["attempt"] == 1
    assert on.pid("master") == master


def test_what_is_not_granted_is_denied(on: Yard, tmp_path: Path) -> None:
    """The same program with and without a folder."""
    (tmp_path / "note").write_text("read me")
    granted = {"/data": {"path": str(tmp_path)}}
    on.apply(wasm(tmp_path, "reader"), wasm(tmp_path, "reader", "granted", folders=granted))
    assert ended(on)["exit"] == "exit code 8"
    assert ended(on, "granted")["exit"] == "exit code 0"
    eventually(lambda: on.log("granted") == b"read me", "what it read")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "told to end"])
def test_it_starts_anew_with_the_next_master(on: Yard, tmp_path: Path, how: signal.Signals) -> None:
    """It ended with the last one, outside the restart budget."""
    on.apply(wasm(tmp_path, "busy"))
    on.running("w")
    on.ask("start", workers=["w"])  # Answered once it is saved that it runs.
    master = on.pid("master")
    os.kill(master, how)
    eventually(lambda: on.pid("master") != master, "another master")
    eventually(lambda: on.ps().get("w", {}).get("attempt") == 2, "a second attempt")
    on.running("w")
    assert on.ask("show", worker="w")[0]["failures"] == 0


def test_limits_are_refused_with_what_to_do(on: Yard, tmp_path: Path) -> None:
    """It has bounds of its own."""
    with pytest.raises(Refusal) as refused:
        on.apply(replace(wasm(tmp_path, "busy"), limits=Limits({"memory.max_rss": Limit(1e9)})))
    assert "`memory` and `fuel` of its section `wasm` bound it" in str(refused.value.document)


def test_it_runs_from_a_package(tmp_path: Path) -> None:
    """The package supplies the file and its arguments, so the worker names nothing but the package."""
    shelf = Shelf(tmp_path / "shelf").put_wasm("echo", "1.0", Path(program(tmp_path, "echo")).read_text())
    worker = {"id": "w", "provider": "wasm", "package": "echo", "restart_policy": "never"}
    with watched(tmp_path) as yard:
        yard.wish(package_manager={"repositories": [shelf.spec()]}, workers=[worker])
        yard.follow("up", "--detach")
        assert ended(yard)["exit"] == "exit code 0"
        eventually(lambda: b"/bin/serve.wat\0-v\0BEEYARD_" in yard.log("w"), f"its arguments: {yard.log('w')!r}")
