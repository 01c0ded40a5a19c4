"""What `beeyard new module` writes, used as its README says: its own tests, `beeyard run`, a master, both ways."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.test_pages import Shell, environ
from tests.yard import Yard, eventually

BEEYARD = [sys.executable, "-m", "beeyard"]
NAME = "word_count"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """As it was just written."""
    done = subprocess.run([*BEEYARD, "new", "module", NAME], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{NAME}/src/{NAME}/service.py" in done.stdout.splitlines()
    return tmp_path / NAME


@pytest.fixture
def fallow(project: Path) -> Iterator[Yard]:
    """A state folder beside it that nobody serves yet."""
    made = Yard(project.parent / "s")
    try:
        yield made
    finally:
        made.end()


@pytest.mark.slow
def test_a_new_project_passes_its_own_tests(project: Path) -> None:
    """All of them, each both ways."""
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


@pytest.mark.parametrize("words", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy", "--strict", "src"]])
def test_a_new_project_is_clean(project: Path, words: list[str]) -> None:
    """By the rules that most projects begin with."""
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=project, capture_output=True, text=True, check=False, env=_plain()
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _plain() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("RUFF_", "MYPY"))}


def test_the_commands_of_its_page_do_what_it_says(project: Path, fallow: Yard) -> None:
    """In the foreground, then by a master: as a process, moved into it while it runs, and back; and as a package."""
    block = re.search(r"```sh\n(.*?)```", (project / "README.md").read_text(), re.DOTALL)
    assert block is not None
    tests, run, up, curl, moved = (line.partition("  #")[0].strip() for line in block[1].splitlines())
    assert (tests, curl.split()[0]) == ("pytest", "curl")
    with subprocess.Popen(
        [*BEEYARD, *run.split()[1:], "--json"], cwd=project, text=True, stdout=subprocess.PIPE
    ) as foreground:
        assert foreground.stdout is not None
        said = next(line for line in foreground.stdout if '"ready"' in line or not line)
        foreground.terminate()
        foreground.stdout.read()
    assert ('"ready"' in said, foreground.returncode) == (True, 0)
    shell = Shell(environ(fallow), project)
    try:
        for line, pids in ((up, 1), (moved, 0), (up, 1)):
            shell.type(line)
            assert shell.ended == 0
            fallow.running(NAME)
            assert shell.type(curl).endswith('"hello world"')
            assert len(fallow.leaders(NAME)) == pids
        assert "builds/word_count-0.1.0-any.tar.zst" in shell.type("beeyard package build src -o builds")
    finally:
        shell.end()


def test_a_change_of_its_code_counts_from_the_next_start_on(project: Path, fallow: Yard) -> None:
    """Also within the master, which goes on."""
    shell = Shell({**environ(fallow), "PROVIDER": "module"}, project)
    ask = f"""curl -s "$(beeyard endpoint get {NAME} http)/WordCount/greet" -d '{{"name": "world"}}'"""
    try:
        shell.type("beeyard up -d")
        fallow.running(NAME)
        master = fallow.pid("master")
        service = project / "src" / NAME / "service.py"
        service.write_text(service.read_text().replace("} {name}", "}, dear {name}"))
        shell.type(f"beeyard restart {NAME}")
        eventually(lambda: shell.type(ask) == '"hello, dear world"', "the new code")
        assert fallow.pid("master") == master
    finally:
        shell.end()


def test_nothing_is_written_over(project: Path) -> None:
    """One file that is there already, and nothing is written at all."""
    kept = project / "README.md"
    kept.write_text("mine")
    for entry in project.iterdir():
        if entry != kept:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    done = subprocess.run(
        [*BEEYARD, "new", "module", NAME], cwd=project.parent, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.splitlines()) == (
        4,
        [
            "error: word_count has README.md already",
            "hint: name another folder: --folder DIR; nothing is written over",
        ],
    )
    assert ([*project.iterdir()], kept.read_text()) == ([kept], "mine")


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("json", "'json' means something else in Python or in the project", "json_service"),
        ("class", "'class' means something else in Python or in the project", "class_service"),
        (
            "Foo-Bar",
            "'Foo-Bar' is no name that Python can import: small letters, digits and _, a letter first, 63 at most",
            "foo_bar",
        ),
        (
            "2nd",
            "'2nd' is no name that Python can import: small letters, digits and _, a letter first, 63 at most",
            "service_2nd",
        ),
    ],
)
def test_a_name_that_python_can_not_import_is_refused(tmp_path: Path, name: str, text: str, hint: str) -> None:
    """With one that it can."""
    done = subprocess.run([*BEEYARD, "new", "module", name], cwd=tmp_path, capture_output=True, text=True, check=False)
    said = [f"error: {text}", f"hint: beeyard new module {hint}"]
    assert (done.returncode, done.stderr.splitlines(), [*tmp_path.iterdir()]) == (2, said, [])
