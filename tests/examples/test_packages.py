"""examples/03-packages as its pages say: real Caddy and traefik from the package index, fetched once for all runs, and
every command typed, in order, with what it shows. And what docs/packages.md says of messages.
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
README, UPDATES = "examples/03-packages/README.md", "examples/03-packages/updates.md"
PORTS = {"8490": "PACKAGES_PORT", "8491": "PACKAGES_EDGE_PORT"}
"""Those that the pages name, and what names others."""


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


def _steps(page: str, until: str = "") -> list[Step]:
    """Of a page, or of what stands above a heading of it."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    end = lines.index(until) if until else len(lines)
    found = [part for part in parts(page) if isinstance(part, Step)]
    return [step for step in found if int(step.where.rpartition(":")[2]) < end]


class Told(Shell):
    """Keeps what it was told."""

    def __init__(self, environ: dict[str, str], folder: Path) -> None:
        self.output = ""
        super().__init__(environ, folder)

    def type(self, command: str) -> str:
        """And remembers what that prints."""
        output = super().type(command)
        self.output += output
        return output


def _type(steps: list[Step], here: Yard, folder: Path) -> str:
    """All of them in one shell, at ports of their own; what was printed."""
    ports = {port: _free_port() for port in PORTS}
    shell = Told({**environ(here), **{PORTS[port]: free for port, free in ports.items()}}, folder)

    def moved(text: str) -> str:
        return re.sub("|".join(ports), lambda found: ports[found[0]], text)

    try:
        for step, after in zip(steps, [*steps[1:], None], strict=True):
            follow(step._replace(command=moved(step.command), shown=[moved(line) for line in step.shown]), shell)
            told = after is not None and after.command == "echo $?"
            assert shell.ended == 0 or told, (step.where, step.command, shell.ended)
    finally:
        shell.end()
    return shell.output


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_example_can_be_typed_as_its_page_says(here: Yard, tmp_path: Path) -> None:
    """From the wheels to the last `gc`; whatever is refused is refused in the words of the page."""
    steps = _steps(README)
    assert len(steps) > 40
    _type(steps, here, tmp_path)
    assert here.marked() == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_updates_under_load_go_as_their_page_says(here: Yard, tmp_path: Path) -> None:
    """A canary, two bad versions that go back, a rollback, and traefik there and back, with all requests answered; but
    for one that a server may drop when it ends unasked."""
    output = _type([*_steps(README, "## Somebody changes an installed file"), *_steps(UPDATES)], here, tmp_path)
    told = re.findall(r"^(?:web|edge): (\d+) requests, (\d+) failed", output, re.MULTILINE)
    assert len(told) == 10
    failed = [int(number) for _, number in told]
    assert failed[4] <= 1, told
    assert [*failed[:4], *failed[5:]] == [0] * 9, told
    assert here.marked() == []


@pytest.mark.parametrize(("page", "least"), [("packages", 12), ("images", 8), ("python", 8)])
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
