"""Updates of real workers from a real signed repository: there, and back by themselves when a version is no good."""

import json
import os
import shlex
import shutil
import signal
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.shelf import SLEEP, Shelf
from tests.end_to_end.test_packages import LONG, talk, version
from tests.end_to_end.test_secrets import Watched, watched
from tests.yard import eventually, launcher_program

PLAN = {"min_healthy": "200ms", "healthy_deadline": "1m", "watch": "500ms"}
SERVER = """
import http.server, os
asked = 0
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global asked
        asked += 1
        body = f"errors_total {{asked if {errors} else 0}}\\n" if self.path == "/metrics" else "{version}"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["BEEYARD_PORT_HTTP"])), Page).serve_forever()
"""
HASTY = """
import sys
from beeyard.application import updates
from beeyard.entrypoints import daemon
updates.FIRST = updates.PERIOD = 0.2
sys.exit(daemon.main(sys.argv[1]))
"""
"""A master that looks for newer versions all the time."""


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A repository with one good version."""
    return Shelf(tmp_path / "shelf").put("hello", "1.0")


def begin(yard: Watched, tmp_path: Path, shelf: Shelf) -> None:
    """`web` runs 1.0."""
    root = shutil.copyfile(shelf.folder / "metadata" / "1.root.json", tmp_path / "root.json")
    worker = {"id": "web", "package": "hello", "restart_policy": "always", "rollout": PLAN}
    repositories = [shelf.spec() | {"root": str(root)}]
    yard.wish(package_manager={"repositories": repositories}, workers=[worker])
    yard.run("up", "--detach")
    assert version(yard) == "1.0"


def ended(yard: Watched) -> dict[str, Any]:
    """How the rollout ended."""
    found: dict[str, Any] = json.loads(yard.run("rollout", "status", "--follow", "--json").splitlines()[-1])
    return found


def test_a_worker_is_updated_and_rolled_back(tmp_path: Path, shelf: Shelf) -> None:
    """By a command each; the version that was left is not tried again, unless it is named."""
    with watched(tmp_path) as yard:
        begin(yard, tmp_path, shelf)
        shelf.put("hello", "2.0")
        assert yard.run("package", "update", "hello", "--dry-run").strip() == "web: hello 1.0 -> 2.0"
        yard.run("package", "hold", "hello")
        yard.run("package", "update", "hello", code=4)
        yard.run("package", "unhold", "hello")
        yard.run("package", "update", "hello")
        assert ended(yard)["stage"] == "done"
        assert version(yard) == "2.0"
        yard.run("package", "rollback", "web")
        assert ended(yard)["stage"] == "done"
        assert version(yard) == "1.0"
        assert "stays, not 2.0: it is bad: rolled back by" in yard.run("package", "update", "hello")
        yard.run("rollout", "abort", "web", code=4)


def test_what_would_be_gone_back_to_is_taken_away_by_force_alone(tmp_path: Path, shelf: Shelf) -> None:
    """Nobody runs from it: who asks for it twice means it."""
    with watched(tmp_path) as yard:
        begin(yard, tmp_path, shelf)
        shelf.put("hello", "2.0")
        yard.run("package", "update", "hello")
        assert ended(yard)["stage"] == "done"
        told = talk(yard, "package", "uninstall", "hello:1.0", code=4)
        assert "hello 1.0 is kept for web to go back to" in told
        assert "beeyard package uninstall hello:1.0 --force" in told
        assert yard.run("package", "uninstall", "hello:1.0", "--force") == "uninstalled hello 1.0\n"


def test_a_version_that_dies_goes_back_though_the_master_is_killed(tmp_path: Path, shelf: Shelf) -> None:
    """The next master goes on with it; the reason is told."""
    with watched(tmp_path) as yard:
        begin(yard, tmp_path, shelf)
        shelf.put("hello", "2.0", script="sleep 0.3; exit 3")
        yard.run("package", "update", "hello")
        os.kill(yard.ask("info")["master_pid"], signal.SIGKILL)
        eventually(lambda: ended(yard)["stage"] == "returned", "it went back")
        assert version(yard) == "1.0"
        assert "web ended: exit code 3" in ended(yard)["reason"]
        assert "goes back to 1.0: web ended" in yard.run("why", "web")


# --- versions that are no good ----------------------------------------------------------------------------------------


def serving(version: str, *, errors: bool = False) -> str:
    """The script of a web server that says which version it is; `errors`: and owns up to more and more of them."""
    code = SERVER.format(version=version, errors=errors)
    return f"exec {shlex.quote(sys.executable)} -S -c {shlex.quote(code)}"


BAD = {
    "never ready": (SLEEP, "web was not ready within 6s"),
    "ends after a while": (f"timeout -s KILL 2 {serving('2.0').removeprefix('exec ')}", "web ended: exit code 137"),
    "has errors": (serving("2.0", errors=True), "web: errors_total is "),
}
"""What is wrong with a version -> its script, and how the reason begins."""


def wish(yard: Watched, tmp_path: Path, shelf: Shelf, *, policies: Any = None, **plan: Any) -> None:
    """`web` is a server that runs from a package; with how it goes over."""
    root = tmp_path / "root.json"
    if not root.exists():
        shutil.copyfile(shelf.folder / "metadata" / "1.root.json", root)
    worker = {
        "id": "web",
        "package": "hello",
        "restart_policy": "always",
        "endpoints": {"http": {"protocol": "http"}},
        "probes": {"readiness": {"http": "/", "period": "100ms", "timeout": "2s"}},
        "rollout": {**PLAN, "watch": "20s", "gate": {"http": "/metrics", "name": "errors_total"}, **plan},
    }
    repositories = [shelf.spec() | {"root": str(root)}]
    yard.wish(package_manager={"repositories": repositories, "policies": policies or {}}, workers=[worker])


def answer(yard: Watched) -> str:
    """What `web` says to those who ask it."""
    with urllib.request.urlopen(yard.running("web")["web"]["endpoints"]["http"], timeout=LONG) as page:
        return str(page.read(), "utf-8")


def verdicts(yard: Watched) -> list[tuple[str, str]]:
    """Each version that it was sent to, and what became of it."""
    found = json.loads(yard.run("rollout", "status", "web", "--json").splitlines()[-1])
    return [(one["version"], one["verdict"]) for one in found["generations"]]


@pytest.mark.parametrize("fault", BAD)
def test_a_version_that_is_no_good_goes_back_and_is_not_tried_again(tmp_path: Path, fault: str) -> None:
    """It says why, the good one serves, no `auto_update`, restart or other master takes it again; a newer one is."""
    script, reason = BAD[fault]
    plan = {"healthy_deadline": "6s"} if script is SLEEP else {}
    shelf = Shelf(tmp_path / "shelf").put("hello", "1.0", script=serving("1.0"))
    with watched(tmp_path) as yard:
        wish(yard, tmp_path, shelf, policies={"auto_update": True}, **plan)
        yard.start(launcher_program(), [sys.executable, "-c", HASTY])
        yard.run("up", "--detach")
        assert (version(yard), answer(yard)) == ("1.0", "1.0")
        shelf.put("hello", "2.0", script=script)
        eventually(lambda: [one for one in yard.ask("rollout_status") if one["stage"] == "returned"], fault, LONG)
        assert (version(yard), answer(yard)) == ("1.0", "1.0")
        found = ended(yard)
        assert (found["by"], found["reason"][: len(reason)]) == ("auto_update", reason)
        assert f"goes back to 1.0: {reason}" in yard.run("why", "web")
        yard.run("restart", "web")
        assert version(yard) == "1.0"
        before = yard.pid("master")
        os.kill(before, signal.SIGKILL)
        eventually(lambda: yard.pid("master") != before and yard.answers(), "another master")
        assert f"stays, not 2.0: it is bad: {reason}" in yard.run("package", "update", "hello")
        shelf.put("hello", "3.0", script=serving("3.0"))
        eventually(lambda: version(yard) == "3.0", "a newer one is taken", LONG)
        assert answer(yard) == "3.0"
        assert verdicts(yard) == [("1.0", "open"), ("2.0", "bad"), ("3.0", "open")]


def test_where_it_may_not_go_back_it_stays_and_says_so(tmp_path: Path) -> None:
    """It is bad all the same; by a rollback it goes back."""
    shelf = Shelf(tmp_path / "shelf").put("hello", "1.0", script=serving("1.0"))
    with watched(tmp_path) as yard:
        wish(yard, tmp_path, shelf, auto_revert=False)
        yard.run("up", "--detach")
        assert version(yard) == "1.0"
        shelf.put("hello", "2.0", script=serving("2.0", errors=True))
        yard.run("package", "update", "hello")
        found = ended(yard)
        assert (found["stage"], found["reason"].partition("; ")[2]) == ("failed", "auto_revert is off")
        assert (version(yard), answer(yard)) == ("2.0", "2.0")
        assert verdicts(yard) == [("1.0", "open"), ("2.0", "bad")]
        yard.run("package", "rollback", "hello")
        eventually(lambda: version(yard) == "1.0", "it went back", LONG)
        assert answer(yard) == "1.0"


def test_nothing_begins_by_itself_out_of_its_window_or_on_hold(tmp_path: Path) -> None:
    """A hold in the worker file or by hand keeps people from it as well; a window only `auto_update`."""
    shelf = Shelf(tmp_path / "shelf").put("hello", "1.0", script=serving("1.0"))
    far = "-".join(time.strftime("%H:%M", time.localtime(time.time() + hours * 3600)) for hours in (2, 3))
    with watched(tmp_path) as yard:
        wish(yard, tmp_path, shelf, policies={"auto_update": True}, windows=[far], watch="100ms")
        yard.start(launcher_program(), [sys.executable, "-c", HASTY])
        yard.run("up", "--detach")
        assert version(yard) == "1.0"
        shelf.put("hello", "2.0", script=serving("2.0"))
        assert yard.run("package", "update", "hello", "--dry-run").strip() == "web: hello 1.0 -> 2.0"
        assert yard.run("rollout", "status") == ""
        yard.run("package", "update", "hello")
        assert ended(yard)["stage"] == "done"
        wish(yard, tmp_path, shelf, policies={"auto_update": True}, hold=True, watch="100ms")
        yard.run("up", "--detach")
        shelf.put("hello", "3.0", script=serving("3.0"))
        yard.run("package", "update", "hello", code=4)
        assert b"on hold: `rollout.hold` of web" in yard.told[-1]
        assert version(yard) == "2.0"
        yard.run("package", "hold", "hello")
        wish(yard, tmp_path, shelf, policies={"auto_update": True}, watch="100ms")
        yard.run("up", "--detach")
        yard.run("package", "update", "hello", code=4)
        assert version(yard) == "2.0"
        yard.run("package", "unhold", "hello")
        eventually(lambda: version(yard) == "3.0", "it begins by itself", LONG)
        assert ended(yard)["by"] == "auto_update"
