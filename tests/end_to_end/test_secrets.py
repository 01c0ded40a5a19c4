"""The value of a secret is in the environment of the workers that refer to it, and nowhere else.

Everything that keeps, shows or passes on anything is made to work with secrets, and then searched for their values.
What workers themselves write or pass on is their own affair: these keep it to themselves.
"""

import contextlib
import json
import os
import secrets
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from beeyard.launcher import kernel
from tests.end_to_end.test_upgrade import became, replace
from tests.yard import Refusal, Yard, eventually

SLEEP = "exec sleep 1000"


class Watched(Yard):
    """A yard as an operator has it, by the command line. `told` is all that anybody was ever told."""

    def __init__(self, folder: Path, **environment: str) -> None:
        super().__init__(folder / "state")
        self.file = folder / "beeyard.yaml"
        self.told: list[bytes] = []
        self._folder = folder
        environ = {**os.environ, "BEEYARD_STATE_DIR": self.paths.state, **environment}
        self._way: dict[str, Any] = {"env": environ, "cwd": folder}
        self._followers: list[tuple[subprocess.Popen[bytes], Path]] = []

    def wish(self, **wishes: Any) -> None:
        """Write the worker file; JSON is YAML."""
        self.file.write_text(json.dumps(wishes))

    def run(self, *arguments: str, code: int = 0) -> str:
        """One command that ends with this code; its output."""
        done = subprocess.run(self._argv(*arguments), **self._way, capture_output=True, timeout=60, check=False)
        self.told += [done.stdout, done.stderr]
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout!r}\n{done.stderr!r}"
        return str(done.stdout, "utf-8")

    def follow(self, *arguments: str) -> None:
        """A command that goes on until `unfollow`."""
        output = self._folder / f"followed-{len(self._followers)}"
        with output.open("wb") as file:
            follower = subprocess.Popen(self._argv(*arguments), **self._way, stdout=file, stderr=file)
        self._followers.append((follower, output))

    def unfollow(self) -> None:
        """End them."""
        for follower, output in self._followers:
            follower.kill()
            follower.wait()
            self.told.append(output.read_bytes())
        self._followers.clear()

    def ask(self, operation: str, **fields: Any) -> Any:
        """As any program asks."""
        try:
            answer = super().ask(operation, **fields)
        except Refusal as refusal:
            self.told.append(json.dumps(refusal.document).encode())
            raise
        self.told.append(json.dumps(answer).encode())
        return answer

    def environment(self, worker: str) -> dict[str, str]:
        """That of its process."""
        found = kernel.environment(self.running(worker)[worker]["pid"])
        return {name.decode(): value.decode() for name, value in found.items()}

    def end(self) -> None:
        self.unfollow()
        super().end()

    def _argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "beeyard", *arguments]


@contextlib.contextmanager
def watched(folder: Path, **environment: str) -> Iterator[Watched]:
    """Nothing runs yet; what does in the end is ended."""
    folder.chmod(0o755)
    made = Watched(folder, **environment)
    try:
        yield made
    finally:
        made.end()


def found(yard: Watched, poison: str) -> dict[str, list[str]]:
    """Where a text is to be found: kind of place -> places. `environment` names the processes that have it there."""
    needle = poison.encode()
    places = {
        "file": [path for path in files(yard) if needle in path.encode() or needle in Path(path).read_bytes()],
        "row": [table for table, value in rows(yard) if needle in value],
        "answer": [told.decode(errors="replace") for told in yard.told if needle in told],
        "argument": [pid for pid in pids() if needle in seen(pid, "cmdline")],
        "environment": [pid for pid in pids() if needle in seen(pid, "environ")],
    }
    return {kind: sorted(set(where)) for kind, where in places.items() if where}


def files(yard: Watched) -> Iterator[str]:
    """Every file under the state folder and under what it links to, in memory too; those beside the database too."""
    memory = os.path.dirname(os.path.realpath(yard.paths.fifo))
    for top in {yard.paths.state, memory}:
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                with contextlib.suppress(FileNotFoundError):
                    if stat.S_ISREG(os.stat(path).st_mode):
                        yield path


def rows(yard: Watched) -> Iterator[tuple[str, bytes]]:
    """Every value in the database: on disk a long one is cut in pieces."""
    with contextlib.closing(sqlite3.connect(yard.paths.database)) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in database.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    yield table, value if isinstance(value, bytes) else str(value).encode()


def pids() -> list[str]:
    """All processes, in the order of their ids."""
    return sorted(map(str, kernel.processes()), key=int)


