"""examples/03-packages as its README says: real Caddy from the package index, fetched once for all runs, and every
command of the page typed, in order, with what it shows. And what docs/packages.md says of messages.
"""

import ast
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.test_pages import Shell, Step, environ, follow, parts
from tests.yard import Yard

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/03-packages"
README = "examples/03-packages/README.md"
PORT = "8490"
"""The one that the page names."""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Yard]:
    """The example in a folder of its own, with a state folder beside it that nobody serves yet."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*_made()))
    made = Yard(tmp_path / "s")
    try:
        yield made
    finally:
        made.end()


def _made() -> list[str]:
    """What somebody who tried the example left in it."""
    lines = (EXAMPLE / ".gitignore").read_text().splitlines()
    return [".beeyard", *(line.strip("/") for line in lines if line.startswith("/"))]


def _free_port() -> str:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return str(sock.getsockname()[1])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_example_can_be_typed_as_its_page_says(here: Yard, tmp_path: Path) -> None:
    """From the wheels to the last `gc`; whatever is refused is refused in the words of the page."""
    steps = [part for part in parts(README) if isinstance(part, Step)]
    assert len(steps) > 50
    port = _free_port()
    shell = Shell({**environ(here), "PACKAGES_PORT": port}, tmp_path)
    try:
        for step, after in zip(steps, [*steps[1:], None], strict=True):
            shown = [line.replace(PORT, port) for line in step.shown]
            follow(step._replace(command=step.command.replace(PORT, port), shown=shown), shell)
            told = after is not None and after.command == "echo $?"
            assert shell.ended == 0 or told, (step.where, step.command, shell.ended)
    finally:
        shell.end()
    assert here.marked() == []


@pytest.mark.parametrize(("page", "least"), [("packages", 12), ("images", 8)])
def test_the_messages_that_the_page_explains_are_those_of_the_code(page: str, least: int) -> None:
    """Each stretch of their words stands in some text of the source."""
    table = (ROOT / f"docs/{page}.md").read_text(encoding="utf-8").split("| message |")[1].split("\n\n")[0]
    messages = re.findall(r"`(.*?[… ].*?)`", "\n".join(line.split(" | ")[0] for line in table.splitlines()[2:]))
    assert len(messages) >= least
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in (ROOT / "src/beeyard").rglob("*.py")]
    nodes = [node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    texts = [re.sub(r"\{\w+\}", "…", text) for text in nodes if isinstance(text, str)]
    pieces = [(message, piece) for message in messages for piece in message.split("…") if piece.strip()]
    assert [pair for pair in pieces if not any(pair[1].strip() in text for text in texts)] == []
