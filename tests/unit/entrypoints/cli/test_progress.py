"""What a terminal shows of a job that takes long."""

import threading
from collections.abc import Iterator
from contextlib import redirect_stderr
from typing import Any

import pytest

from beeyard.application.problems import to_problem
from beeyard.application.views import Event
from beeyard.domain.errors import Refused, Unavailable
from beeyard.entrypoints.cli import progress
from beeyard.entrypoints.cli.target import Target
from beeyard.launcher.paths import Paths

TARGET = Target(Paths("/s"))


class FakeJob:
    """Tells its events, each once the line on the terminal shows what it waits for."""

    id = "job-1"

    def __init__(self, screen: "Screen", *events: tuple[str, str, Any]) -> None:
        self._screen = screen
        self._events = events

    def events(self) -> Iterator[Event]:
        """An exception in the place of data is raised."""
        for awaited, kind, data in self._events:
            assert self._screen.until(awaited)
            if isinstance(data, BaseException):
                raise data
            yield Event("e-1", kind, 0.0, None, data)

    def reply(self, data: Any) -> Any:
        """As it is."""
        return data


class Screen:
    """Standard error."""

    def __init__(self) -> None:
        self.text = ""
        self._written = threading.Condition()

    def write(self, text: str) -> None:
        """More of it."""
        with self._written:
            self.text += text
            self._written.notify_all()

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        """It is a terminal, of no known width."""
        return False

    def until(self, awaited: str) -> bool:
        """Once this was written."""
        with self._written:
            return self._written.wait_for(lambda: awaited in self.text, 30.0)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """What is shown; a second is over in no time."""
    made = Screen()
    monkeypatch.setattr(progress, "QUIET", 0.01)
    return made


def watched(job: FakeJob, screen: Screen) -> Any:
    """As the command does it."""
    with redirect_stderr(screen):  # type: ignore[type-var]
        return progress.watched(TARGET, job, "restart")  # type: ignore[arg-type]


def test_progress_is_shown_and_taken_away(screen: Screen) -> None:
    """How many of how many, and what came last."""
    done = {"done": 1, "of": 2, "worker": "web\x1b", "state": "running"}
    job = FakeJob(screen, ("restart: ", "progress", done), ("1 of 2, web\\x1b is running", "result", ["x"]))
    assert watched(job, screen) == ["x"]
    assert screen.text.endswith("\r\x1b[K")


def test_a_quick_job_shows_nothing(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reply is all there is to see."""
    monkeypatch.setattr(progress, "QUIET", 60.0)
    assert watched(FakeJob(screen, ("", "accepted", {}), ("", "result", 7)), screen) == 7
    assert screen.text == ""


def test_its_error_is_raised(screen: Screen) -> None:
    """Its own, or the connection's."""
    with pytest.raises(Refused, match="no"):
        watched(FakeJob(screen, ("", "error", to_problem(Refused("not_now", "no")))), screen)
    with pytest.raises(Unavailable, match="gone"):
        watched(FakeJob(screen, ("", "", Unavailable("master_gone", "gone"))), screen)


def test_ctrl_c_says_that_it_goes_on(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how to end it."""

    def interrupted(self: FakeJob, data: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeJob, "reply", interrupted)
    with pytest.raises(KeyboardInterrupt):
        watched(FakeJob(screen, ("restart: ", "result", [])), screen)
    assert "it goes on as job-1; to end it: beeyard --state-dir /s job cancel job-1\n" in screen.text


@pytest.mark.parametrize(
    ("wide", "bar"), [(120, " [#####...............]"), (79, " [##......]"), (76, " [#....]"), (75, ""), (40, "")]
)
def test_the_bar_has_the_room_that_the_words_leave(wide: int, bar: str) -> None:
    """What is left and since when are never cut off for its sake."""
    package = {"name": "caddy", "version": "2.11.4", "progress": 0.25, "done": 4 << 20, "size": 16 << 20}
    package |= {"rate": 2 << 20, "eta": 6.2, "joined": False}
    line = progress.line("package install", {"package": package}, "3s", wide)
    assert line == f"package install: caddy 2.11.4{bar} 4.0 MB of 16 MB, 2.0 MB/s, 6s left; 3s"
    joined = {"package": package | {"joined": True}}
    assert progress.line("x", joined, "3s", wide).startswith("x (joined): caddy 2.11.4")
    waits = {"package": package | {"waits": "dpkg (pid 7) installs packages on this host"}}
    assert progress.line("x", waits, "3s", wide) == (
        "x: caddy 2.11.4 waits: dpkg (pid 7) installs packages on this host; 3s"
    )