def seen(pid: str, name: str) -> bytes:
    """A file of /proc; nothing when the process is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""


def poisoned(kind: str) -> str:
    """A text that is nowhere."""
    return f"poison-{kind}-{secrets.token_hex(16)}"


def shell(id: str, script: str, environment: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """A worker that runs a script and is not started again."""
    execution = {"executable_path": "/bin/sh", "args": ["-c", script], "environment": environment}
    return {"id": id, "execution": execution, "restart_policy": "never", **more}


def test_a_secret_is_nowhere_but_in_the_environment_of_its_workers(tmp_path: Path) -> None:
    """Not in a file, the database, an answer or an argument, whatever happens; and each process has its own alone."""
    file, env, command = poisoned("file"), poisoned("env"), poisoned("command")
    source, printed = tmp_path / "file-secret", tmp_path / "command-secret"
    source.write_text(f"{file}\n")
    printed.write_text(f"{command}\n")
    broken = f"cat {source} {printed}; cat {source} {printed} >&2; exit 3"
    values = {"FILE": "u:${secret:file}@h", "ENV": "${secret:env}", "COMMAND": "${secret:command}"}
    with watched(tmp_path, POISON=env) as yard:
        given = {
            "secrets": {
                "file": {"file": str(source)},
                "env": {"env": "POISON"},
                "command": {"command": ["cat", str(printed)]},
                "broken": {"command": ["/bin/sh", "-c", broken]},
            },
            "workers": [
                shell("web", SLEEP, values, probes={"readiness": {"exec": ["/bin/sh", "-c", 'test -n "$ENV"']}}),
                shell("dies", "exit 7", values),
                shell("broken", SLEEP, {"A": "${secret:broken}", "B": "${secret:file}"}),
                shell("plain", SLEEP, {}),
            ],
        }
        yard.wish(**given)
        yard.run("config", "check")
        yard.run("up", "--dry-run", code=10)
        yard.run("up", "--detach", code=6)
        yard.follow("events", "--json")
        everything(yard)
        assert {name: yard.environment("web")[name] for name in values} == {
            "FILE": f"u:{file}@h",
            "ENV": env,
            "COMMAND": command,
        }
        assert "POISON" not in yard.environment("plain")

        # Restarts, one of which is told of by name; a start that fails; a renewed secret.
        yard.run("restart", "web", "--reason", "secrets were renewed")
        yard.run("start", "broken", code=6)
        renewed = poisoned("renewed")
        source.write_text(renewed)
        yard.run("restart", "web")
        assert yard.environment("web")["FILE"] == f"u:{renewed}@h"

        # Requests that are refused.
        yard.wish(**given | {"secrets": {"file": {"value": file}, "env": env, "broken": {"command": command}}})
        yard.run("config", "check", code=2)
        yard.run("up", "--detach", code=2)
        yard.wish(**given)
        for block in ({"x": {"value": file}}, {"x": {"file": "/x", "env": "X", "value": file}}):
            with pytest.raises(Refusal):
                yard.ask("apply", specs=[], origin="test", master={"secrets": block})
        with pytest.raises(Refusal):
            yard.ask("add", specs=[{"id": "no", "provider": "process", "run": {"environment": {"A": [command]}}}])

        # The launcher becomes another one, in the same process; then the master is killed.
        assert "error" not in replace(yard)
        eventually(lambda: became(yard), "another launcher")
        master = yard.pid("master")
        os.kill(master, signal.SIGKILL)
        eventually(lambda: yard.answers() and yard.pid("master") != master, "another master")
        yard.run("restart", "web", "plain")
        assert yard.environment("web")["ENV"] == env
        everything(yard)

        # Beeyard's own processes have the variable that is the source of one of them.
        yard.unfollow()
        ours = [pid for pid in pids() if yard.paths.state.encode() in seen(pid, "cmdline")]
        web = [str(pid) for pid in yard.leaders("web")]
        assert len(web) == 1
        assert found(yard, file) == {}
        assert found(yard, renewed) == found(yard, command) == {"environment": web}
        assert found(yard, env) == {"environment": sorted([*web, *ours])}
        assert "row" in found(yard, "POISON"), "the search is blind: the definition is in the store"

        yard.run("down")
        assert [found(yard, poison) for poison in (file, env, command, renewed)] == [{}] * 4


def everything(yard: Watched) -> None:
    """Ask all that can be asked of what is there, as people and as programs do."""
    for verb in ("ps", "info", "logs"):
        yard.run(verb)
        yard.ask(verb)
    for worker in ("web", "dies", "broken", "plain"):
        yard.run("why", worker)
        yard.run("show", worker)
        yard.ask("why", worker=worker)
        yard.ask("show", worker=worker)
    yard.run("job", "list")
    for job in yard.ask("job_list"):
        yard.ask("job_get", id=job["id"])
        yard.ask("job_events", id=job["id"])
    for verb in ("log", "verify", "export"):
        yard.run("audit", verb)
    yard.run("up", "--dry-run")
    yard.run("config", "check")


def test_the_search_finds_what_does_leak(tmp_path: Path) -> None:
    """Each kind of place, shown by somebody who puts a password where none belongs."""
    plain, argument, line, reason, name = map(poisoned, ("plain", "argument", "line", "reason", "name"))
    open_to_all = tmp_path / name
    open_to_all.write_text("x")
    open_to_all.chmod(0o644)
    with watched(tmp_path) as yard:
        yard.wish(
            secrets={"x": {"file": str(open_to_all)}},
            workers=[
                shell("plain", SLEEP, {"PASSWORD": plain, "X": "${secret:x}"}),
                shell("argument", f"PASSWORD={argument}; sleep 1000; :", {}),
                shell("talks", f"cat {tmp_path / 'line'}; {SLEEP}", {}),
            ],
        )
        (tmp_path / "line").write_text(f"{line}\n")
        yard.run("up", "--detach")
        yard.follow("events", "--json")
        yard.run("restart", "argument", "--reason", reason)
        yard.run("show", "plain", "--json")
        yard.run("audit", "log", "--json")
        eventually(lambda: line.encode() in yard.log("talks"), "its line")
        state = yard.paths.state
        logged = found(yard, line)
        assert set(found(yard, plain)) == {"file", "row", "answer", "environment"}
        assert set(found(yard, argument)) == {"file", "row", "argument"}
        assert logged == {"file": [f"{state}/logs/talks/stdout.log"]}
        assert f"{state}/daemon.log" in found(yard, name)["file"]
        assert any(path.startswith(f"{state}/journal/") for path in found(yard, reason)["file"])
        assert found(yard, reason)["answer"]
        yard.ask("logs", workers=["talks"])
        assert set(found(yard, line)) == {"file", "answer"}
        Path(yard.paths.pids, "planted").write_text(plain)
        assert any(path.endswith("planted") for path in found(yard, plain)["file"]), "what is in memory is searched"
