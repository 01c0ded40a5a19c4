"""`beeyard reload`, against a socket: which file is read, and what is refused before a master is asked to change."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from beeyard.application.operations.apply import Applied
from beeyard.application.views import WorkerView
from beeyard.domain.plan import Plan
from tests.unit.entrypoints.cli.conftest import Run
from tests.unit.entrypoints.conftest import SocketMaster

Make = Callable[..., WorkerView]
FILE = "workers:\n  - id: web\n    execution: {executable_path: sleep, args: ['60']}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A worker file, in no folder where anybody would look for one."""
    made = tmp_path / "workers.yaml"
    made.write_text(FILE)
    return made


def test_the_file_that_the_workers_came_from_is_read_again(
    run: Run, master: SocketMaster, worker: Make, file: Path
) -> None:
    """Without being named; those that no file names are no reason to ask which."""
    views = [worker("web", origin=str(file)), worker("mine", origin="cli")]
    master.answers = {"ps": (200, views), "apply": (200, Applied(Plan(restart=("web",)), views))}
    code, out, err = run("reload")
    assert (code, out.splitlines()[1].split()[0], err.splitlines()[0]) == (0, "web", "restart:   web")
    asked = dict(master.asked)["apply"]
    assert (asked["origin"], asked.get("dry_run", False)) == (str(file), False)
    assert run("reload", str(file), "--dry-run", "--json")[0] == 10
    assert master.asked[-1][1]["dry_run"]


def test_of_several_files_one_has_to_be_named(run: Run, master: SocketMaster, worker: Make, file: Path) -> None:
    """And the one that is named has to be one of them."""
    master.answers["ps"] = (200, [worker("web", origin=str(file)), worker("db", origin="/srv/db.yaml")])
    code, _, err = run("reload")
    assert (code, err.splitlines()[0]) == (2, f"error: the workers came from {file} and /srv/db.yaml")
    code, _, err = run("reload", "/srv/other.yaml")
    assert (code, err.splitlines()[0]) == (3, "error: no worker came from /srv/other.yaml")
    assert {name for name, _ in master.asked} == {"ps"}


def test_a_file_that_is_gone_removes_nothing(run: Run, master: SocketMaster, worker: Make, file: Path) -> None:
    """Its workers are left alone, and so they are when it is wrong."""
    master.answers["ps"] = (200, [worker("web", origin=str(file))])
    file.write_text("workers:\n  - id: a b\n    execution: {executable_path: sleep, argz: 1}\n")
    code, _, err = run("reload")
    assert (code, [line.split(": ")[0] for line in err.splitlines()[:2]]) == (2, [f"{file}:2", f"{file}:3"])
    file.unlink()
    code, _, err = run("reload")
    assert (code, err.splitlines()[0]) == (3, f"error: {file} is gone; one worker that came from it: left alone")
    assert {name for name, _ in master.asked} == {"ps"}


def test_without_a_master_there_is_nothing_to_reload(run: Run) -> None:
    """None is started."""
    code, _, err = run("reload", "--json")
    assert (code, json.loads(err)["code"]) == (5, "no_master")
