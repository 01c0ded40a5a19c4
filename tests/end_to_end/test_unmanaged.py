"""Unmanaged workers: real processes that the test starts outside of Beeyard are found, watched, and left alone."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from beeyard.adapters.providers.process.unmanaged_section import UnmanagedSection
from beeyard.domain.plain import read
from beeyard.domain.spec import Endpoint, ProbeSpec, WorkerSpec
from beeyard.domain.values import Duration, WorkerId
from beeyard.launcher import kernel
from tests.contract.benches import cgroups
from tests.yard import PATIENCE, Refusal, Yard, eventually, yard

SOON = 0.1
"""Seconds between two looks for what is not there."""
SLEEPS = "import signal; signal.pause()"
LISTENS = """
import signal, socket, sys
kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}[sys.argv[1]]
waits = socket.socket(type=kind)
waits.bind(("127.0.0.1", 0))
kind == socket.SOCK_STREAM and waits.listen()
print(waits.getsockname()[1], flush=True)
signal.pause()
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a Python script that belongs to nobody but the test; killed when the test is over."""
    started: list[subprocess.Popen[str]] = []

    def do(script: str, *arguments: str, name: str = "") -> "subprocess.Popen[str]":
        argv = [name or sys.executable, "-S", "-c", script, *arguments]
        started.append(
            subprocess.Popen(argv, executable=sys.executable, stdout=subprocess.PIPE, text=True, start_new_session=True)
        )
        return started[-1]

    yield do
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def unmanaged(discovery: dict[str, Any], control: dict[str, Any] | None = None, **more: Any) -> WorkerSpec:
    """The worker `web`, as a worker file would make it."""
    run = {"discovery": {"check_interval": SOON, **discovery}} | ({"control": control} if control else {})
    section = read(run, UnmanagedSection)
    return WorkerSpec(
        id=WorkerId("web"), provider="unmanaged", run=run, restart=section.restart(), stop=section.stop(), **more
    )


def named(pid: int, tmp_path: Path) -> dict[str, Any]:
    """To be found by a pid file that names this process."""
    file = tmp_path / "web.pid"
    file.write_text(f"{pid}\n")
    return {"method": "pid-file", "pid_file": str(file)}


def line(process: "subprocess.Popen[str]") -> str:
    """What it said first."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def why(yard: Yard) -> dict[str, Any]:
    """The newest death record."""
    death: dict[str, Any] = yard.ask("why", worker="web")[0]["deaths"][0]
    return death


# --- found ----------------------------------------------------------------------------------------------------------


def test_a_pid_file_names_it(fresh_yard: Yard, start: Start, tmp_path: Path) -> None:
    """It is ready at once, and nothing is put into it: no mark, no cgroup of ours."""
    process = start(SLEEPS)
    fresh_yard.apply(unmanaged(named(process.pid, tmp_path)))
    assert fresh_yard.running("web")["web"]["pid"] == process.pid
    assert fresh_yard.marked() == []
    assert [path for path in cgroups(fresh_yard.paths) if "@" in path.name] == []


def test_a_name_and_arguments_name_it(fresh_yard: Yard, start: Start) -> None:
    """The name it was started by; another of this name has other arguments."""
    start(SLEEPS, "--other", name="bee-hive")
    process = start(SLEEPS, "--mode", "queen", name="bee-hive")
    fresh_yard.apply(
        unmanaged({"method": "process-name", "process_name": "bee-hive", "process_args": ["--mode", "queen"]})
    )
    assert fresh_yard.running("web")["web"]["pid"] == process.pid


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_port_names_it(fresh_yard: Yard, start: Start, protocol: str) -> None:
    """Whoever has the socket that waits there."""
    process = start(LISTENS, protocol)
    fresh_yard.apply(unmanaged({"method": "port", "port": int(line(process)), "protocol": protocol}))
    assert fresh_yard.running("web")["web"]["pid"] == process.pid


