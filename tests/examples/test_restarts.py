"""What docs/restarts.md says, played: each worker file with the ends below it, and its tables."""

import os
import re
import sys
from pathlib import Path

import pytest

from beeyard.adapters.providers import PROVIDERS
from beeyard.domain.lifecycle import step
from beeyard.domain.limits import Severity
from beeyard.domain.messages import (
    Event,
    Exceeded,
    Exit,
    Exited,
    Fired,
    Handle,
    Launched,
    Now,
    Prepared,
    Probed,
    Respecified,
)
from beeyard.domain.pressure import WEIGHTS, Pressure, strain
from beeyard.domain.refusals import REFUSALS
from beeyard.domain.restart import ORDINARY, Outside
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.worker import Failed, Running, Stopping, Waiting, Worker, new
from beeyard.entrypoints import settings

PAGE = (Path(__file__).parents[2] / "docs" / "restarts.md").read_text(encoding="utf-8")
PLAYS = re.findall(r"^```yaml\n(.*?)^```\n\n```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ENVIRON = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
LEVELS: dict[str, Severity] = {"warning": "warning", "critical": "critical", "emergency": "emergency"}


class Life:
    """One worker, its timer fired when it is due, and the launcher that always launches."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.worker: Worker = new(spec)
        self.take(0.0, Respecified(spec))
        self.launch(0.0)

    def take(self, at: float, event: Event, outside: Outside = ORDINARY) -> None:
        """One event."""
        self.worker, _ = step(self.worker, event, Now(at, at), outside)

    def launch(self, at: float) -> None:
        """Once it is to start."""
        self.take(at, Prepared())
        self.take(at, Launched(self.worker.attempt, Handle("process", 1, {"pid": 9})))

    def until(self, at: float) -> None:
        """Time passes."""
        match self.worker.phase:
            case Waiting(until=due) | Failed(retry_at=float(due)):
                assert due <= at, f"it does not run at {at}"
                self.take(due, Fired("retry", self.worker.serial))
                self.launch(due)

    def end(self, at: float, how: str, outside: Outside) -> str:
        """It ends; returns what was decided."""
        self.until(at)
        assert isinstance(self.worker.phase, Running)
        attempt, exit = self.worker.attempt, Exit(signal=15)
        if how == "unhealthy":
            self.take(at, Probed(attempt, "liveness", False, "silent"))
        elif how in LEVELS:
            self.take(at, Exceeded(attempt, "memory.max_rss", LEVELS[how], "too much", "restart"))
        else:
            exit = Exit(code=int(how.removeprefix("exit ")))
        assert isinstance(self.worker.phase, Running if how.startswith("exit") else Stopping)
        self.take(at, Exited(attempt, exit), outside)
        assert self.worker.death is not None
        return self.worker.death.decision


def pressed(said: str) -> Outside:
    """`cpu 80 %` as the host would tell it."""
    if not said:
        return ORDINARY
    name, share, _ = said.split()
    return Outside(strain=strain(Pressure(**{name: int(share) / 100})))


def test_there_is_something_to_play() -> None:
    """The tests below find what they look for."""
    assert len(PLAYS) == 5


@pytest.mark.parametrize(("file", "lines"), PLAYS, ids=[re.findall(r"id: (\w+)", file)[0] for file, _ in PLAYS])
def test_restarts_are_decided_as_the_page_says(file: str, lines: str, tmp_path: Path) -> None:
    """To the letter."""
    (tmp_path / "beeyard.yaml").write_text(file)
    loaded = settings.load(str(tmp_path / "beeyard.yaml"), environ=ENVIRON, providers=PROVIDERS)
    life = Life(loaded.workers[0])
    for line in lines.splitlines():
        at, how, decision = re.split(r"\s{2,}", line, maxsplit=2)
        how, _, pressure = how.partition(", ")
        assert life.end(float(at), how, pressed(pressure)) == decision


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return table[2:]


def test_the_factors_of_the_page_are_those_of_the_code() -> None:
    """In the same order."""
    said = [
        (
            what.replace(", some task", "").replace(", all tasks", "_full"),
            *(float(n.removesuffix(" %")) for n in numbers),
        )
        for what, *numbers in rows("Pressure")
    ]
    weights = WEIGHTS.items()
    assert said == [(name, begins * 100, most * 100, factor) for name, (begins, most, factor) in weights]


def test_the_categories_of_the_page_are_those_of_the_code() -> None:
    """All of them, and whether trying again can help."""
    said = {category.strip("`"): recoverable == "yes" for category, recoverable in rows("Launches that are refused")}
    assert said == {category: refusal.recoverable for category, refusal in REFUSALS.items()}
