"""Documentation that can be checked: its worker files load, its commands exist, its diagrams are those of the code."""

import os
import re
import shlex
import sys
from pathlib import Path

import click
import pytest

from beeyard.adapters.providers import PROVIDERS
from beeyard.entrypoints import settings
from beeyard.entrypoints.cli.main import cli
from docs import make_diagrams
from tests.repositories import a_root

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
FILES = sorted([*(ROOT / "docs").glob("*.yaml"), *(ROOT / "examples").rglob("beeyard*.yaml")])
ENVIRON = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def snippets(kinds: str) -> list[tuple[str, str, str]]:
    """(where, kind, text) of each fenced block of these kinds."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.finditer(rf"^```({kinds})\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, block.start()) + 1
            found.append((f"{page.relative_to(ROOT)}:{line}", block[1], block[2]))
    return found


def commands() -> list[tuple[str, str]]:
    """(where, command line) of every `$ beeyard …`, comments cut off."""
    found = []
    for where, _, text in snippets("console"):
        page, _, first = where.rpartition(":")
        for number, line in enumerate(text.splitlines(), int(first) + 1):
            if line.startswith("$ beeyard "):
                found.append((f"{page}:{number}", line.removeprefix("$ ")))
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_worker_file_loads(file: Path, tmp_path: Path) -> None:
    """Those of the documentation and of the examples; node exporter need not be installed for that."""
    text = file.read_text(encoding="utf-8")
    if "prometheus-node-exporter" in text and not Path("/usr/bin/prometheus-node-exporter").exists():
        pytest.skip("prometheus-node-exporter is not installed")
    for beside in file.parent.iterdir():
        (tmp_path / beside.name).symlink_to(beside)
    make_roots(tmp_path, text)
    assert settings.load(str(tmp_path / file.name), environ=ENVIRON, providers=PROVIDERS).workers


def make_roots(folder: Path, text: str) -> None:
    """The roots that a worker file pins: whoever uses it gets them from the owners of repositories."""
    for root in re.findall(r"^ +root: ([\w.-]+)", text, re.MULTILINE):
        (folder / root).write_bytes(a_root())


def test_every_worker_file_in_a_page_loads(tmp_path: Path) -> None:
    """A snippet with `workers` in it is taken for one."""
    for where, kind, text in snippets("yaml|toml"):
        if re.search(r"^(workers:|\[\[workers\]\])", text, re.MULTILINE):
            file = tmp_path / f"beeyard.{kind}"
            file.write_text(text)
            make_roots(tmp_path, text)
            for module in re.findall(r"\bmodule: ([\w-]+\.wat)", text):
                (tmp_path / module).touch()
            try:
                settings.load(str(file), environ=ENVIRON, providers=PROVIDERS)
            except Exception as error:
                raise AssertionError(f"{where}: {error}") from error


def test_there_are_commands_to_check() -> None:
    """The test below finds something to look at."""
    assert len(commands()) > 10


@pytest.mark.parametrize(("where", "line"), commands())
def test_every_command_in_a_page_exists(where: str, line: str) -> None:
    """Its words, options and their values are understood; nothing is run."""
    words = shlex.split(line, comments=True)[1:]
    context = cli.make_context("beeyard", list(words))
    command: click.Command = cli
    while isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        _, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
        context = command.make_context(command.name, rest, parent=context)


def test_the_lifecycle_page_is_that_of_the_code() -> None:
    """`python docs/make_diagrams.py` was run after the last change of the table."""
    assert make_diagrams.FILE.read_text(encoding="utf-8") == make_diagrams.text()


def test_links_between_pages_lead_somewhere() -> None:
    """Relative ones; an anchor is not looked at."""
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []
