"""What pages of docs/ say, done: their files written, each command and each program run against a real Beeyard.

In a page of `RUN` every block counts, from top to bottom, in one folder and one shell. A block whose first line is
`# NAME`, or `;; NAME`, is that file. Of a console block each line after `$ ` is typed, and what stands below it has to
be its output:

- `…` stands for anything, within a line and for whole lines;
- dates, times, amounts of time and memory, and numbers of three digits and more stand for any other; so does the number
  of spaces, and the folder is called /srv/app, with the state folder `s` in it;
- a command that only looks (`beeyard ps`, `why`, `show`, `logs`, `rollout status`) is asked again until it shows that;
- exit codes are 0, but where the next command is `echo $?`.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.examples.test_docs import snippets
from tests.yard import Yard, eventually, launcher_program, master_program, yard

BIN = Path(sys.executable).parent
MARK = "@@@"
RUN = (
    *("clients", "http-api", "kinds", "lifetimes", "limits", "modules", "older-files", "order", "packages", "probes"),
    *("reload", "updates", "wasm"),
)
MASTER_RUNS = ("http-api",)
"""Pages that begin where a master runs; the others bring it up."""

_NAME = re.compile(r"(?:#|;;) ([\w-]+\.\w+)\n")
_LOOK = re.compile(r"beeyard (ps|why|show|logs|rollout status(?! --follow))\b")
_TIME = r"(?:less than )?\d+(\.\d+)?(ms|s|m|h)\b"
_ANY = re.compile(rf"\d+-\d\d-\d\d|\d\d:\d\d:\d\d|\d+(\.\d+)? [KMG]B|{_TIME}( {_TIME})*|\d{{3,}}")


class Step(NamedTuple):
    """A command and what the page shows of its output."""

    where: str
    command: str
    shown: list[str]


class Written(NamedTuple):
    """A file of a page."""

    name: str
    text: str


def parts(page: str) -> list[Step | Written]:
    """Every file and every `$ command` of a page, in order."""
    found: list[Step | Written] = []
    for where, kind, text in snippets("[a-z]+"):
        if not where.startswith(f"{page}:"):
            continue
        if kind == "console":
            for block in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, *shown = block.splitlines()
                found.append(Step(where, command, shown))
        elif name := _NAME.match(text):
            found.append(Written(name[1], text))
    return found


def fits(shown: list[str], output: str) -> bool:
    """Whether this could have been shown so."""
    pattern = "\n".join(".*".join(map(re.escape, _alike(line).split("…"))) for line in shown)
    return re.fullmatch(pattern, "\n".join(map(_alike, output.splitlines())).rstrip("\n"), re.DOTALL) is not None


def _alike(line: str) -> str:
    """Without what differs from one run to the next."""
    return re.sub(" +", " ", _ANY.sub("#", line)).rstrip()


class Shell:
    """One bash that is told line by line. `ended`: the exit code of the last one."""

    def __init__(self, environ: dict[str, str], folder: Path) -> None:
        self.ended = 0
        self._folder = folder
        self._process = subprocess.Popen(
            ["bash"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environ,
            cwd=folder,
        )
        self.type("shopt -s expand_aliases")

    def type(self, command: str) -> str:
        """What it prints, on either stream."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\ncode=$?; echo; echo {MARK} $code; (exit $code)\n")
        self._process.stdin.flush()
        lines: list[str] = []
        for line in self._process.stdout:
            if line.startswith(MARK):
                break
            lines.append(line)
        self.ended = int(line.split()[1])
        return "".join(lines).replace(str(self._folder), "/srv/app").removesuffix("\n")

    def end(self) -> None:
        """Once nothing more is to be typed."""
        self._process.communicate()


def environ(yard: Yard) -> dict[str, str]:
    """As somebody has it who set up Beeyard."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "BEEYARD_STATE_DIR": yard.paths.state, "PYTHONWARNINGS": "error"}


@pytest.fixture
def fallow(tmp_path: Path) -> Iterator[Yard]:
    """A state folder that nobody serves yet, in the folder of the page."""
    made = Yard(tmp_path / "s")
    try:
        yield made
    finally:
        made.end()


@pytest.mark.parametrize("page", RUN)
def test_a_page_can_be_typed(page: str, fallow: Yard, tmp_path: Path) -> None:
    """Line by line; what is shown is what comes."""
    if page in MASTER_RUNS:
        fallow.start(launcher_program(), master_program())
    found = parts(f"docs/{page}.md")
    assert sum(isinstance(part, Step) for part in found) >= 5
    shell = Shell(environ(fallow), tmp_path)
    try:
        for part, after in zip(found, [*found[1:], None], strict=True):
            if isinstance(part, Written):
                (tmp_path / part.name).write_text(part.text)
            else:
                follow(part, shell)
                told = isinstance(after, Step) and after.command == "echo $?"
                assert shell.ended == 0 or told, (part.where, part.command, shell.ended)
    finally:
        shell.end()


def follow(step: Step, shell: Shell) -> None:
    """Type it, and see what the page shows."""
    output = ""

    def look() -> bool:
        nonlocal output
        output = shell.type(step.command)
        return not step.shown or fits(step.shown, output)

    try:
        eventually(look) if _LOOK.match(step.command) else look()
    finally:
        assert not step.shown or fits(step.shown, output), "\n".join((step.where, step.command, output))


def test_what_does_not_fit_is_seen() -> None:
    """The test above can fail."""
    assert fits(['{"a":…'], '{"a":1}')
    assert fits(["one", "…", "two"], "one\nx\ny\ntwo\n")
    assert not fits(["one", "two"], "one\n2")
    assert not fits(['{"a":…'], '{"b":1}')
    assert fits(["web  running  4711  1m 2s  0"], "web     running  17999  3.5s    0\n")
    assert not fits(["web  running  4711  1m 2s  0"], "web  running  4711  1m 2s  1")
    assert not fits(["exit code 2"], "exit code 6")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """A Beeyard for programs."""
    with yard(tmp_path_factory.mktemp("pages") / "s") as made:
        yield made


def test_the_programs_of_the_library_page_run(here: Yard, tmp_path: Path) -> None:
    """One after the other, each complete as it stands."""
    programs = [(where, text) for where, _, text in snippets("python") if where.startswith("docs/library.md")]
    assert len(programs) > 4
    for where, text in programs:
        done = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, env=environ(here), cwd=tmp_path, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), (where, done.stdout, done.stderr)
        assert done.stdout, where


def test_the_programs_of_the_library_page_are_typed(tmp_path: Path) -> None:
    """mypy --strict has nothing to say against them."""
    files = []
    for number, (where, _, text) in enumerate(snippets("python")):
        if where.startswith("docs/library.md"):
            files.append(tmp_path / f"snippet_{number}.py")
            files[-1].write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.stdout.strip(), done.returncode) == (f"Success: no issues found in {len(files)} source files", 0)
