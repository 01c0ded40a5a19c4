"""Probes in words."""

import pytest

from beeyard.application.operations.probe import ProbeAnswer
from beeyard.application.views import ProbeView
from beeyard.entrypoints.cli.asked import answered, standing

QUICK = ProbeView("http", True, "passed", 12, 0.0032, 0.004, 0.0, 0.0)
SLOW = ProbeView("exec", False, "check ended with exit code 1", 3, 1.25, 1.5, 0.25, 0.1)


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (ProbeView("tcp", None, "", 0, 0.0, 0.0, 0.0, 0.0), "tcp: no verdict yet; not asked yet"),
        (QUICK, "http: passed; 12 asked, the last in 3ms, 4ms on average"),
        (
            ProbeView("tcp", True, "passed", 1, 2.0, 2.0, 0.0, 0.0, 2.5, "host under pressure: cpu 90 %"),
            "tcp: passed, 2.5s to answer: host under pressure: cpu 90 %; 1 asked, the last in 2s, 2s on average",
        ),
        (
            SLOW,
            "exec: failed, last: check ended with exit code 1; 3 asked, the last in 1.2s, 1.5s on average; in line "
            "250ms, 100ms on average",
        ),
    ],
)
def test_a_probe_stands_in_one_line(view: ProbeView, words: str) -> None:
    """Waiting is told only where there was some."""
    assert standing(view) == words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ProbeAnswer("web", "readiness", True, "", True, QUICK), "web readiness: passed, in 3ms"),
        (
            ProbeAnswer("web", "liveness", False, "exit code 1", False, SLOW),
            "web liveness: failed: exit code 1, in 1.2s, after 250ms in line, not counted: its initial delay is not "
            "over",
        ),
        (ProbeAnswer("web", "startup", None, "it rests", False), "web startup: no answer: it rests"),
    ],
)
def test_an_answer_is_one_line(answer: ProbeAnswer, words: str) -> None:
    """What was said, how long that took, and whether it counts."""
    assert answered(answer) == words
