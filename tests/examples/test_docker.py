"""examples/04-docker and docs/docker.md as they say, typed on a real engine; that the example's workers are the
quickstart's, and what the page says of messages.
"""

import ast
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from beeyard.adapters.providers import PROVIDERS
from beeyard.domain.spec import WorkerSpec
from beeyard.entrypoints import settings
from tests.contract.engines import docker
from tests.examples.test_pages import BIN, Shell, Step, Written, environ, follow, parts
from tests.yard import Yard

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
README, PAGE = "examples/04-docker/README.md", "docs/docker.md"
PORTS = {README: "8480", PAGE: "8491"}
"""Those that the pages name."""
OWN = {"process": {"executable_path", "working_directory", "args"}, "docker": {"image", "networks", "entrypoint"}}
"""What each provider says in its own way."""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Yard]:
    """The example beside the quickstart, with a state folder that nobody serves yet; its images are gone afterwards."""
    for name in ("04-docker", "quickstart"):
        shutil.copytree(EXAMPLES / name, tmp_path / name, ignore=shutil.ignore_patterns(".beeyard"))
    made = Yard(tmp_path / "s")
    try:
        yield made
    finally:
        made.end()
        for line in docker("ps", "-aq", "--filter", f"label=beeyard.owner={made.paths.identity}").split():
            docker("rm", "-f", line)
        docker(
            "rmi",
            "-f",
            *docker("images", "-q", "quickstart-*").split(),
            *docker("images", "-q", "beeyard-docs").split(),
        )


@pytest.mark.needs_docker
@pytest.mark.slow
def test_the_example_can_be_typed_as_its_page_says(here: Yard, tmp_path: Path) -> None:
    """From the images to `down`, which leaves no container."""
    typed(README, here, tmp_path / "04-docker")


@pytest.mark.needs_docker
@pytest.mark.slow
def test_the_page_can_be_typed(here: Yard, tmp_path: Path) -> None:
    """Line by line; what is shown is what comes."""
    typed(PAGE, here, tmp_path)


def typed(page: str, yard: Yard, folder: Path) -> None:
    """All of it, with a port of our own."""
    found = parts(page)
    assert sum(isinstance(part, Step) for part in found) > 10
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = str(sock.getsockname()[1])
    shell = Shell({**environ(yard), "QUICKSTART_PORT": port}, folder)
    try:
        for part in found:
            if isinstance(part, Written):
                (folder / part.name).write_text(part.text.replace(PORTS[page], port))
                continue
            follow(part._replace(command=part.command.replace(PORTS[page], port)), shell)
            assert shell.ended == 0, (part.where, part.command, shell.ended)
    finally:
        shell.end()


def test_the_messages_that_the_page_explains_are_those_of_the_code() -> None:
    """Each stretch of their words stands in some text of the provider's source."""
    table = (ROOT / PAGE).read_text(encoding="utf-8").split("| message |")[1].split("\n\n")[0]
    messages = re.findall(r"^\| `(.*?)` \|", table, re.MULTILINE)
    assert len(messages) >= 5
    trees = [
        ast.parse(file.read_text("utf-8")) for file in (ROOT / "src/beeyard/adapters/providers/docker").glob("*.py")
    ]
    nodes = [node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    texts = [re.sub(r"\{\w+\}", "…", text) for text in nodes if isinstance(text, str)]
    pieces = [(message, piece) for message in messages for piece in message.split("…") if piece.strip()]
    assert [pair for pair in pieces if not any(pair[1] in text for text in texts)] == []


def test_its_workers_are_the_quickstarts_in_containers() -> None:
    """Word for word, but for the provider and what runs: a program of this host, of a package, or of an image."""
    environment = {"PATH": str(BIN)}

    def load(name: str) -> list[WorkerSpec]:
        return settings.load(str(EXAMPLES / name / "beeyard.yaml"), environ=environment, providers=PROVIDERS).workers

    def common(spec: WorkerSpec) -> WorkerSpec:
        run = {key: value for key, value in spec.run.items() if key not in OWN[spec.provider]}
        return replace(spec, provider="", package="", origin="cli", run=run)

    found, quickstart = load("04-docker"), load("quickstart")
    assert {spec.provider for spec in found} == {"docker"}
    assert [common(spec) for spec in found] == [common(spec) for spec in quickstart]
    assert [spec.run.get("entrypoint") for spec in found] == [["./hello.py"], ["./hello.py"], None]
