"""How `beeyard up` shows workers while they change: on a terminal a table in place, elsewhere a line for a change."""

import contextlib
import sys
from collections.abc import Sequence

import msgspec

from beeyard.application.views import WorkerView
from beeyard.entrypoints.cli import render
from beeyard.entrypoints.cli.screen import colours, say, show

STEPS = 4
"""Lines for one package that comes, where each is written below the other."""


class Page:
    """Where it is shown."""

    as_json = False

    def __init__(self) -> None:
        self._views: dict[str, WorkerView] = {}
        self._addresses = ""

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def living(self) -> list[str]:
        """Workers that have a process."""
        return [view.id for view in self._views.values() if view.pid is not None]

    def update(self, views: Sequence[WorkerView]) -> None:
        """How the workers are now."""
        before, self._views = self._views, {view.id: view for view in views}
        self._draw(before)

    def tell(self, text: str) -> None:
        """A line of talk."""
        say(text)

    def close(self) -> None:
        """Nothing more is shown."""

    def _draw(self, before: dict[str, WorkerView]) -> None:
        raise NotImplementedError


class Changes(Page):
    """A line for each change of a worker; the addresses once all are ready."""

    def _draw(self, before: dict[str, WorkerView]) -> None:
        for name, view in self._views.items():
            if name not in before or _told(before[name]) != _told(view):
                show(msgspec.json.encode(view).decode() if self.as_json else render.change(view))
        for name in before:
            if name not in self._views and not self.as_json:
                show(f"{name}: removed")
        addresses = render.addresses(list(self._views.values()))
        settled = all(view.ready or view.state != "running" for view in self._views.values())
        if addresses and addresses != self._addresses and settled and not self.as_json:
            self._addresses = addresses
            show(addresses)


def _told(view: WorkerView) -> tuple[object, ...]:
    note = view.note if view.state not in {"running", "stopping"} or not view.ready else ""
    return view.state, view.ready, view.pid, note if view.progress is None else int(view.progress * STEPS)


class Live(Page):
    """The table of `ps`, in place."""

    def __init__(self) -> None:
        super().__init__()
        from rich import live
        from rich.console import Console

        self._console = Console()
        self._live = live.Live(console=self._console, auto_refresh=False, transient=False)
        self._drawn = ""

    def __enter__(self) -> "Live":
        self._live.start()
        return self

    def tell(self, text: str) -> None:
        from rich.text import Text

        self._console.print(Text(text))

    def close(self) -> None:
        with contextlib.suppress(OSError):  # The terminal may be what has gone.
            self._live.stop()

    def _draw(self, before: dict[str, WorkerView]) -> None:
        from rich.text import Text

        views = list(self._views.values())
        text = render.workers(views, self._console.width, colour=colours(sys.stdout)) if views else "no workers"
        if text != self._drawn:
            self._drawn = text
            self._live.update(Text.from_ansi(text, no_wrap=True), refresh=True)
