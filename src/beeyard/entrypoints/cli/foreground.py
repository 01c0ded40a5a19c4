"""`beeyard up` in the foreground: shows what happens until someone ends it, and then ends all.

On a terminal a table that changes in place; elsewhere a line for each change. Ctrl-C and SIGTERM go down; SIGHUP, the
terminal gone, leaves everything running. A master that dies meanwhile is no reason to go: the launcher starts another.
"""

import contextlib
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

import msgspec

from beeyard.application.operations.apply import Applied
from beeyard.application.operations.down import Down, DownView
from beeyard.application.operations.ps import Ps
from beeyard.domain.errors import BeeyardError
from beeyard.entrypoints.cli import plans, serving
from beeyard.entrypoints.cli.client import Client
from beeyard.entrypoints.cli.down import ended
from beeyard.entrypoints.cli.faces import check_ended
from beeyard.entrypoints.cli.pages import Changes, Live, Page
from beeyard.entrypoints.cli.screen import say, show
from beeyard.entrypoints.cli.target import Target
from beeyard.entrypoints.place import command, running, went_down

LOOK = 0.25
"""Seconds between two looks."""
GONE = 1.0
"""Seconds without any of our processes after which someone else went down, and none is being started again."""

TWICE = 2
"""Looks in vain before it is worth a word: one may fall into the moment when all goes down together."""


def follow(client: Client, applied: Applied, *, as_json: bool) -> int:
    """Until someone goes down. Returns the exit code.

    Raises:
        Rejected: `exit_on`, when a worker took everything down with it.
        BeeyardError: what keeps `down` from ending.
    """
    page: Page = Changes() if as_json or not sys.stdout.isatty() else Live()
    page.as_json = as_json
    if as_json:
        show(msgspec.json.encode(applied).decode())
    elif not applied.plan.empty:
        say(plans.told(applied.plan))
    say(f"Ctrl-C ends the workers and the master; {command(client.paths, 'logs -f')} shows what workers write")
    with _Signals() as told, page:
        page.update(applied.workers)
        return _Foreground(client, page, told).run()


class _Signals:
    """Counts what was sent, instead of being interrupted by it."""

    def __init__(self) -> None:
        self.stop = 0
        self.hangup = False
        self.come = threading.Event()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "_Signals":
        for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._before[signo] = signal.signal(signo, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for signo, handler in self._before.items():
            signal.signal(signo, handler)

    def _note(self, signo: int, frame: FrameType | None) -> None:
        if signo == signal.SIGHUP:
            self.hangup = True
        else:
            self.stop += 1
        self.come.set()

    def wait(self, seconds: float) -> None:
        """Until something was sent, or time is over."""
        self.come.wait(seconds)
        self.come.clear()


class _Foreground:
    """One loop: look, show, sleep; from the first Ctrl-C on while `down` is being asked beside it."""

    def __init__(self, client: Client, page: "Page", told: _Signals) -> None:
        self._client = client
        self._paths = client.paths
        self._looking = Client(client.paths, returning=0.0)
        self._page = page
        self._told = told
        self._away = 0
        self._gone = 0.0
        self._stopping: _Asking | None = None
        self._answered = 0

    def run(self) -> int:
        while True:
            if self._told.hangup:
                return 0
            if self._told.stop > self._answered:
                self._answered = self._told.stop
                self._stop()
            if self._stopping is not None and not self._stopping.is_alive():
                return self._finish(self._stopping)
            begun = time.monotonic()
            if self._look() and self._stopping is None:
                if (why := went_down(self._paths)) is not None:
                    raise why
                self._page.tell("everything is down: someone else asked for it")
                return 0
            # With very many workers a look is work: a fifth of the time at most.
            self._told.wait(max(LOOK, 4 * (time.monotonic() - begun)))

    def _look(self) -> bool:
        """Show how the workers are. Returns whether all of Beeyard is gone."""
        try:
            self._page.update(self._looking.ask(Ps()))
        except BeeyardError as error:
            now = time.monotonic()
            if not running(self._paths):
                self._gone = self._gone or now
                return now - self._gone >= GONE
            self._gone = 0.0
            self._away += 1
            if self._away == TWICE and self._stopping is None:
                self._page.tell(f"{error}; workers go on")
            return False
        if self._away >= TWICE and self._stopping is None:
            self._page.tell("the master answers again")
        self._away, self._gone = 0, 0.0
        return False

    def _stop(self) -> None:
        if self._stopping is None:
            self._page.tell("stopping; workers that others depend on end last")
            self._stopping = _Asking(self._client)
            self._stopping.start()
            return
        left = ", ".join(self._page.living()) or "the master"
        force = command(self._paths, "down --timeout 0s")
        self._page.tell(f"still stopping: {left}; to kill at once, in another terminal: {force}")

    def _finish(self, asking: "_Asking") -> int:
        if asking.error is not None:
            if running(self._paths):
                raise asking.error
            self._page.tell("everything is down")
            return 0
        assert asking.view is not None
        check_ended(Target(self._paths), None, asking.view)
        with contextlib.suppress(BeeyardError):
            self._page.update(self._looking.ask(Ps()))
        serving.await_end(self._paths)
        self._page.close()
        self._page.tell(ended(asking.view, self._paths.state))
        return 0


class _Asking(threading.Thread):
    """`down`, asked beside the loop."""

    def __init__(self, client: Client) -> None:
        super().__init__(daemon=True)
        self._client = client
        self.view: DownView | None = None
        self.error: BeeyardError | None = None

    def run(self) -> None:
        try:
            self.view = self._client.ask(Down())
        except BeeyardError as error:
            self.error = error
