"""Distributions of Python as packages: a worker runs a command of a wheel, or a module, goes on and back."""

import sys
from pathlib import Path
from typing import Any

from tests.end_to_end.test_packages import version
from tests.end_to_end.test_secrets import watched
from tests.wheels import a_wheel, says
from tests.yard import eventually

MODULE = """
from beeyard.sdk import Module
class Echo(Module):
    async def start(self):
        import needed
        print("made by", needed.SAID, flush=True)
def create():
    return Echo()
"""


def wheels(folder: Path, **more: Any) -> dict[str, Any]:
    """The worker file's `package_manager`."""
    named = {"name": "wheels", "manager": "python", "path": str(folder), "trust": "unsigned"}
    return {"package_manager": {"repositories": [named | more], "policies": {"allow_downgrades": True}}}


def hello(folder: Path, number: str, needs: str = "needed") -> None:
    """A command that says which version it is, and whether it is in an environment of its own."""
    files = says(f"this is {number}")
    a_wheel(folder, "hello", number, files, scripts={"hello": "hello.main:main"}, needs=[needs])


def test_a_worker_runs_a_command_of_a_wheel_and_goes_on_and_back(tmp_path: Path) -> None:
    """What it needs is in the same environment; a new version stands beside the old one."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    a_wheel(folder, "needed", "1.0", {"needed.py": "SAID = 1\n"})
    hello(folder, "1.0")
    with watched(tmp_path) as yard:
        yard.wish(**wheels(folder), workers=[{"id": "web", "package": "hello"}])
        yard.run("up", "--detach")
        assert version(yard) == "1.0"
        eventually(lambda: "this is 1.0 True" in yard.run("logs", "web"), "what it says")
        hello(folder, "1.1")
        yard.run("package", "install", "hello:latest")
        yard.run("restart", "web")
        eventually(lambda: "this is 1.1 True" in yard.run("logs", "web"), "the next version")
        yard.wish(**wheels(folder), workers=[{"id": "web", "package": "hello:1.0"}])
        yard.run("reload")
        eventually(lambda: yard.run("logs", "web").count("this is 1.0 True") == 2, "the version before")
        assert "wheels" in yard.run("package", "list")
        yard.run("package", "verify", "hello")
        (shown,) = [view for view in yard.ask("package_list") if "web" in view["workers"]]
        assert (shown["version"], shown["trust"]) == ("1.0", "checksum")


def test_a_lock_pins_all_that_a_package_needs(tmp_path: Path) -> None:
    """Also what came out later is not taken, until the lock is renewed."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    files = {"hello.py": "import needed, signal\ndef main():\n print(needed.SAID, flush=True)\n signal.pause()\n"}
    a_wheel(folder, "needed", "1.0", {"needed.py": "SAID = 'the first'\n"})
    a_wheel(folder, "hello", "1.0", files, scripts={"hello": "hello:main"}, needs=["needed>=1"])
    with watched(tmp_path) as yard:
        yard.wish(**wheels(folder), workers=[])
        yard.run("up", "--detach")
        yard.wish(**wheels(folder), workers=[{"id": "web", "package": "hello"}])
        yard.run("package", "lock")
        a_wheel(folder, "needed", "1.1", {"needed.py": "SAID = 'the second'\n"})
        yard.run("up", "--detach")
        eventually(lambda: "the first" in yard.run("logs", "web"), "what was locked")
        assert yard.run("package", "lock", "--update", "hello") == "hello: 1.0, another build of it\n"
        yard.run("reload")
        yard.run("restart", "web")
        eventually(lambda: "the second" in yard.run("logs", "web"), "what is there now")


def test_a_wheel_that_was_replaced_since_it_was_locked_is_not_taken(tmp_path: Path) -> None:
    """Whatever it is called: it is told which one it is, and the worker waits until that is there again."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    locked = a_wheel(folder, "needed", "1.0", {"needed.py": "SAID = 1\n"}).read_bytes()
    hello(folder, "1.0")
    with watched(tmp_path) as yard:
        yard.wish(**wheels(folder), workers=[])
        yard.run("up", "--detach")
        yard.wish(**wheels(folder), workers=[{"id": "web", "package": "hello"}])
        yard.run("package", "lock")
        replaced = a_wheel(folder, "needed", "1.0", {"needed.py": "SAID = 'somebody else'\n"})
        yard.run("up", "--detach")
        eventually(lambda: "the lock says hello 1.0 is" in yard.ps()["web"]["note"], "why it waits")
        assert yard.ask("package_list") == []
        replaced.write_bytes(locked)
        yard.run("restart", "web")
        yard.running("web")


def test_a_worker_runs_a_module_of_a_wheel(tmp_path: Path) -> None:
    """By its name, or as the wheel itself names it; in a process or within the master; it finds what it needs."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    a_wheel(folder, "needed", "1.0", {"needed.py": "SAID = 'needed'\n"})
    files = {"echo_service/__init__.py": "", "echo_service/made.py": MODULE}
    named = {"echo": "echo_service.made:create"}
    a_wheel(folder, "echo-service", "1.0", files, modules=named, needs=["needed"])
    with watched(tmp_path) as yard:
        workers = [
            {"id": "apart", "package": "echo-service"},
            {"id": "named", "package": "echo-service", "module": {"module_name": "echo_service.made:create"}},
            {"id": "within", "package": "echo-service", "provider": "module"},
        ]
        yard.wish(**wheels(folder, python=sys.executable), workers=workers)
        yard.run("up", "--detach")
        for worker in ("apart", "named", "within"):
            yard.running(worker)
        eventually(lambda: "made by needed" in yard.run("logs", "apart"), "what it needs")
        yard.run("package", "verify", "echo-service")
