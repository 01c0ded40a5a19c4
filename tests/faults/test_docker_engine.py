"""The engine itself is ended and started again, with workers in it: by an operator, an upgrade, a host's init."""

import contextlib
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.contract.engines import docker
from tests.engine import Engine, owner
from tests.faults.test_docker import said, settled, worker
from tests.yard import Yard, eventually, launcher_program, master_program

pytestmark = pytest.mark.needs_docker


@contextlib.contextmanager
def upon(engine: Engine, state: Path) -> Iterator[Yard]:
    """A Beeyard with one worker on an engine of its own."""
    made = Yard(state)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine.host)
        try:
            engine.start()
            made.start(launcher_program(), master_program())
            made.apply(worker(engine.host))
            made.running("web")
            yield made
        finally:
            made.end()
            engine.end()


def restart(engine: Engine) -> None:
    """Returns once the next one answers."""
    pid = engine.folder / "pid"
    old = pid.read_text()
    engine.restart()

    def another() -> bool:
        with contextlib.suppress(FileNotFoundError):  # The one that goes takes its own away.
            return pid.read_text() not in ("", old)
        return False

    eventually(another, "another engine", patience=60.0)
    eventually(engine.answers, "an engine that answers", patience=60.0)


def test_workers_that_ended_with_the_engine_are_started_again(tmp_path: Path) -> None:
    """It ends them when it ends, in good order; each is there again once, and what it left is removed."""
    engine = Engine(Path(tempfile.gettempdir(), f"beeyard-engine-{owner()}-anew"))
    with upon(engine, tmp_path / "s") as yard:
        first = eventually(partial(settled, yard, engine.host), "one container")
        restart(engine)
        eventually(lambda: settled(yard, engine.host) not in ("", first), "another container", patience=60.0)
        eventually(lambda: said(yard)[-1:] == [settled(yard, engine.host)[:12]], "its first line")
        assert said(yard)[0] == first[:12]
        assert len(said(yard)) == len(set(said(yard))), "one was started twice, or a line was doubled"


def test_workers_that_outlive_the_engine_are_left_alone(tmp_path: Path) -> None:
    """With live-restore they run on: the same one is known afterwards, and its end is seen."""
    engine = Engine(Path(tempfile.gettempdir(), f"beeyard-engine-{owner()}-live"), "--live-restore")
    with upon(engine, tmp_path / "s") as yard:
        first = eventually(partial(settled, yard, engine.host), "one container")
        restart(engine)
        eventually(lambda: "is lost" in yard.said(), "contact that is lost")
        eventually(lambda: settled(yard, engine.host) == first, "the same container")
        docker("kill", first, host=engine.host)
        eventually(lambda: settled(yard, engine.host) not in ("", first), "another container", patience=60.0)
        assert said(yard)[:1] == [first[:12]]
