"""The program as a whole, against a socket: what is printed where, and with which exit code it ends."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest

from beeyard.application.operations.apply import Applied
from beeyard.application.problems import to_problem
from beeyard.application.views import WorkerView
from beeyard.domain.errors import Denied, Refused
from beeyard.domain.packages import REF_EXPECTED
from beeyard.domain.plan import Plan
from beeyard.launcher.locks import lock
from beeyard.launcher.paths import Paths
from tests.unit.entrypoints.cli.conftest import Run
from tests.unit.entrypoints.conftest import SocketMaster

Make = Callable[..., WorkerView]


def test_json_is_what_the_api_answers(run: Run, master: SocketMaster, worker: Make) -> None:
    """Nothing added, nothing left out."""
    web = worker("web")
    master.answers["ps"] = (200, [web])
    code, out, err = run("ps", "--json")
    assert (code, json.loads(out), err) == (0, msgspec.to_builtins([web]), "")


def test_errors_are_talk(run: Run) -> None:
    """Data goes to standard output, and there is none."""
    code, out, err = run("ps")
    assert (code, out) == (5, "")
    assert err.startswith("error: no master serves ")


def test_errors_are_problem_documents_where_json_was_asked_for(run: Run) -> None:
    """Usage errors as well."""
    code, _, err = run("ps", "--json")
    assert (code, json.loads(err)["code"]) == (5, "no_master")
    code, _, err = run("ps", "--json", "--nonsense")
    assert (code, json.loads(err)["type"]) == (2, "Invalid")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["pss"], "error: there is no command 'pss'. Did you mean ps?\nhint: beeyard --help\n"),
        (["start"], "error: missing argument 'WORKER...'\nhint: beeyard start --help\n"),
        (["add", "web"], "error: expected ID -- COMMAND, or --file FILE\nhint: beeyard add --help\n"),
        (["add", "w", "-e", "A", "--", "true"], "error: --env A: expected NAME=VALUE\n"),
        (["package", "install", "caddy", "hello==1"], f'error: PACKAGE "hello==1": expected {REF_EXPECTED}\n'),
        (["package", "gc", "--keep", "0"], "error: --keep 0: expected a whole number from 1 to 1000\n"),
    ],
)
def test_usage_errors_say_what_was_expected(run: Run, arguments: list[str], text: str) -> None:
    """Exit code 2, whatever it was."""
    assert run(*arguments) == (2, "", text)


@pytest.mark.parametrize(("error", "code"), [(Refused("a", "b"), 4), (Denied("a", "b"), 8)])
def test_the_exit_code_is_that_of_the_error(run: Run, master: SocketMaster, error: Refused | Denied, code: int) -> None:
    """As documented."""
    master.answers["remove"] = (error.http, to_problem(error))
    assert run("remove", "web") == (code, "", "error: b\n")


def test_a_bug_is_70_with_its_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never 1."""
    monkeypatch.setattr("beeyard.entrypoints.cli.client.Client.raw", lambda *_: 1 / 0)
    code, _, err = run("ps")
    assert code == 70
    assert "ZeroDivisionError" in err


