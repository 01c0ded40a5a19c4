"""What people read of orphans, word by word, and what it means for the exit code."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from beeyard.application.operations.orphan_list import OrphansView
from beeyard.application.operations.orphan_remove import OrphanRemove, Spared, Swept
from beeyard.application.views import Orphan
from beeyard.domain.errors import Rejected, Unavailable
from beeyard.entrypoints.cli import sweeping
from beeyard.entrypoints.cli.target import Target

RUNS = Orphan("web", 3, "process", alive=True, since=100.0, where="pid 7")
ENDED = Orphan("db", 1, "docker", alive=False, since=400.0, where="")
AWAY = {"kubernetes": "no answer"}
TARGET = cast(Target, SimpleNamespace(command=lambda words: f"beeyard {words}"))


def test_the_table() -> None:
    """One line each; the state in words."""
    assert sweeping.orphans([RUNS, ENDED], now=460.0) == (
        "NAME  PROVIDER  STATE    SINCE  ATTEMPT  WHERE\n"
        "web   process   running  6m     3        pid 7\n"
        "db    docker    ended    1m     1"
    )


def test_no_orphans_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the output, which is empty; but not while somebody could not be asked."""
    sweeping.listed(TARGET, None, OrphansView([], {}))
    assert capsys.readouterr() == ("", "no orphans: all that runs is a worker\n")
    with pytest.raises(Unavailable) as caught:
        sweeping.listed(TARGET, None, OrphansView([], AWAY))
    assert (str(caught.value), capsys.readouterr()) == ("not asked: kubernetes (no answer)", ("", ""))


@pytest.mark.parametrize(("rehearsal", "gone", "left"), [(True, "would go", "would stay"), (False, "removed", "left")])
def test_each_is_told_with_what_becomes_of_it(
    capsys: pytest.CaptureFixture[str], rehearsal: bool, gone: str, left: str
) -> None:
    """Young ones with the reason."""
    request: Any = OrphanRemove(all=True, dry_run=rehearsal)
    sweeping.swept(TARGET, request, Swept([RUNS], [Spared(ENDED, "too young")], [], {}))
    assert capsys.readouterr().out == f"{gone}: web (process, pid 7)\n{left}: db (docker, ended): too young\n"


def test_what_could_not_be_removed_is_an_error() -> None:
    """Before that some providers could not be asked."""
    request: Any = OrphanRemove(all=True)
    with pytest.raises(Rejected) as caught:
        sweeping.check_swept(TARGET, request, Swept([], [], [Spared(RUNS, "it did not end in time")], AWAY))
    assert (str(caught.value), caught.value.hint) == (
        "not removed: web (it did not end in time)",
        "beeyard orphan list",
    )
    with pytest.raises(Unavailable):
        sweeping.check_swept(TARGET, request, Swept([], [], [], AWAY))
