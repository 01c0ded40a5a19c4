"""The faces of what is in no record: a table, and what became of it."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from beeyard.application.operations.orphan_list import OrphansView
from beeyard.application.operations.orphan_remove import Swept
from beeyard.application.views import Orphan
from beeyard.domain.errors import Rejected, Unavailable
from beeyard.domain.values import human_duration
from beeyard.entrypoints.cli.screen import BOLD, Cell, Column, colours, printable, say, show, table, width
from beeyard.entrypoints.cli.target import Target

ORPHANS = (
    Column("NAME"),
    Column("PROVIDER"),
    Column("STATE"),
    Column("SINCE", drop=1),
    Column("ATTEMPT", drop=3),
    Column("WHERE", drop=2),
)


def listed(target: Target, request: Any, view: OrphansView) -> None:
    """A table. Raises as `check_listed` does."""
    if view.orphans:
        show(orphans(view.orphans, width(sys.stdout), colour=colours(sys.stdout)))
    elif not view.unreachable:
        say("no orphans: all that runs is a worker")
    check_listed(target, request, view)


def check_listed(target: Target, request: Any, view: OrphansView) -> None:
    """Raises Unavailable naming the providers that could not be asked."""
    if view.unreachable:
        raise _unasked(view.unreachable)


def swept(target: Target, request: Any, view: Swept) -> None:
    """A line for each. Raises as `check_swept` does."""
    if request.dry_run:
        tell(view, "would go", "would stay")
    else:
        tell(view, "removed", "left")
    check_swept(target, request, view)


def check_swept(target: Target, request: Any, view: Swept) -> None:
    """Raises Rejected for what was to go and is there still, Unavailable for providers that could not be asked."""
    if view.stuck:
        names = ", ".join(f"{one.orphan.worker} ({one.reason})" for one in view.stuck)
        raise Rejected("orphans_stuck", "not removed: {orphans}", orphans=names, hint=target.command("orphan list"))
    if view.unreachable:
        raise _unasked(view.unreachable)


def _unasked(unreachable: Mapping[str, str]) -> Unavailable:
    text = "not asked: {providers}"
    return Unavailable(
        "providers_unreachable", text, providers=", ".join(f"{name} ({why})" for name, why in unreachable.items())
    )


def tell(view: Swept, gone: str, left: str) -> None:
    """A line for each, with these words for what goes and what does not."""
    lines = [f"{gone}: {_named(orphan)}" for orphan in view.removed]
    lines += [f"{left}: {_named(one.orphan)}: {printable(one.reason)}" for one in (*view.young, *view.stuck)]
    if lines:
        show("\n".join(lines))
    else:
        say("no orphans")


def _named(orphan: Orphan) -> str:
    words = filter(None, (orphan.provider, printable(orphan.where), "" if orphan.alive else "ended"))
    return f"{printable(orphan.worker)} ({', '.join(words)})"


def orphans(
    found: Sequence[Orphan], limit: int | None = None, *, colour: bool = False, now: float | None = None
) -> str:
    """One line an orphan. `now`: wall-clock seconds."""
    now = time.time() if now is None else now
    rows = [
        [
            Cell(printable(orphan.worker), BOLD),
            Cell(orphan.provider),
            Cell("running" if orphan.alive else "ended"),
            Cell(human_duration(max(0.0, now - orphan.since))),
            Cell(str(orphan.attempt)),
            Cell(printable(orphan.where)),
        ]
        for orphan in found
    ]
    return table(ORPHANS, rows, limit, colour=colour)
