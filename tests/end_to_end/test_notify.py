"""Real workers that say by sd_notify how they are, with the few lines it takes, and a real gRPC health service."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from beeyard.domain.spec import Endpoint, ProbeRole, ProbeSpec, WorkerSpec
from beeyard.domain.values import Duration
from beeyard.launcher.trees import MARK
from tests.contract.benches import cgroups
from tests.end_to_end.workers import AT_ONCE, NEVER, lines, python, shell, steps
from tests.yard import Yard, eventually, yard

SAY = """
import os, signal, socket, subprocess, sys, time
def say(*lines):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaking:
        speaking.sendto("\\n".join(lines).encode(), os.environ["NOTIFY_SOCKET"])
def until(name):
    while not os.path.exists(name):
        time.sleep(0.01)
"""
EVERYBODYS = shutil.which("python3", path="/usr/bin:/usr/local/bin")
READY: dict[ProbeRole, ProbeSpec] = {"readiness": ProbeSpec("notify")}


def speaker(folder: Path, script: str, **more: object) -> WorkerSpec:
    """A worker that can `say` things, and wait `until` a file is there."""
    made = python("w", SAY + script, **{"probes": READY, **more})  # type: ignore[arg-type]
    return replace(made, run={**made.run, "working_directory": str(folder)})


def note(yard: Yard, text: str) -> None:
    """Wait until this is what `ps` says of the worker."""
    eventually(lambda: yard.ps().get("w", {}).get("note") == text, f"note {text!r}: {yard.ps()}")


def test_a_worker_is_ready_when_it_says_so(fresh_yard: Yard, tmp_path: Path) -> None:
    """Not before, and at once; what it says that it does is shown."""
    script = "say('STATUS=warming up'); until('go'); say('READY=1', 'STATUS=serving'); time.sleep(1000)"
    fresh_yard.apply(speaker(tmp_path, script))
    note(fresh_yard, "warming up")
    assert fresh_yard.ps()["w"]["ready"] is False
    (tmp_path / "go").touch()
    fresh_yard.running("w")
    note(fresh_yard, "serving")


def test_a_hung_worker_is_replaced(fresh_yard: Yard, tmp_path: Path) -> None:
    """It is told how often it has to say that it lives; one that no longer does is ended and started again."""
    script = """
say("READY=1")
while not os.path.exists("hang"):
    say("WATCHDOG=1")
    time.sleep(int(os.environ["WATCHDOG_USEC"]) / 1e6 / 4)