@pytest.mark.parametrize(
    ("to", "code", "text"),
    [
        ("&-", 0, ""),
        (
            "/dev/full",
            5,
            "error: the answer can't be written: No space left on device\n"
            "hint: what was asked was done: only its answer is lost\n",
        ),
    ],
)
def test_an_answer_that_nobody_can_take_is_no_bug(to: str, code: int, text: str, tmp_path: Path) -> None:
    """A standard output that is closed takes none; a disk that is full is told of."""
    (tmp_path / "beeyard.yaml").write_text("workers:\n  - {id: web, execution: {executable_path: sleep}}\n")
    words = [sys.executable, "-m", "beeyard", "config", "check", str(tmp_path / "beeyard.yaml")]
    done = subprocess.run(["sh", "-c", f'"$@" >{to}', "sh", *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, text)


def test_ctrl_c_is_quiet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """130, as a shell expects."""

    def interrupt(*_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr("beeyard.entrypoints.cli.client.Client.raw", interrupt)
    assert run("ps") == (130, "", "")


def test_start_of_one_that_does_not_start_is_6(run: Run, master: SocketMaster, worker: Make, paths: Paths) -> None:
    """With JSON too."""
    dead = worker("web", state="backoff", ready=False, pid=None, since=None, exit="exit code 3", note="restart in 1s")
    master.answers["start"] = (200, [dead])
    code, out, err = run("start", "web")
    assert (code, out.splitlines()[1].split()[:2]) == (6, ["web", "backoff"])
    assert err == (
        f"error: not started: web (exit code 3; restart in 1s)\nhint: beeyard --state-dir {paths.state} why web\n"
    )
    assert run("start", "web", "--json")[0] == 6
    assert run("start", "web", "--no-wait")[0] == 0


def test_stop_of_one_that_does_not_stop_is_6(run: Run, master: SocketMaster, worker: Make) -> None:
    """Once the time is over."""
    master.answers["stop"] = (200, [worker("web", state="stopping", ready=False, wanted="down")])
    assert run("stop", "web", "--timeout", "250ms")[0] == 6
    assert run("stop", "web", "--force")[0] == 6
    asked = {"workers": ["web"], "wait": True, "timeout": 0.25, "force": False}
    assert master.asked == [("stop", asked), ("stop", asked | {"timeout": 60.0, "force": True})]


def test_down_without_a_master_has_nothing_to_do(run: Run, paths: Paths) -> None:
    """Which is what was asked for."""
    assert run("down") == (0, f"nothing to end: no master serves {paths.state}\n", "")
    assert json.loads(run("down", "--json")[1]) == {"ended": 0, "stuck": [], "left": []}


def test_down_names_what_does_not_end(run: Run, master: SocketMaster, paths: Paths) -> None:
    """The master stays, and so does the exit code 6."""
    assert lock(paths.master_lock) is not None
    master.answers["down"] = (200, {"ended": 1, "stuck": ["nfs"]})
    code, _, err = run("down")
    assert (code, err.splitlines()[0]) == (6, "error: nfs did not end even when killed; the master stays to watch")


FILE = "workers:\n  - id: web\n    execution: {executable_path: sleep, args: ['60']}\n"


def test_up_of_a_wrong_file_prints_every_problem_and_starts_nothing(run: Run, tmp_path: Path, paths: Paths) -> None:
    """By file and line."""
    file = tmp_path / "beeyard.yaml"
    file.write_text("workers:\n  - id: a b\n    execution: {executable_path: sleep, argz: 1}\n")
    code, out, err = run("up", str(file), "--detach")
    lines = err.splitlines()
    assert (code, out) == (2, "")
    assert [line.split(": ")[0] for line in lines] == [f"{file}:2", f"{file}:3", "error"]
    assert not Path(paths.daemon_log).exists()


def test_a_dry_run_without_a_master_adds_all(run: Run, tmp_path: Path) -> None:
    """Exit code 10: changes are pending."""
    file = tmp_path / "beeyard.yaml"
    file.write_text(FILE)
    assert run("up", str(file), "--dry-run") == (
        10,
        "add:       web\n",
        "nothing was changed: this was a dry run\n",
    )


@pytest.mark.parametrize(("plan", "code"), [(Plan(keep=("web",)), 0), (Plan(remove=("old",), keep=("web",)), 10)])
def test_a_dry_run_asks_a_master_that_runs(
    run: Run, master: SocketMaster, paths: Paths, tmp_path: Path, plan: Plan, code: int
) -> None:
    """And changes nothing."""
    assert lock(paths.master_lock) is not None
    master.answers["apply"] = (200, Applied(plan, []))
    file = tmp_path / "beeyard.yaml"
    file.write_text(FILE)
    assert run("up", str(file), "--dry-run")[0] == code
    name, request = master.asked[-1]
    assert (name, request["dry_run"], request["origin"]) == ("apply", True, str(file))


def test_up_beside_a_running_master_applies_and_says_so(
    run: Run, master: SocketMaster, paths: Paths, tmp_path: Path, worker: Make
) -> None:
    """It does not stay, and starts no second one."""
    info = {
        "version": version("beeyard"), "host": "h", "master_pid": 1, "launcher_pid": 2, "pump_pid": 3,
        "state_dir": paths.state,
        "socket": paths.master_socket, "url": None, "workers": 1, "store": "ok", "capabilities": {}, "orphans": [],
    }  # fmt: skip
    master.answers["info"] = (200, info)
    master.answers["apply"] = (200, Applied(Plan(add=("web",)), [worker("web", state="starting", ready=False)]))
    master.answers["ps"] = (200, [worker("web"), worker("other", state="failed", ready=False)])
    file = tmp_path / "beeyard.yaml"
    file.write_text(FILE)
    code, out, err = run("up", str(file))
    assert (code, out.splitlines()[1].split()[:3]) == (0, ["web", "running", "yes"])
    assert err.splitlines()[0] == "add:       web"
    assert "the master was running already" in err
    master.answers["ps"] = (200, [worker("web", state="failed", ready=False, note="5 restarts within 5m")])
    code, _, err = run("up", str(file))
    assert (code, "error: not started: web (5 restarts within 5m)" in err) == (6, True)


def test_logs_name_the_worker_where_there_are_several(run: Run, master: SocketMaster, worker: Make) -> None:
    """And only there."""
    lines = [
        {"worker": "web.1", "stream": "stdout", "at": 0.5, "text": "a"},
        {"worker": "db", "stream": "stderr", "at": None, "text": "b"},
    ]
    master.answers["logs"] = (200, b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    master.answers["ps"] = (200, [worker("web.1"), worker("db")])
    assert run("logs") == (0, "web.1 | a\ndb    | b\n", "")
    master.answers["ps"] = (200, [worker("web.1")])
    assert run("logs", "web.1")[1] == "a\nb\n"
    assert [json.loads(line) for line in run("logs", "--json")[1].splitlines()] == lines


def test_config_check_sums_up(run: Run, tmp_path: Path) -> None:
    """What a file without problems holds."""
    file = tmp_path / "beeyard.yaml"
    file.write_text(FILE + "    endpoints: {http: {protocol: http, port: auto}}\n")
    assert run("config", "check", str(file)) == (
        0,
        f"{file}: ok, 1 worker\n{file}: Beeyard's own form\n  web  process  http://127.0.0.1:auto\n",
        "",
    )


def test_what_a_shell_expanded_is_not_expanded_again(run: Run, master: SocketMaster, worker: Make) -> None:
    """`add` sends the very words it got."""
    master.answers["add"] = (200, [worker("one")])
    assert run("add", "one", "-e", "A=${HOME} ü", "--port", "http=auto", "--", "sleep", "${X}", "--json")[0] == 0
    (spec,) = master.asked[-1][1]["specs"]
    assert spec["run"]["args"] == ["${X}", "--json"]
    assert spec["run"]["environment"] == {"A": "${HOME} ü"}
    assert spec["endpoints"] == {"http": {"protocol": "http", "host": "127.0.0.1"}}
    assert spec.get("origin", "cli") == "cli"
