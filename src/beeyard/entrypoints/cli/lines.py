"""`beeyard logs`: lines as they come, each under its worker's name when there are several."""

import json
import sys
import time
from typing import Any

from beeyard.application.operations.logs import Logs
from beeyard.application.operations.ps import Ps
from beeyard.entrypoints.cli.screen import colours, painted, say
from beeyard.entrypoints.http.client import Client

PALETTE = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94")
"""One for each worker in turn; none is red."""


def print_lines(client: Client, request: Logs, *, timestamps: bool = False, as_json: bool = False) -> None:
    """Print until there are no more, or for ever with `follow`: a master that is started again is waited for."""
    names = [] if as_json else [view.id for view in client.ask(Ps(request.workers))]
    style = _Style(names, timestamps)
    for raw in client.lines(request, lost=lambda error: say("the master is away; waiting for it")):
        sys.stdout.write(raw.decode() if as_json else style.format(json.loads(raw)))
        if request.follow:
            sys.stdout.flush()
    sys.stdout.flush()


class _Style:
    def __init__(self, names: list[str], timestamps: bool) -> None:
        self._timestamps = timestamps
        self._several = len(names) > 1
        self._wide = max(map(len, names), default=0)
        self._styles = {name: PALETTE[at % len(PALETTE)] for at, name in enumerate(names)}
        self._colour = colours(sys.stdout)

    def format(self, line: dict[str, Any]) -> str:
        worker, text = line["worker"], line["text"]
        when = f"{_moment(line['at'])} " if self._timestamps else ""
        if not self._several:
            return f"{when}{text}\n"
        prefix = f"{worker:<{self._wide}} |"
        return f"{painted(prefix, self._styles.get(worker, '')) if self._colour else prefix} {when}{text}\n"


def _moment(at: float | None) -> str:
    """Local time to the millisecond, as long when it is unknown."""
    if at is None:
        return f"{'-':<23}"
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.localtime(at))}.{int(at * 1000) % 1000:03d}"
