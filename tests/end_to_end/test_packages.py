"""Workers that run from packages, on a real Beeyard with a signed repository: brought, shown, kept, mended, refused."""

import contextlib
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.disks import mounted
from tests.end_to_end.shelf import Shelf, serving
from tests.end_to_end.test_secrets import Watched, found, poisoned, watched
from tests.yard import Refusal, Row, eventually

LONG = 60.0
"""Seconds that something may take which takes a second or two on a machine at ease."""


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A repository with nothing in it."""
    return Shelf(tmp_path / "shelf")


def wish(yard: Watched, repositories: list[dict[str, Any]], /, policies: Any = None, **packages: str) -> None:
    """A worker file: each worker runs from this package."""
    given: dict[str, Any] = {"package_manager": {"repositories": repositories, "policies": policies or {}}}
    workers = [{"id": name, "package": package, "restart_policy": "always"} for name, package in packages.items()]
    yard.wish(**given, workers=workers)


def talk(yard: Watched, *arguments: str, code: int = 0) -> str:
    """What a command said beside its output."""
    yard.run(*arguments, code=code)
    return yard.told[-1].decode()


def version(yard: Watched) -> str:
    """What `web` runs from, once it runs."""
    yard.running("web")
    (view,) = [view for view in yard.ask("package_list") if "web" in view["workers"]]
    return str(view["version"])


def note(yard: Watched, worker: str, text: str) -> str:
    """What is said of it, as soon as that holds the text."""
    row = eventually(lambda: [r for n, r in yard.ps().items() if n == worker and text in r["note"]], text, LONG)[0]
    return str(row["note"])


def history(yard: Watched) -> list[Row]:
    """What Beeyard did to packages by itself, oldest first."""
    entries = reversed(yard.ask("package_history"))
    return [entry["record"] for entry in entries if entry["record"]["who"] == "beeyard"]


def test_a_worker_prepares_while_its_package_comes_and_then_runs(tmp_path: Path, shelf: Shelf) -> None:
    """`ps` shows how far it is; of two versions the newest in the range is taken; who asks learns why it is there."""
    shelf.put("hello", "1.0", "1.1", "2.0", ballast=300_000)
    with watched(tmp_path) as yard, serving(shelf) as server:
        wish(yard, [shelf.spec(url=server.url)], web="hello:>=1,<2")
        server.gate.clear()
        yard.follow("up", "--detach")
        assert server.half.wait(LONG)
        assert yard.ps()["web"]["state"] == "preparing"
        assert "hello 1.1" in note(yard, "web", "%")
        assert yard.ask("package_show", package="hello")["status"]["state"] == "installing"
        server.gate.set()
        assert version(yard) == "1.1"
        assert yard.ps()["web"]["package"] == "hello 1.1"
        assert "signed (TUF)" in yard.run("package", "list")
        shown = yard.run("package", "show", "hello")
        assert [line.split()[0] for line in shown.splitlines()[-3:]] == ["1.0", "1.1", "2.0"]
        assert yard.run("package", "why", "hello").splitlines() == ["hello 1.1", "  web needs hello >=1,<2"]
        assert [(r["what"], r["reason"], r["asked"]["package"]) for r in history(yard)] == [
            ("package_installed", "web runs from it", "hello 1.1")
        ]
        assert "package installed hello 1.1" in yard.run("package", "history")


def test_a_restart_that_is_asked_for_takes_the_newest_and_no_other_does(tmp_path: Path, shelf: Shelf) -> None:
    """A worker that was killed goes on with its version."""
    shelf.put("hello", "1.0")
    with watched(tmp_path) as yard:
        wish(yard, [shelf.spec()], web="hello:<2")
        yard.run("up", "--detach")
        shelf.put("hello", "1.1", "2.0")
        assert "installed hello 1.1" in talk(yard, "package", "install", "hello:1.1")
        before = yard.running("web")["web"]["pid"]
        os.kill(before, signal.SIGKILL)
        eventually(lambda: yard.running("web")["web"]["pid"] != before, "another process")
        assert version(yard) == "1.0"
        yard.run("restart", "web")
        assert version(yard) == "1.1"


def test_what_is_installed_starts_without_any_repository(tmp_path: Path, shelf: Shelf) -> None:
    """Also after `down`, also by a new master; what there was beside it is told with its age, and none of it comes."""
    shelf.put("hello", "1.0", "1.1")
    with watched(tmp_path) as yard:
        root = shutil.copyfile(shelf.folder / "metadata" / "1.root.json", tmp_path / "root.json")
        wish(yard, [shelf.spec() | {"root": str(root)}], web="hello:<1.1")
        yard.run("up", "--detach")
        shutil.rmtree(shelf.folder)
        yard.down()
        yard.run("up", "--detach")
        assert version(yard) == "1.0"
        os.kill(yard.pid("master"), signal.SIGKILL)
        yard.running("web")
        yard.run("restart", "web")
        assert version(yard) == "1.0"
        shown = yard.run("package", "show", "hello")
        assert re.search(r"in hive, signed \(TUF\), as it was .+ ago:\n", shown)
        assert re.search(r"^1\.0 .*\n1\.1 .*\nnothing newer is known: hive: there is no folder ", shown, re.MULTILINE)
        assert "hive, as it was " in talk(yard, "package", "search", "hello")
        (found,) = json.loads(yard.run("package", "search", "--json"))
        assert found["as_of"] > 0
        assert found["unknown"].startswith("hive: there is no folder ")
        assert "hive: there is no folder " in talk(yard, "package", "install", "hello:1.1", code=5)


def test_the_next_master_finishes_an_install(tmp_path: Path, shelf: Shelf) -> None:
    """The one that began it is killed half way; nothing is left of its try but the worker that runs."""
    shelf.put("hello", "1.0", ballast=300_000)
    with watched(tmp_path) as yard, serving(shelf) as server:
        wish(yard, [shelf.spec(url=server.url)], web="hello")
        server.gate.clear()
        yard.follow("up", "--detach")
        assert server.half.wait(LONG)
        os.kill(yard.pid("master"), signal.SIGKILL)
        server.gate.set()
        eventually(yard.answers, "another master")
        assert version(yard) == "1.0"
        assert list(Path(yard.paths.packages, "staging").iterdir()) == []
        assert yard.run("package", "verify") == "hello 1.0: as it was signed\n"


def test_what_is_not_as_it_was_signed_is_never_started(tmp_path: Path) -> None:
    """Each worker's note says what is wrong, and so do `why` and `package show`."""
    shelves = {
        name: Shelf(tmp_path / name).put(name, "1.0", "1.1") for name in ("payload", "metadata", "swapped", "bare")
    }
    spoil(shelves["payload"].payload("payload", "1.1"))
    spoil(max((shelves["metadata"].folder / "metadata").glob("*.acme.json")))
    shutil.copyfile(shelves["swapped"].payload("swapped", "1.0"), shelves["swapped"].payload("swapped", "1.1"))
    with watched(tmp_path) as yard:
        specs = [shelf.spec(name, packages=[name]) for name, shelf in shelves.items()]
        bare = {"name": "bare", "path": str(tmp_path / "bare" / "built"), "trust": "unsigned", "packages": ["bare"]}
        wish(yard, [*specs[:-1], bare], {"required_trust": "tuf"}, **{name: name for name in shelves})
        yard.follow("up", "--detach")
        wrong = {
            "payload": "payload 1.1 from this host is not what was promised: its SHA-256 is another one; nothing of",
            "metadata": "2.acme.json does not belong to the state that was signed",
            "swapped": "swapped 1.1 from this host is not what was promised: its SHA-256 is another one; nothing of",
            "bare": "the trust in bare from bare is `checksum`, and `tuf` is required; `package_manager.policies",
        }
        for name, text in wrong.items():
            assert f"{name}:latest can't be installed: " in note(yard, name, text)
            assert text in yard.run("why", name)
            known = name != "metadata"  # Nobody can say that there is such a package at all.
            shown = yard.run("package", "show", name) if known else talk(yard, "package", "show", name, code=3)
            assert text in shown
            assert yard.leaders(name) == []
        assert yard.ask("package_list") == []