def test_a_service_names_it(fresh_yard: Yard, start: Start) -> None:
    """By the cgroup that systemd would have made for it."""
    root = next((path for path in (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")) if _ours(path)), None)
    if root is None:
        pytest.skip("no cgroup can be made here")
    folder = root / f"beeyard-test-{os.getpid()}.service"
    folder.mkdir()
    process = start(SLEEPS)
    try:
        (folder / "cgroup.procs").write_text(str(process.pid))
        fresh_yard.apply(unmanaged({"method": "service-name", "service_name": folder.name.removesuffix(".service")}))
        assert fresh_yard.running("web")["web"]["pid"] == process.pid
        fresh_yard.down()
    finally:
        process.kill()
        process.wait()
        eventually(lambda: not (folder / "cgroup.procs").read_text(), "an empty cgroup")
        folder.rmdir()


def _ours(path: Path) -> bool:
    return (path / "cgroup.procs").exists() and os.access(path, os.W_OK) and os.geteuid() == 0


def test_what_is_not_there_is_looked_for_until_it_is(fresh_yard: Yard, start: Start) -> None:
    """Meanwhile `why` says what is missing; what was found, ended and came back is another attempt."""
    fresh_yard.apply(unmanaged({"method": "process-name", "process_name": "bee-late"}))
    eventually(lambda: fresh_yard.ask("why", worker="web")[0]["deaths"], "a look in vain")
    assert why(fresh_yard)["cause"]["detail"] == "no process named bee-late"
    first = start(SLEEPS, name="bee-late")
    assert fresh_yard.running("web")["web"]["pid"] == first.pid
    first.kill()
    first.wait()
    second = start(SLEEPS, name="bee-late")
    eventually(lambda: fresh_yard.ps()["web"]["pid"] == second.pid, "the next one")


def test_of_two_that_fit_none_is_taken(fresh_yard: Yard, start: Start) -> None:
    """The reason names both, with their command lines; Beeyard does not guess."""
    pids = sorted(start(SLEEPS, name="bee-twin").pid for _ in range(2))
    fresh_yard.apply(unmanaged({"method": "process-name", "process_name": "bee-twin"}))
    eventually(lambda: fresh_yard.ask("why", worker="web")[0]["deaths"], "a look in vain")
    detail = why(fresh_yard)["cause"]["detail"]
    assert detail.startswith("not one process named bee-twin but 2: ")
    assert all(f"{pid} (bee-twin -S -c {SLEEPS})" in detail for pid in pids)


def test_a_process_with_children_of_its_name_is_one(fresh_yard: Yard, start: Start) -> None:
    """As a server that forks."""
    process = start(f"import os; os.fork() and print(flush=True); {SLEEPS}", name="bee-master")
    line(process)
    fresh_yard.apply(unmanaged({"method": "process-name", "process_name": "bee-master"}))
    assert fresh_yard.running("web")["web"]["pid"] == process.pid


def test_a_process_younger_than_its_pid_file_is_not_the_one_meant(
    fresh_yard: Yard, start: Start, tmp_path: Path
) -> None:
    """It got the pid of another one that ended."""
    process = start(SLEEPS)
    discovery = named(process.pid, tmp_path)
    os.utime(discovery["pid_file"], (1_000_000_000, 1_000_000_000))
    fresh_yard.apply(unmanaged(discovery, {"can_terminate": True}))
    eventually(lambda: fresh_yard.ask("why", worker="web")[0]["deaths"], "a look in vain")
    assert why(fresh_yard)["cause"]["detail"].endswith(
        f"is younger than {discovery['pid_file']}, which names it: not the one meant"
    )
    assert process.poll() is None


# --- watched --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["master", "launcher"])
def test_whoever_of_beeyard_is_killed_it_is_untouched_and_the_same(
    fresh_yard: Yard, start: Start, tmp_path: Path, who: str
) -> None:
    """Same process, same attempt."""
    process = start(SLEEPS)
    fresh_yard.apply(unmanaged(named(process.pid, tmp_path), {"can_terminate": True}))
    fresh_yard.running("web")
    old = fresh_yard.pid(who)
    os.kill(old, signal.SIGKILL)
    eventually(lambda: fresh_yard.pid(who) != old, "another one")
    row = fresh_yard.running("web")["web"]
    assert (row["pid"], row["attempt"], process.poll()) == (process.pid, 1, None)


def test_its_end_is_told_as_it_was(fresh_yard: Yard, start: Start, tmp_path: Path) -> None:
    """The exit code of a process that is nobody's child here."""
    process = start(
        f"import signal, sys; signal.signal(signal.SIGUSR1, lambda *_: sys.exit(7)); print(flush=True); {SLEEPS}"
    )
    line(process)
    fresh_yard.apply(unmanaged(named(process.pid, tmp_path)))
    fresh_yard.running("web")
    process.send_signal(signal.SIGUSR1)
    process.wait()
    eventually(lambda: fresh_yard.ps()["web"]["attempt"] > 1, "the next look")
    deaths = fresh_yard.ask("why", worker="web")[0]["deaths"]
    assert next(death for death in deaths if death["attempt"] == 1)["exit"].get("code") == 7


def test_probes_ask_it_as_any_other(fresh_yard: Yard, start: Start) -> None:
    """By tcp at its own port, and by a command that finds the port in its environment."""
    process = start(LISTENS, "tcp")
    port = int(line(process))
    by_tcp = ProbeSpec("tcp", endpoint="main", period=Duration(0.1))
    by_command = ProbeSpec("exec", command=("/bin/sh", "-c", f"test $BEEYARD_PORT_MAIN = {port}"), period=Duration(0.1))
    for probe in (by_tcp, by_command):
        fresh_yard.apply(
            unmanaged(
                {"method": "port", "port": port}, endpoints={"main": Endpoint("tcp", port)}, probes={"readiness": probe}
            )
        )
        assert fresh_yard.running("web")["web"]["health"] == "healthy"


# --- ended, or let go -----------------------------------------------------------------------------------------------


def test_it_is_not_stopped_unless_that_is_allowed(fresh_yard: Yard, start: Start, tmp_path: Path) -> None:
    """The refusal says what to set; nothing was sent."""
    process = start(SLEEPS)
    fresh_yard.apply(unmanaged(named(process.pid, tmp_path)))
    fresh_yard.running("web")
    for act, done in (("stop", "stopped"), ("restart", "restarted")):
        with pytest.raises(Refusal, match=f"^web is not Beeyard's own: it may not be {done}$"):
            fresh_yard.ask(act, workers=["web"])
    assert fresh_yard.ps()["web"]["pid"] == process.pid
    assert fresh_yard.ask("show", worker="web")[0]["refused"].keys() == {"stop", "restart"}
    assert process.poll() is None
    fresh_yard.apply(
        unmanaged(named(process.pid, tmp_path), {"can_terminate": True, "allowed_signals": [int(signal.SIGTERM)]})
    )
    fresh_yard.running("web")
    with pytest.raises(Refusal, match=r"it may not be killed$"):
        fresh_yard.ask("stop", workers=["web"], force=True)
    assert process.poll() is None


def test_where_it_may_be_stopped_it_is_and_its_group_is_not(fresh_yard: Yard, start: Start, tmp_path: Path) -> None:
    """SIGTERM goes to that process alone."""
    process = start(f"import os; child = os.fork(); child and print(child, flush=True); {SLEEPS}")
    child = int(line(process))
    fresh_yard.apply(unmanaged(named(process.pid, tmp_path), {"can_terminate": True}))
    fresh_yard.running("web")
    fresh_yard.ask("stop", workers=["web"])
    assert process.wait(PATIENCE) == -signal.SIGTERM
    assert fresh_yard.ps()["web"]["state"] == "stopped"
    seen = kernel.stat(child)
    assert seen is not None
    assert seen.state not in "ZX"


def test_a_signal_that_is_not_allowed_is_not_sent(fresh_yard: Yard, start: Start, tmp_path: Path) -> None:
    """It is asked by the one that is, over and over; no SIGKILL follows, though it does not end."""
    script = """
import signal
signal.signal(signal.SIGUSR1, lambda *_: print("asked", flush=True))
print("up", flush=True)
while True: signal.pause()
"""
    process = start(script)
    assert line(process) == "up"
    control = {"can_terminate": True, "allowed_signals": [int(signal.SIGUSR1)], "graceful_timeout": 0.05}
    fresh_yard.apply(unmanaged(named(process.pid, tmp_path), control))
    fresh_yard.running("web")
    fresh_yard.ask("stop", workers=["web"], wait=False)
    assert line(process) == "asked"
    eventually(lambda: "SIGKILL is not among its allowed_signals, so it is not sent" in fresh_yard.said(), "a kill")
    assert (process.poll(), fresh_yard.ps()["web"]["state"]) == (None, "stopping")


@pytest.mark.parametrize("control", [None, {"can_terminate": True}], ids=["watched", "endable"])
def test_down_lets_it_go(fresh_yard: Yard, start: Start, tmp_path: Path, control: dict[str, Any] | None) -> None:
    """Whatever may be done to it: it runs on, `down` says so, and the next Beeyard finds it again."""
    process = start(SLEEPS)
    fresh_yard.apply(unmanaged(named(process.pid, tmp_path), control))
    fresh_yard.running("web")
    assert fresh_yard.down() == {"ended": 0, "stuck": [], "left": ["web"]}
    assert process.poll() is None


def test_removed_disabled_or_sought_otherwise_it_is_let_go(fresh_yard: Yard, start: Start, tmp_path: Path) -> None:
    """None of these ends a process, even one that may be ended."""
    process = start(SLEEPS, name="bee-free")
    able = {"can_terminate": True, "can_restart": True}
    fresh_yard.apply(unmanaged(named(process.pid, tmp_path), able))
    fresh_yard.running("web")
    fresh_yard.apply(unmanaged({"method": "process-name", "process_name": "bee-free"}, able))
    eventually(lambda: fresh_yard.ps()["web"]["attempt"] == 2, "found in another way")
    assert fresh_yard.running("web")["web"]["pid"] == process.pid
    fresh_yard.apply(unmanaged({"method": "process-name", "process_name": "bee-free"}, able, enabled=False))
    eventually(lambda: fresh_yard.ps()["web"]["state"] == "stopped", "no watch")
    assert why(fresh_yard)["exit"].get("left") is True
    fresh_yard.ask("start", workers=["web"])
    assert fresh_yard.ask("remove", workers=["web"]) == ["web"]
    assert (fresh_yard.ps(), process.poll()) == ({}, None)


SYSTEMCTL = """#!/bin/sh
# Does what systemd would, and says what it was asked.
echo "$@" >> {folder}/asked
kill $(cat {folder}/web.pid)
while kill -0 $(cat {folder}/web.pid) 2>/dev/null; do sleep 0.01; done
[ "$1" = stop ] && exit
setsid sleep 1000 &
until [ "$(cat /proc/$!/comm)" = sleep ]; do :; done
echo $! > {folder}/web.pid
"""


def test_a_service_manager_restarts_and_stops_it(tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a stand-in for `systemctl`, for no systemd runs here: the next process is looked for when it has answered."""
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(SYSTEMCTL.format(folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    process = start(SLEEPS)
    threading.Thread(target=process.wait, daemon=True).start()  # As its parent would.
    control = {"can_restart": True, "can_terminate": True, "service_manager": "systemd", "service_name": "web"}
    with yard(tmp_path / "s") as made:
        made.apply(unmanaged({**named(process.pid, tmp_path), "check_interval": 3600.0}, control))
        made.running("web")
        (row,) = made.ask("restart", workers=["web"])
        assert (row["attempt"], row["pid"]) == (2, int((tmp_path / "web.pid").read_text()))
        made.ask("stop", workers=["web"])
    assert (tmp_path / "asked").read_text() == "restart web\nstop web\n"
    assert process.returncode == -signal.SIGTERM
