"""How each operation's reply looks, and what exit code it means. One without a face here is printed as JSON."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from beeyard.application.operations.down import DownView
from beeyard.application.operations.info import InfoView
from beeyard.application.operations.why import WhyView
from beeyard.application.views import WorkerView
from beeyard.domain.errors import Rejected
from beeyard.entrypoints.cli import render
from beeyard.entrypoints.cli.place import command
from beeyard.entrypoints.cli.screen import colours, say, show, width
from beeyard.launcher.paths import Paths

Face = Callable[[Paths, Any, Any], None]
"""(paths, request, reply): print it; raises what the exit code should be."""


def workers(paths: Paths, request: Any, views: Sequence[WorkerView]) -> None:
    """A table."""
    if views:
        show(render.workers(views, width(sys.stdout), colour=colours(sys.stdout)))
    else:
        say(f"no workers yet: {command(paths, 'add ID -- COMMAND')}")


def info(paths: Paths, request: Any, view: InfoView) -> None:
    """A line a fact."""
    show(render.info(view, colour=colours(sys.stdout)))


def why(paths: Paths, request: Any, views: Sequence[WhyView]) -> None:
    """A screen a worker."""
    from beeyard.entrypoints.cli.why import Why

    show("\n\n\n".join(Why(view, time.time(), colour=colours(sys.stdout)).text() for view in views))


def asked_up(paths: Paths, request: Any, views: Sequence[WorkerView]) -> None:
    """Workers after they were asked to run. Raises Rejected naming those that do not."""
    workers(paths, request, views)
    check_up(paths, request, views)


def check_up(paths: Paths, request: Any, views: Sequence[WorkerView]) -> None:
    """Raises Rejected: `not_started`, or `not_ready` when it was waited for."""
    if not request.wait:
        return
    if dead := [view for view in views if failed(view)]:
        raise not_started(paths, dead)
    if late := [view for view in views if not view.ready and view.wanted == "up" and view.state != "stopped"]:
        raise Rejected("not_ready", "not ready in time: {workers}", workers=_named(late), hint=_why(paths, late))


def asked_down(paths: Paths, request: Any, views: Sequence[WorkerView]) -> None:
    """Workers after they were asked to stop. Raises Rejected naming those that still run."""
    workers(paths, request, views)
    check_down(paths, request, views)


def check_down(paths: Paths, request: Any, views: Sequence[WorkerView]) -> None:
    """Raises Rejected: `not_stopped`."""
    if request.wait and (late := [view for view in views if view.pid is not None]):
        raise Rejected("not_stopped", "not stopped in time: {workers}", workers=_named(late), hint=_why(paths, late))


def removed(paths: Paths, request: Any, names: Sequence[str]) -> None:
    """The names."""
    show("\n".join(f"removed {name}" for name in names))


def check_ended(paths: Paths, request: Any, view: DownView) -> None:
    """Raises Rejected naming what did not end even when killed."""
    if view.stuck:
        raise Rejected(
            "stuck",
            "{workers} did not end even when killed; the master stays to watch",
            workers=", ".join(view.stuck),
            hint=f"what a device or a network disk holds up ends when that does; {command(paths, 'ps')}",
        )


def failed(view: WorkerView) -> bool:
    """Whether it was wanted up and ended otherwise than well."""
    if view.state == "stopped" and view.wanted == "up":
        return view.exit not in {None, "exit code 0"}
    return view.state in {"backoff", "failed"}


def not_started(paths: Paths, views: Sequence[WorkerView]) -> Rejected:
    """The error that says so, with each one's note."""
    return Rejected("not_started", "not started: {workers}", workers=_named(views), hint=_why(paths, views))


def _named(views: Sequence[WorkerView]) -> str:
    return ", ".join(f"{view.id} ({note})" if (note := render.note(view)) else view.id for view in views)


def _why(paths: Paths, views: Sequence[WorkerView]) -> str:
    return command(paths, f"why {views[0].id}")


FACES: dict[str, Face] = {
    "ps": workers,
    "info": info,
    "why": why,
    "start": asked_up,
    "restart": asked_up,
    "stop": asked_down,
    "add": asked_up,
    "remove": removed,
}

CHECKS: dict[str, Face] = {
    "start": check_up,
    "restart": check_up,
    "add": check_up,
    "stop": check_down,
    "down": check_ended,
}
"""What holds for JSON as well."""