os.remove("hang")
time.sleep(1000)
"""
    watchdog = ProbeSpec("notify", period=Duration(0.5), failures=1)
    fresh_yard.apply(speaker(tmp_path, script, probes={**READY, "liveness": watchdog}, restart=AT_ONCE))
    fresh_yard.running("w")
    (tmp_path / "hang").touch()
    eventually(lambda: fresh_yard.ps()["w"]["attempt"] == 2, "another attempt")
    fresh_yard.running("w")
    death = fresh_yard.ask("why", worker="w")[0]["deaths"][0]
    assert death["cause"] == {"kind": "probe", "detail": "liveness probe failed: no WATCHDOG=1 for 500ms"}


def test_a_child_may_speak_for_the_worker_and_a_stranger_may_not(fresh_yard: Yard, tmp_path: Path) -> None:
    """Not even one that carries the worker's mark: the kernel says who belongs to it."""
    script = """
until("go")
code = "import os, socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); "
code += "s.sendto(b'STATUS=by a child', os.environ['NOTIFY_SOCKET']); input()"
subprocess.run([sys.executable, "-c", code], stdin=os.open("wait", os.O_RDWR), start_new_session=True)
"""
    os.mkfifo(tmp_path / "wait")
    fresh_yard.apply(speaker(tmp_path, script))
    eventually(lambda: fresh_yard.ps().get("w", {}).get("state") == "running")
    address = fresh_yard.paths.notify_socket
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"READY=1\nSTATUS=by a stranger", address)
    if cgroups(fresh_yard.paths):  # Without them a mark is all there is to go by.
        forged = "import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)"
        forged += "; s.sendto(b'READY=1', sys.argv[1]); print(); input()"
        mark = {MARK: f"{fresh_yard.paths.identity}/w/1"}
        argv = [sys.executable, "-S", "-c", forged, address]
        with subprocess.Popen(argv, env=mark, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as liar:
            assert liar.stdin is not None
            assert liar.stdout is not None
            liar.stdout.readline()
            (tmp_path / "go").touch()
            note(fresh_yard, "by a child")
            liar.stdin.write(b"\n")
    (tmp_path / "go").touch()
    note(fresh_yard, "by a child")
    assert fresh_yard.ps()["w"]["ready"] is False


def test_what_a_worker_said_outlives_the_master(fresh_yard: Yard, tmp_path: Path) -> None:
    """The next master finds it ready, begins a new watchdog period, and hears it."""
    script = """
say("READY=1")
while True:
    if os.path.exists("go"):
        say("STATUS=heard again")
    time.sleep(0.05)
    try:
        say("WATCHDOG=1")
    except OSError:
        pass
"""
    script = script.replace('        say("STATUS=heard again")', "        say('STATUS=heard again', 'WATCHDOG=1')")
    watchdog = ProbeSpec("notify", period=Duration(5.0), failures=1)
    fresh_yard.apply(speaker(tmp_path, script, probes={**READY, "liveness": watchdog}))
    before = fresh_yard.running("w")["w"]
    fresh_yard.ask("start", workers=["w"])  # Answered once all that was heard before is saved.
    master = fresh_yard.pid("master")
    os.kill(master, signal.SIGKILL)
    eventually(lambda: fresh_yard.pid("master") != master, "another master")
    after = fresh_yard.running("w")["w"]
    assert (after["pid"], after["attempt"]) == (before["pid"], 1)
    (tmp_path / "go").touch()
    note(fresh_yard, "heard again")


def test_a_worker_that_asks_for_more_time_ends_in_its_own_way(fresh_yard: Yard, tmp_path: Path) -> None:
    """Its stop would have taken a tenth of a second."""
    script = """
def end(*_):
    say("STOPPING=1", "EXTEND_TIMEOUT_USEC=30000000")
    until("go")
    sys.exit(7)
signal.signal(signal.SIGTERM, end)
say("READY=1")
time.sleep(1000)
"""
    fresh_yard.apply(speaker(tmp_path, script, stop=steps((signal.SIGTERM, 1.0))))
    fresh_yard.running("w")
    (row,) = fresh_yard.ask("stop", workers=["w"], timeout=2.0)
    assert row["state"] == "stopping"
    (tmp_path / "go").touch()
    eventually(lambda: fresh_yard.ps()["w"]["state"] == "stopped")
    assert fresh_yard.ps()["w"]["exit"] == "exit code 7"


@pytest.mark.skipif(os.geteuid() != 0 or EVERYBODYS is None, reason="needs root, and a Python that all may run")
def test_a_worker_of_another_user_is_heard(fresh_yard: Yard) -> None:
    """It can't look into the state folder, and need not."""
    made = python("w", SAY + "say('READY=1'); time.sleep(1000)", NEVER, probes=READY)
    fresh_yard.apply(replace(made, run={**made.run, "executable_path": EVERYBODYS, "user": "nobody"}))
    fresh_yard.running("w")


def test_no_worker_speaks_in_the_name_of_beeyard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that a service manager gave to Beeyard itself is not passed on to workers."""
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/of/systemd")
    monkeypatch.setenv("WATCHDOG_USEC", "1")
    seen = tmp_path / "seen"
    with yard(tmp_path / "s") as made:
        made.apply(shell("w", f"echo ${{NOTIFY_SOCKET-none}} ${{WATCHDOG_USEC-none}} >{seen}; sleep 1000"))
        eventually(lambda: lines(seen) == ["none none"], f"{lines(seen)}")


def test_a_grpc_worker_is_ready_when_its_health_service_says_so(fresh_yard: Yard, tmp_path: Path) -> None:
    """The standard one, in a worker of its own, on a port that Beeyard chose."""
    script = """
import os, time
from concurrent.futures import ThreadPoolExecutor
import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
SERVING = health_pb2.HealthCheckResponse.ServingStatus
service = health.HealthServicer()
service.set("orders", SERVING.Value("NOT_SERVING"))
server = grpc.server(ThreadPoolExecutor(1))
health_pb2_grpc.add_HealthServicer_to_server(service, server)
server.add_insecure_port("127.0.0.1:" + os.environ["BEEYARD_PORT_API"])
server.start()
while not os.path.exists("go"):
    time.sleep(0.01)
service.set("orders", SERVING.Value("SERVING"))
server.wait_for_termination()
"""
    run = {"executable_path": sys.executable, "args": ("-c", script), "working_directory": str(tmp_path)}
    probe = ProbeSpec("grpc", endpoint="api", service="orders", period=Duration(0.1), timeout=Duration(5.0), failures=1)
    made = python("w", "", probes={"readiness": probe}, endpoints={"api": Endpoint("grpc")})
    fresh_yard.apply(replace(made, run=run))
    eventually(lambda: fresh_yard.ps().get("w", {}).get("state") == "running")
    why = "the gRPC health of 'orders' at 127.0.0.1:{} is NOT_SERVING"
    why = why.format(fresh_yard.ps()["w"]["endpoints"]["api"].rpartition(":")[2])
    # Not the note of `ps`: that keeps the first reason, which may be that nobody listened yet.
    eventually(lambda: fresh_yard.ask("probe", worker="w")[0]["reason"] == why, why)
    assert fresh_yard.ps()["w"]["ready"] is False
    (tmp_path / "go").touch()
    fresh_yard.running("w")