def spoil(file: Path) -> None:
    """One byte of it."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def test_damage_is_found_told_and_mended(tmp_path: Path, shelf: Shelf) -> None:
    """`verify` exits with 7; a worker whose executable is gone mends it by itself, once."""
    shelf.put("hello", "1.0")
    with watched(tmp_path) as yard:
        wish(yard, [shelf.spec()], web="hello")
        yard.run("up", "--detach")
        program = Path(yard.ask("package_list")[0]["path"], "serve")
        whole = program.read_bytes()
        overwrite(program, b"#!/bin/sh\n")
        assert "serve changed" in yard.run("package", "verify", code=7)
        assert yard.ask("package_list")[0]["state"] == "corrupted"
        assert "mended: serve changed" in yard.run("package", "repair", "hello")
        assert yard.run("package", "verify") == "hello 1.0: as it was signed\n"
        assert program.read_bytes() == whole

        program.unlink()
        os.kill(yard.running("web")["web"]["pid"], signal.SIGKILL)
        eventually(lambda: history(yard)[-1]["what"] == "package_repair", "a repair", LONG)
        yard.running("web")
        assert program.read_bytes() == whole
        assert [r["what"] for r in history(yard)] == ["package_installed", "package_repair"]


def overwrite(file: Path, data: bytes) -> None:
    """As root can, and nobody else."""
    file.chmod(0o755)
    file.write_bytes(data)
    file.chmod(0o555)


def test_packages_bring_what_they_need_and_say_what_does_not_fit(tmp_path: Path, shelf: Shelf) -> None:
    """Packages and facts of the host; what is needed stays, what nobody needs goes."""
    shelf.put("lib", "1.0", "1.1", "2.0")
    shelf.put("app", "1.0", dependencies=[{"name": "lib", "version": "<2"}, {"name": "python3", "version": ">=3"}])
    shelf.put("fussy", "1.0", dependencies=[{"name": "glibc", "version": ">=99"}])
    with watched(tmp_path) as yard:
        wish(yard, [shelf.spec()], web="app")
        yard.run("up", "--detach")
        assert {view["name"]: view["version"] for view in yard.ask("package_list")} == {"app": "1.0", "lib": "1.1"}
        assert "fussy 1.0 needs glibc >=99; this host has glibc" in talk(yard, "package", "install", "fussy", code=4)
        assert yard.run("package", "why", "lib").splitlines() == ["lib 1.1", "  app 1.0 needs lib <2"]
        for name, user in {"app": "web", "lib": "app 1.0"}.items():
            assert f"is needed by {user}" in talk(yard, "package", "uninstall", name, code=4)
        assert json.loads(yard.run("package", "search", "li", "--json")) == [
            {"name": "lib", "repository": "hive", "installed": "1.1", "as_of": None, "unknown": ""}
        ]
        yard.run("package", "install", "lib:2.0", "--reason", "a look at it")
        assert yard.run("package", "gc", "--keep", "1") == ""
        assert yard.run("package", "uninstall", "lib:2.0") == "uninstalled lib 2.0\n"
        told = yard.run("package", "history", "lib")
        assert "a look at it" in told
        for command in (
            "list",
            "show app",
            "search",
            "install lib:1.1",
            "verify",
            "repair",
            "history",
            "why lib",
            "gc",
        ):
            json.loads(yard.run("package", *command.split(), "--json"))
        yard.run("remove", "web", "--stop")
        shelf.put("app", "1.1")
        yard.run("package", "install", "app:1.1")
        assert "in the last hour stays" in talk(yard, "package", "gc", "--keep", "1")
        outlive_the_hour(yard)
        assert yard.run("package", "gc", "--keep", "1").splitlines() == ["app 1.0"]
        removed = [r["asked"]["package"] for r in history(yard) if r["what"] == "package_removed"]
        assert removed == ["app 1.0"]
        assert [view["name"] for view in yard.ask("package_list")] == ["app", "lib"]


def outlive_the_hour(yard: Watched) -> None:
    """All that is installed was installed long ago."""
    for file in Path(yard.paths.packages, "receipts").glob("*.json"):
        receipt = json.loads(file.read_bytes())
        overwrite(file, json.dumps(receipt | {"installed_at": 1.0}).encode())


def test_a_token_of_a_private_repository_is_shown_to_nobody_else(tmp_path: Path, shelf: Shelf) -> None:
    """Not in a file, the database, an answer or an argument; with a wrong one the worker says so."""
    token, wrong = poisoned("token"), poisoned("wrong")
    file = tmp_path / "token"
    file.write_text(wrong)
    shelf.put("hello", "1.0")
    with watched(tmp_path) as yard, serving(shelf, token) as server:
        wish(yard, [shelf.spec(url=server.url, token="${secret:hive}")], web="hello")
        yard.wish(**json.loads(yard.file.read_text()), secrets={"hive": {"file": str(file)}})
        yard.follow("up", "--detach")
        assert "it answered 401; look at whom it lets in" in note(yard, "web", "tried again")
        assert server.refused
        file.write_text(token)
        yard.run("up", "--detach")
        assert version(yard) == "1.0"
        for command in ("list", "search", "history", "verify"):
            yard.run("package", command, "--json")
        yard.run("why", "web", "--json")
        file.unlink()
        assert found(yard, token) == {}
        assert found(yard, wrong) == {}


def test_a_full_disk_stops_an_install_and_nothing_else(tmp_path: Path, shelf: Shelf) -> None:
    """The note has the numbers; who runs already goes on."""
    shelf.put("small", "1.0").put("big", "1.0", ballast=20_000_000)
    with mounted(tmp_path / "disk", "size=16m"), watched(tmp_path / "disk") as yard:
        wish(yard, [shelf.spec()], web="small")
        yard.run("up", "--detach")
        before = yard.running("web")["web"]["pid"]
        wish(yard, [shelf.spec()], web="small", more="big")
        yard.follow("up", "--detach")
        assert re.search(
            r"no room for big 1\.0: it takes 19 MB in \S+, and \d+ MB are free", note(yard, "more", "room")
        )
        assert yard.running("web")["web"]["pid"] == before
        assert list(Path(yard.paths.packages, "staging").iterdir()) == []


def test_what_can_not_be_is_refused(tmp_path: Path, shelf: Shelf) -> None:
    """By programs too, which no worker file has checked."""
    with watched(tmp_path) as yard:
        wish(yard, [shelf.put("hello", "1.0").spec()])
        yard.run("up", "--detach")
        odd = {"repositories": [{"name": "odd", "manager": "odd", "path": "/x"}]}
        with pytest.raises(Refusal, match="odd: there is no package manager odd here"):
            yard.ask("apply", specs=[], origin="test", master={"packages": odd})


@pytest.mark.parametrize("ends", ["whole", "interrupted"])
def test_a_terminal_shows_how_far_an_install_is(tmp_path: Path, shelf: Shelf, ends: str) -> None:
    """A bar with bytes; Ctrl-C says that the job goes on, and it does: who asks again joins it."""
    shelf.put("hello", "1.0", ballast=8_000_000)
    with watched(tmp_path) as yard, serving(shelf) as server:
        wish(yard, [shelf.spec(url=server.url)])
        yard.run("up", "--detach")
        server.gate.clear()
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "beeyard", "--state-dir", yard.paths.state, "package", "install", "hello"]
        typed = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        try:
            until(ours, r"package install: hello 1\.0 \[#+\.+\] \d\.\d MB of 7\.6 MB.*; \d+s")
            if ends == "interrupted":
                typed.send_signal(signal.SIGINT)
                until(ours, r"it goes on as job-\S+; to end it: beeyard --state-dir \S+ job cancel job-")
                assert typed.wait(LONG) == 130
                typed = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
                until(ours, r"package install \(joined\): hello 1\.0 .*of 7\.6 MB.*; \d+s")
                server.gate.set()
                until(ours, r"hello +1\.0 +installed .*joined an install that was under way: hello 1\.0")
                assert typed.wait(LONG) == 0
            else:
                server.gate.set()
                until(ours, r"hello +1\.0 +installed +signed \(TUF\).*installed hello 1\.0")
                assert typed.wait(LONG) == 0
        finally:
            os.close(ours)
            os.close(theirs)
            typed.kill()
            typed.wait()
        eventually(lambda: [view["version"] for view in yard.ask("package_list")] == ["1.0"], "hello", LONG)


def until(terminal: int, awaited: str) -> None:
    """Read on until this was shown."""
    shown = ""

    def look() -> bool:
        nonlocal shown
        if select.select([terminal], [], [], 0.1)[0]:
            with contextlib.suppress(OSError):  # So Linux says that nobody is at the other end any more.
                shown += os.read(terminal, 10_000).decode()
        return bool(re.search(awaited, re.sub(r"\x1b\[\d*m", "", shown), re.DOTALL))

    try:
        eventually(look, awaited, LONG)
    except AssertionError:
        raise AssertionError(f"{awaited!r} was never shown: {shown!r}") from None
