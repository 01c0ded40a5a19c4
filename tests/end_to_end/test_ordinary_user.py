"""Beeyard for somebody who is not root: the whole way, in a home of one's own, asking nobody for anything."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import beeyard
from beeyard.launcher.locks import holder
from beeyard.launcher.paths import Paths
from tests.yard import eventually

NOBODY = 65534

SYSTEM = "/usr/bin/python3"
MODULES = os.pathsep.join([str(Path(beeyard.__file__).parent.parent), sysconfig.get_path("purelib")])
"""What the interpreter we run in finds by itself, and the system's has to be told."""

FILE = """
workers:
  - id: web
    execution: {executable_path: /bin/sh, args: [-c, "id -u; echo $HOME; exec sleep 1000"]}
"""

PACKAGED = """
package_manager:
  repositories: [{name: local, path: repository, root: pinned.json}]
workers:
  - {id: web, package: hello, execution: {args: [infinity]}}
"""


class Home:
    """An empty home, and commands typed by whoever lives there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.user = NOBODY if os.geteuid() == 0 else os.geteuid()
        self.python = next(filter(self._may_run, (sys.executable, SYSTEM)), "")
        self.paths = Paths(str(path / ".local" / "state" / "beeyard"))

    def _may_run(self, python: str) -> bool:
        """Whether this user gets at an interpreter of our version: one in root's home is out of reach."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        ask = [python, "-c", f"import sys; sys.exit(sys.version[:{len(version)}] != {version!r})"]
        root: dict[str, Any] = {"user": self.user, "extra_groups": []} if os.geteuid() == 0 else {}
        try:
            return subprocess.run(ask, check=False, **root).returncode == 0
        except OSError:
            return False

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """One command, with nothing in its environment but what everybody has."""
        root: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        return subprocess.run(
            [self.python, "-P", "-m", "beeyard", *words],
            cwd=self.path,
            env={"HOME": str(self.path), "PATH": "/usr/bin:/bin", "PYTHONPATH": MODULES, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            **root,
        )


@pytest.fixture
def home() -> Iterator[Home]:
    """Where an ordinary user can get at it; what was started there is ended."""
    with tempfile.TemporaryDirectory(prefix="beeyard-home-", ignore_cleanup_errors=True) as folder:
        made = Home(Path(folder))
        os.chown(folder, made.user, -1)
        if not made.python:
            pytest.skip("an ordinary user can't run any interpreter of this version")
        (made.path / "beeyard.yaml").write_text(FILE)
        try:
            yield made
        finally:
            made.run("down")
            locks = (made.paths.launcher_lock, made.paths.master_lock, made.paths.pump_lock)
            for pid in [pid for path in locks if os.path.exists(path) and (pid := holder(path))]:
                os.kill(pid, signal.SIGKILL)


def test_everything_works_without_root(home: Home) -> None:
    """Up, ps, why, token, audit, down; all that is written lies in the user's own state folder."""
    up = home.run("up", "--detach")
    assert up.returncode == 0, up.stderr
    [row] = json.loads(home.run("ps", "--json").stdout)
    assert (row["state"], os.stat(f"/proc/{row['pid']}").st_uid) == ("running", home.user)
    said = eventually(lambda: home.run("logs", "web").stdout.split())  # noqa: PLW0108
    assert said[-2:] == [str(home.user), str(home.path)]
    assert "web is running" in home.run("why", "web").stdout
    assert home.run("token", "create", "ci").returncode == 0
    assert home.run("audit", "verify").returncode == 0
    info = json.loads(home.run("info", "--json").stdout)
    assert info["state_dir"] == home.paths.state
    down = home.run("down")
    assert down.returncode == 0, down.stderr
    assert {path.name for path in home.path.iterdir()} == {".local", "beeyard.yaml"}
    assert all(path.lstat().st_uid == home.user for path in home.path.rglob("*") if path.name != "beeyard.yaml")


def test_packages_need_no_root_either(home: Home) -> None:
    """Build, sign, install by a worker, verify, mend, clear up: nothing is left that is anybody else's."""

    def did(*words: str) -> str:
        done = home.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    source = home.path / "hello"
    source.mkdir()
    (source / "run").write_text("#!/bin/sh\nid -u; exec sleep 1000\n")
    (source / "run").chmod(0o755)
    (source / "package.yaml").write_text("{name: hello, version: '1.0', process: {executable_path: run}}\n")
    (home.path / "beeyard.yaml").write_text(PACKAGED)
    did("package", "build", "hello", "-o", "builds")
    did("repo", "init", "repository", "--root-key", "offline/root.key")
    did("repo", "add", "repository", "builds/hello-1.0-any.json", "--origin", "me")
    did("repo", "publish", "repository")
    (home.path / "repository" / "metadata" / "1.root.json").rename(home.path / "pinned.json")
    did("up", "--detach")
    [row] = eventually(lambda: [r for r in json.loads(did("ps", "--json")) if r["state"] == "running"], "web")
    assert (row["package"], os.stat(f"/proc/{row['pid']}").st_uid) == ("hello 1.0", home.user)
    [view] = json.loads(did("package", "list", "--json"))
    assert (view["trust"], view["workers"]) == ("tuf", ["web"])
    assert did("package", "verify") == "hello 1.0: as it was signed\n"
    program = Path(view["path"], "run")
    program.chmod(0o755)
    program.write_text("#!/bin/sh\n")
    assert home.run("package", "verify").returncode == 7
    assert did("package", "repair") == "hello 1.0: mended: run changed\n"
    did("remove", "web", "--stop")
    did("package", "gc", "--keep", "1")
    did("package", "install", "hello")
    did("package", "uninstall", "hello")
    assert json.loads(did("package", "list", "--json")) == []
    did("down")
    ours = {home.path / "beeyard.yaml", source, *source.iterdir()}
    assert {path for path in home.path.rglob("*") if path.lstat().st_uid != home.user} <= ours


def test_the_state_folder_is_the_users_alone(home: Home) -> None:
    """Database, journal, sockets and logs: nobody else can look into them."""
    assert home.run("up", "--detach").returncode == 0
    assert os.stat(home.paths.state).st_mode & 0o077 == 0


def test_the_log_of_all_three_programs_can_be_read_by_programs(home: Home) -> None:
    """One JSON object a line, where the environment asks for it."""
    assert home.run("up", "--detach", BEEYARD_LOG_FORMAT="json").returncode == 0
    for role in ("pump", "master"):
        lock = {"pump": home.paths.pump_lock, "master": home.paths.master_lock}[role]
        before = eventually(lambda: holder(lock) or 0, role)  # noqa: B023
        os.kill(before, signal.SIGKILL)
        eventually(lambda: (now := holder(lock)) and now != before, f"another {role}")  # noqa: B023
    assert home.run("down").returncode == 0
    lines = [json.loads(line) for line in Path(home.paths.daemon_log).read_text().splitlines()]
    assert {"launcher", "master"} <= {line["role"] for line in lines}
    assert all(set(line) == {"at", "role", "pid", "level", "message"} for line in lines)
    assert all(
        abs(time.mktime(time.strptime(line["at"], "%Y-%m-%dT%H:%M:%S%z")) - time.time()) < 86400 for line in lines
    )
