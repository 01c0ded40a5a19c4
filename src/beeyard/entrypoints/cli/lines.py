"""`beeyard logs`: lines as they come, each under its worker's name when there are several."""

import json
import sys
import time
from typing import Any

from msgspec.structs import replace

from beeyard.application.operations.logs import Logs
from beeyard.application.operations.ps import Ps
from beeyard.domain.errors import BeeyardError
from beeyard.entrypoints.cli.client import Client
from beeyard.entrypoints.cli.screen import colours, painted, say

PALETTE = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94")
"""One for each worker in turn; none is red."""

CAUGHT_UP = 1000
"""Lines asked again after the master was away; those that were shown already are left out."""


def print_lines(client: Client, request: Logs, *, timestamps: bool = False, as_json: bool = False) -> None:
    """Print until there are no more, or for ever with `follow`: a master that is started again is waited for."""
    names = [] if as_json else [view.id for view in client.ask("ps", Ps(request.workers))]
    style = _Style(names, timestamps)
    seen = _Seen()
    while True:
        try:
            for raw in client.stream("logs", request):
                line = json.loads(raw)
                if seen.before(line):
                    continue
                out = raw.decode() if as_json else style.format(line)
                sys.stdout.write(out)
                if request.follow:
                    sys.stdout.flush()
        except BeeyardError as error:
            if not request.follow or error.code not in {"master_gone", "master_away"}:
                raise
        if not request.follow:
            sys.stdout.flush()
            return
        _await_master(client)
        request = replace(request, lines=CAUGHT_UP)
        seen.again()


def _await_master(client: Client) -> None:
    """Raises BeeyardError once it is clear that none comes back."""
    from beeyard.application.operations.info import Info

    say("the master is away; waiting for it")
    time.sleep(0.3)
    client.ask("info", Info())


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


class _Seen:
    """Which lines were shown, for the time after a master was away: by time, and by text within the last moment."""

    def __init__(self) -> None:
        self._latest: dict[str, float] = {}
        self._at_latest: dict[str, list[str]] = {}
        self._shown: dict[str, tuple[float, list[str]]] = {}

    def again(self) -> None:
        """The newest lines come once more."""
        self._shown = {key: (at, list(self._at_latest[key])) for key, at in self._latest.items()}

    def before(self, line: dict[str, Any]) -> bool:
        """Whether this one was shown; one that was not is remembered."""
        key, at, text = f"{line['worker']} {line['stream']}", line["at"], line["text"]
        if at is None:
            return False
        if key in self._shown:
            latest, texts = self._shown[key]
            if at < latest:
                return True
            if at == latest and text in texts:
                texts.remove(text)
                return True
        if at != self._latest.get(key):
            self._latest[key], self._at_latest[key] = at, []
        self._at_latest[key].append(text)
        return False


def _moment(at: float | None) -> str:
    """Local time to the millisecond, as long when it is unknown."""
    if at is None:
        return f"{'-':<23}"
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.localtime(at))}.{int(at * 1000) % 1000:03d}"
