"""The launcher becomes another version of itself: the same process, with its workers, its table and its pump."""

import os
import signal
import socket
from functools import partial
from pathlib import Path

import pytest

from beeyard.launcher import kernel
from beeyard.launcher.protocol import VERSION, Message, Unpacker, pack
from tests.end_to_end.workers import AT_ONCE, LOOP, down_and_clean, lines, python, shell, steps
from tests.yard import Yard, eventually, launcher_program, master_program

CHATTY = "import itertools, time\nfor n in itertools.count(1):\n    print(n, flush=True); time.sleep(0.001)"


def replace(yard: Yard, argv: list[str] | None = None, *, before: tuple[int, int] | None = None) -> Message:
    """Tell the launcher to become `argv`; `before`: a process to signal while it has the order and can't act on it."""
    launcher = yard.pid("launcher")
    argv = argv or [*launcher_program(), "--state", yard.paths.state, "--", *master_program(), yard.paths.state]
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(yard.paths.launcher_socket)
        sock.sendall(pack({"type": "hello", "id": 1, "version": VERSION}))
        unpacker = Unpacker()
        answers = unpacker.feed(sock.recv(1 << 20))
        while not answers:
            answers = unpacker.feed(sock.recv(1 << 20))
        if before:
            os.kill(launcher, signal.SIGSTOP)
        sock.sendall(pack({"type": "replace", "id": 2, "argv": argv}))
        if before:
            os.kill(*before)
            eventually(lambda: (seen := kernel.stat(before[0])) is None or seen.state in "ZX", "it ended")
            os.kill(launcher, signal.SIGCONT)
        answers = unpacker.feed(sock.recv(1 << 20))
        return answers[0]


def became(yard: Yard) -> bool:
    """Whether the launcher runs as one that took over."""
    return b"--resume" in Path(f"/proc/{yard.pid('launcher')}/cmdline").read_bytes()


def test_everything_goes_on_in_the_same_processes(fresh_yard: Yard) -> None:
    """Launcher, pump, master and workers keep their pids, and a worker's lines come without gap."""
    yard = fresh_yard
    yard.apply(python("chatty", CHATTY), shell("plain", "sleep 1000"))
    rows = yard.running()
    pids = {role: yard.pid(role) for role in ("launcher", "pump", "master")}

    def goes_on(said: int) -> bool:
        return len(yard.log("chatty").splitlines()) > said + 50

    for _ in range(3):
        said = len(yard.log("chatty").splitlines())
        assert "error" not in replace(yard)
        eventually(lambda: became(yard), "another launcher")
        eventually(partial(goes_on, said), "lines go on")
    after = yard.running("chatty", "plain")
    assert {name: (row["pid"], row["attempt"]) for name, row in after.items()} == {
        name: (row["pid"], row["attempt"]) for name, row in rows.items()
    }
    assert {role: yard.pid(role) for role in pids} == pids
    os.kill(rows["plain"]["pid"], signal.SIGTERM)
    eventually(lambda: yard.ps()["plain"]["exit"] == "SIGTERM", "its end is seen")
    yard.ask("stop", workers=["chatty"])
    written = yard.log("chatty").split()
    assert written == [str(number).encode() for number in range(1, len(written) + 1)]
    down_and_clean(yard)


def test_an_exit_in_between_is_known_exactly(fresh_yard: Yard) -> None:
    """Who ends while the launcher is being replaced ended with its own code, and is started again."""
    yard = fresh_yard
    yard.apply(shell("target", f"trap 'exit 7' USR1; echo up; {LOOP}", AT_ONCE))
    first = yard.running()["target"]
    eventually(lambda: yard.log("target") == b"up\n", "its trap is set")
    replace(yard, before=(first["pid"], signal.SIGUSR1))
    eventually(lambda: became(yard), "another launcher")
    eventually(lambda: yard.ps().get("target", first)["attempt"] == 2, "the next attempt")
    (told,) = yard.ask("why", worker="target")
    assert [(death["attempt"], death["exit"]["code"]) for death in told["deaths"]] == [(1, 7)]
    second = yard.running("target")["target"]["pid"]
    eventually(lambda: yard.leaders("target") == [second], "one process")
    down_and_clean(yard)


def test_a_stop_under_way_goes_on_where_it_was(fresh_yard: Yard, tmp_path: Path) -> None:
    """The step that was taken is not taken again, though the master died as well and repeats what it owes."""
    yard = fresh_yard
    out = tmp_path / "out"
    script = f"trap 'echo TERM >> {out}' TERM; trap 'echo INT >> {out}; exit 0' INT; echo up >> {out}; {LOOP}"
    yard.apply(shell("stubborn", script, stop=steps((signal.SIGTERM, 30.0), (signal.SIGINT, 30.0))))
    row = yard.running()["stubborn"]
    eventually(lambda: lines(out) == ["up"], "its traps are set")
    yard.ask("stop", workers=["stubborn"], wait=False)
    eventually(lambda: lines(out) == ["up", "TERM"], "the first step")
    replace(yard)
    eventually(lambda: became(yard), "another launcher")
    master = yard.pid("master")
    os.kill(master, signal.SIGKILL)
    eventually(lambda: yard.ps().get("stubborn", {}).get("state") == "stopping", "another master")
    assert yard.pid("master") != master
    os.kill(row["pid"], signal.SIGINT)
    eventually(lambda: yard.ps()["stubborn"]["state"] == "stopped", "its end")
    assert lines(out) == ["up", "TERM", "INT"]
    down_and_clean(yard)


@pytest.mark.parametrize("argv", [["/no/such/program"], ["/etc/passwd"]])
def test_what_is_no_program_is_refused_and_nothing_happened(fresh_yard: Yard, argv: list[str]) -> None:
    """The launcher stays what it is."""
    yard = fresh_yard
    yard.apply(shell("plain", "sleep 1000"))
    row = yard.running()["plain"]
    answer = replace(yard, argv)
    assert (answer["error"], answer["text"]) == ("failed", f"{argv[0]} is no program")
    assert not became(yard)
    assert yard.running()["plain"]["pid"] == row["pid"]


def test_a_program_that_fails_at_once_costs_no_worker(fresh_yard: Yard) -> None:
    """The master starts another launcher, which takes over."""
    yard = fresh_yard
    yard.apply(shell("plain", "sleep 1000"))
    row = yard.running()["plain"]
    launcher = yard.pid("launcher")
    replace(yard, ["/bin/false"])
    eventually(lambda: yard.pid("launcher") != launcher, "another launcher")
    assert yard.running()["plain"]["pid"] == row["pid"]
