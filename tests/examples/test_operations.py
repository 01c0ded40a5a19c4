"""What docs/operations.md says, done: a worker file, the command line, real processes."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from beeyard.launcher.locks import holder
from tests.yard import Yard, eventually

BEEYARD = Path(sys.executable).parent / "beeyard"
SLEEPER = "execution: {executable_path: sleep, args: [infinity]}"


class Bench(Yard):
    """A state folder and a worker file beside it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "state")
        self.file = folder / "beeyard.yaml"

    def write(self, *workers: str) -> None:
        """The worker file: a line `id: …` and more for each worker."""
        items = ["\n    ".join(worker.strip().splitlines()) for worker in workers]
        self.file.write_text("workers:\n" + "".join(f"  - {item}\n" for item in items))

    def cli(self, *words: str, code: int | None = 0) -> str:
        """What `beeyard WORDS` prints, both streams; `code`: how it must end, None for either way."""
        done = subprocess.run(
            [BEEYARD, "--state-dir", self.paths.state, *words],
            cwd=self.file.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )
        assert code in (None, done.returncode), done.stdout
        return done.stdout

    def up(self) -> None:
        """`beeyard up -d`, which must end well."""
        self.cli("up", "-d")


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("o"))
    try:
        yield made
    finally:
        made.end()


def test_a_stop_holds_over_down_and_up(bench: Bench) -> None:
    """And what was not stopped comes back."""
    bench.write(f"id: kept\n{SLEEPER}", f"id: stopped\n{SLEEPER}")
    bench.up()
    bench.cli("stop", "stopped")
    bench.cli("down")
    bench.up()
    assert {name: row["state"] for name, row in bench.ps().items()} == {"kept": "running", "stopped": "stopped"}


def test_up_changes_only_what_changed(bench: Bench) -> None:
    """A policy is no reason to restart, an argument is; what left the file goes, what was added by hand stays."""
    bench.write(f"id: a\n{SLEEPER}", f"id: b\n{SLEEPER}", f"id: c\n{SLEEPER}")
    bench.up()
    bench.cli("add", "mine", "--", "sleep", "infinity")
    before = {name: row["pid"] for name, row in bench.ps().items()}
    bench.write(f"id: a\n{SLEEPER}\nrestart_policy: never", "id: b\nexecution: {executable_path: sleep, args: [1000h]}")
    assert bench.cli("up", "--dry-run", code=10).splitlines()[:3] == ["restart:   b", "adjust:    a", "remove:    c"]
    bench.up()
    after = {name: row["pid"] for name, row in bench.ps().items()}
    assert set(after) == {"a", "b", "mine"}
    assert {name for name in after if after[name] != before[name]} == {"b"}


def test_reload_touches_only_what_changed(bench: Bench) -> None:
    """Of twenty workers three change, one comes and one goes; nothing happens to the others, nor by a wrong file."""
    names = [f"w{number}" for number in range(20)]
    bench.write(*(f"id: {name}\n{SLEEPER}" for name in names))
    bench.up()
    before = {name: row["pid"] for name, row in bench.ps().items()}
    changed = {"w1", "w2", "w3"}
    other = "execution: {executable_path: sleep, args: [1000h]}"
    wished = [f"id: {name}\n{other if name in changed else SLEEPER}" for name in names[:-1]]
    bench.write(*wished, "id: bad\nexecution: {executable_path: sleep, argz: []}")
    assert "argz" in bench.cli("reload", code=2)
    assert {name: row["pid"] for name, row in bench.ps().items()} == before
    bench.write(*wished, f"id: new\n{SLEEPER}")
    plan = bench.cli("reload", "--dry-run", code=10)
    assert 'execution.args: ["infinity"] → ["1000h"]' in plan
    assert plan.startswith("add:       new\nrestart:   w1, w2, w3\nremove:    w19\n")
    assert bench.cli("reload").startswith(plan.partition("nothing was changed")[0])
    after = {name: row["pid"] for name, row in bench.ps().items()}
    assert set(after) == {*names[:-1], "new"}
    assert {name for name in after if after[name] != before.get(name)} == {*changed, "new"}
    bench.cli("reload", "--dry-run")
    bench.file.unlink()
    assert "is gone" in bench.cli("reload", code=3)
    assert {name: row["pid"] for name, row in bench.ps().items()} == after


def test_pid_and_port_files_are_there_while_the_worker_runs(bench: Bench) -> None:
    """For scripts; gone with the process."""
    bench.write(f"id: one\n{SLEEPER}\nendpoints: {{http: {{port: auto}}}}")
    bench.up()
    row = bench.ps()["one"]
    folder = Path(bench.paths.pids)
    assert (folder / "one.pid").read_text() == f"{row['pid']}\n"
    assert row["endpoints"] == {"http": f"tcp://127.0.0.1:{(folder / 'one.port').read_text().strip()}"}
    bench.cli("stop", "one")
    eventually(lambda: not list(folder.glob("one.*")), "files removed")


