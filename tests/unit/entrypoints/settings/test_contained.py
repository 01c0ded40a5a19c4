"""`execution:` of a worker in a container: the words of a process, with the same meaning."""

from pathlib import Path

import pytest

from beeyard.adapters.providers import PROVIDERS
from beeyard.domain.errors import Invalid
from beeyard.domain.spec import StopStep, WorkerSpec
from beeyard.domain.values import Duration, SignalNumber
from beeyard.entrypoints import settings

EXECUTION = """\
  execution:
    executable_path: ./serve
    args: [--port, 8080]
    environment: {COLOUR: green}
    env_file: .env
    working_directory: /srv
    user: bee
    stop: {signal: INT, timeout: 3s}
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with an env file."""
    (tmp_path / ".env").write_text("FROM=file\n")
    return tmp_path


def load(here: Path, keys: str) -> WorkerSpec:
    """The one worker of a file, that runs on docker."""
    (here / "beeyard.yaml").write_text(f"workers:\n- id: a\n  provider: docker\n{keys}")
    [spec] = settings.load(str(here / "beeyard.yaml"), environ={"PATH": "/bin"}, providers=PROVIDERS).workers
    return spec


def errors(here: Path, keys: str) -> list[str]:
    """What is wrong with it."""
    with pytest.raises(Invalid) as invalid:
        load(here, keys)
    return [str(problem).removeprefix(f"{here}/") for problem in invalid.value.problems]


def test_the_words_of_a_process_are_those_of_its_container(here: Path) -> None:
    """Programs and folders are the image's, files of variables are this host's, and so is the network."""
    spec = load(here, f"  docker: {{image: hello}}\n{EXECUTION}")
    assert spec.run == {
        "image": "hello",
        "entrypoint": ["./serve"],
        "command": ["--port", "8080"],
        "environment": {"COLOUR": "green"},
        "env_file": [str(here / ".env")],
        "networks": ["host"],
        "user": "bee",
        "working_directory": "/srv",
    }
    assert spec.stop == (StopStep(SignalNumber(2), Duration(3.0)),)


def test_without_them_the_network_is_the_engines_and_with_them_it_may_be(here: Path) -> None:
    """Who says nothing of a process gets what a container gets."""
    assert load(here, "  docker: {image: hello}\n").run == {"image": "hello"}
    spec = load(here, "  docker: {image: hello, networks: [bridge]}\n  execution: {args: [a]}\n")
    assert spec.run == {"image": "hello", "networks": ["bridge"], "command": ["a"]}


def test_what_no_container_has_is_an_error_where_it_stands(here: Path) -> None:
    """As are a word said twice and an image that is missing."""
    known = "args, env_file, environment, executable_path, graceful_timeout, stop, user, wait_delay, working_directory"
    keys = "  docker: {image: hello, command: [a]}\n  execution: {umask: 027, args: [b]}\n"
    assert errors(here, keys) == [
        f"beeyard.yaml:5: workers[0].execution.umask: found 'umask', expected a known key (known: {known})",
        "beeyard.yaml:5: workers[0].execution.args: found a list, expected no such key beside `command` on line 4",
    ]
    assert errors(here, "  execution: {args: [b]}\n") == [
        "beeyard.yaml:4: workers[0].docker.image: found nothing, expected a value: it has no default"
    ]
    assert errors(here, "  docker: {image: hello}\n  execution: yes\n") == [
        "beeyard.yaml:5: workers[0].execution: found 'yes', expected a mapping"
    ]
