"""A folder as a package, for development: who edits it and asks for a start gets what is there now, locked or not."""

from pathlib import Path

from tests.end_to_end.test_packages import version, wish
from tests.end_to_end.test_secrets import watched
from tests.yard import eventually

PACKAGE = "name: hello\nversion: {}\nprocess: {{executable_path: serve, args: [{}]}}\n"


def write(folder: Path, number: str, word: str) -> None:
    """The package as its developer has it now."""
    folder.mkdir(exist_ok=True)
    (folder / "package.yaml").write_text(PACKAGE.format(number, word))
    program = folder / "serve"
    program.write_text("#!/bin/sh\necho says $1\nexec sleep 1000\n")
    program.chmod(0o755)


def test_an_edited_folder_is_taken_by_the_next_start_that_is_asked_for(tmp_path: Path) -> None:
    """Nobody has to look at it or to lock it again; `package lock` names no folder."""
    folder = tmp_path / "hello"
    write(folder, "1.0", "one")
    with watched(tmp_path) as yard:
        wish(yard, [{"name": "dev", "manager": "directory", "path": str(folder), "trust": "unsigned"}], web="hello")
        yard.run("up", "--detach")
        assert version(yard) == "1.0"
        yard.run("package", "lock")
        yard.run("reload")
        write(folder, "1.1", "two")
        yard.run("restart", "web")
        assert version(yard) == "1.1"
        eventually(lambda: "says two" in yard.run("logs", "web"), "the new argument")
        write(folder, "1.1", "three")
        yard.run("restart", "web")
        eventually(lambda: "says three" in yard.run("logs", "web"), "the newest argument")
