"""examples/ci as its README says: a pipeline that builds, signs and publishes, and two of them at once."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from beeyard.adapters.repositories.tuf import TufRepository
from tests.examples.test_pages import BIN, Shell, Step, follow, parts

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/ci"
README = "examples/ci/README.md"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The example in a folder of its own."""
    made = shutil.ignore_patterns("builds", "repository", "offline", "keys", "*.json")
    return Path(shutil.copytree(EXAMPLE, tmp_path / "ci", ignore=made))


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """That of a pipeline: a home with nothing in it."""
    (tmp_path / "home").mkdir()
    python = Path(sys.executable).parent
    return {"PATH": f"{BIN}{os.pathsep}{python}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path / "home")}


@pytest.fixture
def shell(here: Path, environment: dict[str, str]) -> Iterator[Shell]:
    """Somebody who types there."""
    made = Shell(environment, here)
    try:
        yield made
    finally:
        made.end()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_example_can_be_typed_as_its_page_says(shell: Shell, here: Path, tmp_path: Path) -> None:
    """From the keys to the refused change; what a host then sees is what the page says."""
    steps = [part for part in parts(README) if isinstance(part, Step)]
    assert len(steps) > 9
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        follow(_whole(step), shell)
        told = after is not None and after.command == "echo $?"
        assert shell.ended == 0 or told, (step.where, step.command, shell.ended)
    reader = TufRepository("ci", str(here / "repository"), _root(here), tmp_path / "cache")
    offers = await reader.offers("greeter")
    assert [(one.version, one.channels) for one in offers] == [("1.0.0", ()), ("1.1.0", ("edge",))]
    described = await reader.describe(offers[-1])
    assert {file.path for file in described.files} == {"greeter", "package.yaml"}
    assert {paper.kind for paper in described.papers} == {"sbom", "provenance"}


def _root(here: Path) -> bytes:
    return (here / "repository/metadata/1.root.json").read_bytes()


def _whole(step: Step) -> Step:
    """With the lines after the first that somebody types into a loop."""
    more = [line.removeprefix(">") for line in step.shown if line.startswith(">")]
    shown = [line for line in step.shown if not line.startswith(">")]
    return step._replace(command="\n".join([step.command, *more]), shown=shown)


@pytest.mark.timeout(300)
async def test_pipelines_that_run_at_once_lose_nothing(here: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """Six of them, each with a version of its own: afterwards all are there, and the channel is at one of them."""
    init = ["beeyard", "repo", "init", "repository", "--root-key", "offline/root.key", "--keys", "keys"]
    subprocess.run(init, cwd=here, env=environment, check=True, capture_output=True)
    versions = [f"{number}.0" for number in range(2, 8)]
    running = []
    for version in versions:
        copied = Path(shutil.copytree(EXAMPLE / "package", tmp_path / version / "package")).parent
        shutil.copy(EXAMPLE / "pipeline", copied / "pipeline")
        file = copied / "package/package.yaml"
        file.write_text(file.read_text().replace("1.0.0", version))
        variables = {**environment, "REPOSITORY": str(here / "repository"), "KEYS": str(here / "keys")}
        running.append(subprocess.Popen([copied / "pipeline"], env=variables, stdout=subprocess.PIPE, text=True))
    for one in running:
        out, _ = one.communicate()
        assert (one.returncode, "published" in out) == (0, True)
    reader = TufRepository("ci", str(here / "repository"), _root(here), tmp_path / "cache")
    offers = await reader.offers("greeter")
    assert sorted(one.version for one in offers) == versions
    assert [one.channels for one in offers if one.channels] == [("edge",)]


def test_the_workflow_runs_the_pipeline_with_what_it_needs() -> None:
    """Each variable that the script and Beeyard read is given to it, and the script is the one that is tested."""
    workflow = YAML(typ="safe").load(EXAMPLE / "workflow.yaml")
    (step,) = [one for one in workflow["jobs"]["package"]["steps"] if "pipeline" in one.get("run", "").split("/")]
    assert (ROOT / step["run"]).samefile(EXAMPLE / "pipeline")
    roles = ("TEAM", "CHANNEL_EDGE", "SNAPSHOT", "TIMESTAMP")
    keys = {f"BEEYARD_REPO_KEY_{role}" for role in roles}
    assert set(step["env"]) == keys | {"REPOSITORY", "BUILDER", "BEEYARD_REPO_PASSPHRASE"}


def test_a_pipeline_without_its_keys_says_which_one_is_missing(
    here: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """In JSON, with the exit code for what is not there; nothing of the repository changes."""
    init = ["beeyard", "repo", "init", "repository", "--root-key", "offline/root.key", "--keys", "keys"]
    subprocess.run(init, cwd=here, env=environment, check=True, capture_output=True)
    before = sorted(here.glob("repository/metadata/*"))
    variables = {**environment, "REPOSITORY": str(here / "repository"), "KEYS": str(tmp_path / "none")}
    ended = subprocess.run([here / "pipeline"], env=variables, check=False, capture_output=True, text=True)
    assert ended.returncode == 3
    assert json.loads(ended.stderr.splitlines()[-1])["code"] == "no_such_key"
    assert sorted(here.glob("repository/metadata/*")) == before
