"""What docs/http-api.md and docs/library.md say, done: each command and each program is run against a real Beeyard."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.examples.test_docs import snippets
from tests.yard import Yard, yard

BIN = Path(sys.executable).parent
MARK = "@@@"


class Step(NamedTuple):
    """A command and what the page shows of its output; `…` stands for anything."""

    where: str
    command: str
    shown: list[str]


def steps(page: str) -> list[Step]:
    """Every `$ command` of a page, in order."""
    found: list[Step] = []
    for where, _, text in snippets("console"):
        if where.startswith(page):
            for line in text.splitlines():
                if line.startswith("$ "):
                    found.append(Step(where, line.removeprefix("$ "), []))
                else:
                    found[-1].shown.append(line)
    return found


def fits(shown: list[str], output: str) -> bool:
    """Whether this could have been shown so: a line that is cut, and one that is `…` alone, may go on."""
    pattern = "\n".join(".*".join(map(re.escape, line.split("…"))) for line in shown)
    return re.fullmatch(pattern, output.rstrip("\n"), re.DOTALL) is not None


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """One Beeyard for both pages, which leave it as they found it."""
    with yard(tmp_path_factory.mktemp("pages") / "s") as made:
        yield made


@pytest.fixture
def environ(here: Yard) -> dict[str, str]:
    """As somebody has it who set up Beeyard."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "BEEYARD_STATE_DIR": here.paths.state, "PYTHONWARNINGS": "error"}


def test_the_api_page_can_be_typed(environ: dict[str, str], tmp_path: Path) -> None:
    """Line by line, in one shell; what is shown is what comes."""
    page = steps("docs/http-api.md")
    assert len(page) > 30
    script = ["shopt -s expand_aliases"]
    for number, step in enumerate(page):
        script += [step.command, f"echo; echo {MARK} {number} $?"]
    done = subprocess.run(
        ["bash"], input="\n".join(script), capture_output=True, text=True, env=environ, cwd=tmp_path, check=False
    )
    answers = re.split(rf"\n{MARK} (\d+) (\d+)\n", done.stdout)
    outputs, codes = answers[0:-1:3], answers[2::3]
    assert len(outputs) == len(page), done.stdout + done.stderr
    for step, output, code in zip(page, outputs, codes, strict=True):
        assert code == "0", (step.where, step.command, output, done.stderr)
        if step.shown:
            assert fits(step.shown, output), (step.where, step.command, step.shown, output)


def test_what_does_not_fit_is_seen() -> None:
    """The test above can fail."""
    assert fits(['{"a":…'], '{"a":1}')
    assert fits(["one", "…", "two"], "one\nx\ny\ntwo\n")
    assert not fits(["one", "two"], "one\n2")
    assert not fits(['{"a":…'], '{"b":1}')


def test_the_programs_of_the_library_page_run(environ: dict[str, str], tmp_path: Path) -> None:
    """One after the other, each complete as it stands."""
    programs = [(where, text) for where, _, text in snippets("python") if where.startswith("docs/library.md")]
    assert len(programs) > 4
    for where, text in programs:
        done = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, env=environ, cwd=tmp_path, check=False
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
