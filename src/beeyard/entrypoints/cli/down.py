"""`beeyard down`: everything ended, and nothing left of it: workers, master, launcher, pump."""

import threading

from beeyard.application.operations.down import Down, DownView
from beeyard.application.operations.ps import Ps
from beeyard.domain.errors import BeeyardError
from beeyard.entrypoints.cli import serving
from beeyard.entrypoints.cli.client import Client
from beeyard.entrypoints.cli.faces import check_ended
from beeyard.entrypoints.cli.screen import say
from beeyard.entrypoints.cli.target import Target
from beeyard.entrypoints.place import running
from beeyard.launcher.paths import Paths

TELL = 1.0
"""Seconds between two looks at who is still stopping."""


def down(paths: Paths, request: Down, reason: str = "") -> DownView | None:
    """Returns what ended; None when nothing ran.

    Raises:
        Rejected: `stuck`, when a worker did not end even when killed; then the master stays.
        Unavailable: the master does not serve while workers run, or something did not end in time.
    """
    if not running(paths):
        return None
    client = Client(paths, reason=reason)
    try:
        view = _ask(client, request)
    except BeeyardError as error:
        if error.exit == 8 or error.code in {"master_silent", "master_differs"}:
            raise
        if running(paths).get("launcher") is None or not serving.quit_launcher(paths):
            raise serving.unserved(paths, error) from None
        view = DownView(0, [])
    check_ended(Target(paths), request, view)
    serving.await_end(paths)
    return view


def down_from_afar(target: Target, request: Down, reason: str = "") -> DownView:
    """The same for a master at a URL: its host is not ours to look at. Raises Rejected likewise."""
    view = target.client(reason).ask(request)
    check_ended(target, request, view)
    return view


def ended(view: DownView | None, state: str) -> str:
    """What was ended, in one line."""
    if view is None:
        return f"nothing to end: no master serves {state}"
    count = f"{view.ended} worker{'' if view.ended == 1 else 's'}"
    left = f"; let go, and running on: {', '.join(view.left)}" if view.left else ""
    return f"{count} ended, and the master of {state}{left}"


def _ask(client: Client, request: Down) -> DownView:
    """Ask in a thread, and tell meanwhile which workers are still stopping."""
    answers: list[DownView] = []
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            answers.append(client.ask(request))
        except BaseException as error:
            errors.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    said = ""
    asking.join(TELL)
    while asking.is_alive():
        said = _progress(client, said)
        asking.join(TELL)
    if errors:
        raise errors[0]
    return answers[0]


def _progress(client: Client, said: str) -> str:
    try:
        views = Client(client.paths, returning=0.0).ask(Ps())
    except BeeyardError:
        return said
    left = [view.id for view in views if view.pid is not None]
    text = f"still stopping: {', '.join(left[:8])}{' and others' if len(left) > 8 else ''}"
    if left and text != said:
        say(text)
    return text
