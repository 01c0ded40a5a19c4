"""Probes in words: how each stands, what its questions cost, what it said when it was asked by hand."""

from beeyard.application.operations.probe import ProbeAnswer
from beeyard.application.views import ProbeView
from beeyard.domain.values import human_duration
from beeyard.entrypoints.cli.screen import printable

FREE = 0.001
"""Seconds of waiting that nobody has to know of."""


def answered(answer: ProbeAnswer) -> str:
    """One answer: `web readiness: passed, in 3ms`."""
    said = {True: "passed", False: "failed", None: "no answer"}[answer.ok]
    words = [said + (f": {printable(answer.reason)}" if answer.reason else "")]
    if answer.costs is not None:
        words.append(f"in {_time(answer.costs.took)}")
        if answer.costs.waited >= FREE:
            words.append(f"after {_time(answer.costs.waited)} in line")
        if not answer.counted:
            words.append("not counted: its initial delay is not over")
    return f"{answer.worker} {answer.role}: {', '.join(words)}"


def standing(probe: ProbeView) -> str:
    """One probe: `http: passed; 12 asked, the last in 3ms, 4ms on average`."""
    said = {True: "passed", False: "failed", None: "no verdict yet"}[probe.passed]
    if probe.said not in ("", "passed"):
        said += f", last: {printable(probe.said)}"
    if probe.strain:
        said += f", {human_duration(probe.timeout)} to answer: {probe.strain}"
    if not probe.asked:
        return f"{probe.means}: {said}; not asked yet"
    costs = f"{probe.asked} asked, the last in {_time(probe.took)}, {_time(probe.took_mean)} on average"
    if max(probe.waited, probe.waited_mean) >= FREE:
        costs += f"; in line {_time(probe.waited)}, {_time(probe.waited_mean)} on average"
    return f"{probe.means}: {said}; {costs}"


def _time(seconds: float) -> str:
    return human_duration(seconds) if seconds >= FREE else "less than 1ms"