def test_a_process_that_a_pid_file_names_is_taken_over(bench: Bench) -> None:
    """It is not started again; a pid file that names another program is not believed."""
    with subprocess.Popen(["sleep", "infinity"], start_new_session=True) as process:
        try:
            (bench.file.parent / "right.pid").write_text(f"{process.pid}\n")
            (bench.file.parent / "wrong.pid").write_text(f"{os.getpid()}\n")
            section = "execution: {executable_path: sleep, args: [infinity], pid_file: %s.pid}"
            bench.write(f"id: right\n{section % 'right'}", f"id: wrong\n{section % 'wrong'}")
            bench.up()
            rows = bench.running()
            assert rows["right"]["pid"] == process.pid
            assert rows["wrong"]["pid"] not in (process.pid, os.getpid())
            bench.cli("stop", "right")
            assert process.wait(10) == -signal.SIGTERM
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("policy", "code", "restarted"),
    [
        ("never", 1, False),
        ("on-failure", 0, False),
        ("on-failure", 1, True),
        ("always", 0, True),
        ("unless-stopped", 0, True),
    ],
)
def test_restart_policies_do_what_they_say(bench: Bench, policy: str, code: int, restarted: bool) -> None:
    """A program that ends by itself, well or not."""
    bench.write(
        f"id: w\nexecution: {{executable_path: sh, args: [-c, 'sleep 0.2; exit {code}']}}\n"
        f"restart_policy: {{policy: {policy}, delay: 10ms, max_delay: 10ms, max_retries: 1000}}"
    )
    bench.cli("up", "-d", code=None)
    if restarted:
        eventually(lambda: bench.ps()["w"]["restarts"] >= 2, "two restarts")
    else:
        eventually(lambda: bench.ps()["w"]["state"] == "stopped", "its end")
        assert bench.ps()["w"]["restarts"] == 0


def test_a_refused_launch_says_of_what_kind_it_was_and_what_to_do(bench: Bench) -> None:
    """In `why`, for people and for programs; the policy goes on meanwhile, and once it is mended the worker runs."""
    program = bench.file.parent / "program"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    bench.write(f"id: w\nexecution: {{executable_path: {program}}}\nrestart_policy: {{delay: 100ms, max_retries: 99}}")
    bench.cli("up", "-d", code=None)
    assert "hint      install that interpreter, or mend the first line of the script" in bench.cli("why", "w")
    (told,) = json.loads(bench.cli("why", "w", "--json"))
    assert told["deaths"][0]["cause"]["refusal"] == {
        "category": "interpreter_not_found",
        "recoverable": False,
        "hint": "install that interpreter, or mend the first line of the script",
    }
    program.write_text("#!/bin/sh\nexec sleep infinity\n")
    eventually(lambda: bench.ps()["w"]["state"] == "running", "a start after it was mended")


def test_a_spent_budget_is_failed_until_someone_starts_it(bench: Bench) -> None:
    """`why` says so; a start has a fresh budget."""
    bench.write(
        "id: w\nexecution: {executable_path: sh, args: [-c, 'echo too bad; exit 3']}\n"
        "restart_policy: {policy: on-failure, delay: 10ms, max_retries: 2}"
    )
    bench.cli("up", "-d", code=None)
    eventually(lambda: bench.ps()["w"]["state"] == "failed", "giving up")
    assert bench.ps()["w"]["attempt"] == 3
    eventually(lambda: "| too bad" in bench.cli("why", "w"), "its last line")
    why = bench.cli("why", "w")
    assert "decision  2 restarts within 5m (max_retries); one trial start in 5m" in why
    assert "it ended by itself: exit code 3" in why
    bench.cli("start", "w", code=None)
    eventually(lambda: bench.ps()["w"]["attempt"] == 6, "three more")


@pytest.mark.parametrize("means", ["http", "tcp", "exec", "process"])
def test_a_worker_is_ready_when_its_probe_says_so(bench: Bench, means: str) -> None:
    """Each means of asking, against a server that begins to listen late."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    probe = {
        "http": "{http: /, ",
        "tcp": "{tcp: http, ",
        "exec": "{exec: [test, -e, listening], ",
        "process": "{process: true, ",
    }[means]
    serve = f"sleep 0.3; touch listening; exec {sys.executable} -m http.server --bind 127.0.0.1 {port}"
    bench.write(
        f"id: w\nexecution: {{executable_path: sh, args: [-c, '{serve}']}}\n"
        f"endpoints: {{http: {{protocol: http, port: {port}}}}}\n"
        f"probes: {{readiness: {probe}period: 50ms, timeout: 2s}}}}"
    )
    bench.up()
    bench.running("w")
    assert (bench.file.parent / "listening").exists() or means == "process"


def test_all_of_beeyard_killed_at_once_is_brought_back_by_up(bench: Bench) -> None:
    """Workers go on, and `up` takes them over."""
    bench.write(f"id: a\n{SLEEPER}", f"id: b\n{SLEEPER}")
    bench.up()
    before = {name: row["pid"] for name, row in bench.ps().items()}
    pids = [bench.pid(role) for role in ("launcher", "master", "pump")]
    for signo in (signal.SIGSTOP, signal.SIGKILL):  # At once, or the one would start the other again meanwhile.
        for pid in pids:
            os.kill(pid, signo)
    eventually(lambda: not any(map(holder, bench._locks())), "nothing left")
    assert "no master serves" in bench.cli("ps", code=5)
    bench.up()
    assert {name: row["pid"] for name, row in bench.ps().items()} == before


def test_a_damaged_database_moved_aside_costs_no_process(bench: Bench) -> None:
    """Refused, then made anew; `up` takes over what runs, by name."""
    bench.write(f"id: a\n{SLEEPER}")
    bench.up()
    pid = bench.ps()["a"]["pid"]
    database = Path(bench.paths.database)
    with database.open("r+b") as file:
        file.write(b"no database")
    os.kill(bench.pid("master"), signal.SIGKILL)
    eventually(lambda: "it is not an SQLite database" in bench.cli("ps", code=4), "a refusal")
    for path in database.parent.glob("beeyard.db*"):
        path.rename(path.with_suffix(".aside"))
    eventually(bench.answers, "a master", 40)
    assert f"a (pid {pid})" in bench.cli("info")
    bench.up()
    assert bench.ps()["a"]["pid"] == pid
