"""How each operation's reply looks, and what exit code it means. One without a face here is printed as JSON."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from beeyard.application.operations.down import DownView
from beeyard.application.operations.info import InfoView
from beeyard.application.operations.probe import ProbeAnswer
from beeyard.application.operations.swap import SwapView
from beeyard.application.operations.why import WhyView
from beeyard.application.views import WorkerDetail, WorkerView
from beeyard.domain.errors import Rejected
from beeyard.entrypoints.cli import ledger, render, sweeping
from beeyard.entrypoints.cli.screen import colours, height, printable, say, show, width
from beeyard.entrypoints.cli.target import Target

Face = Callable[[Target, Any, Any], None]
"""(target, request, reply): print it; raises what the exit code should be."""


def workers(target: Target, request: Any, views: Sequence[WorkerView]) -> None:
    """A table."""
    if views:
        show(render.workers(views, width(sys.stdout), colour=colours(sys.stdout)))
    else:
        say(f"no workers yet: {target.command('add ID -- COMMAND')}")


def info(target: Target, request: Any, view: InfoView) -> None:
    """A line a fact."""
    show(render.info(view, colour=colours(sys.stdout)))


def why(target: Target, request: Any, views: Sequence[WhyView]) -> None:
    """A screen a worker."""
    from beeyard.entrypoints.cli.sheet import Sheet
    from beeyard.entrypoints.cli.strips import alphabet
    from beeyard.entrypoints.cli.why import Why

    usual = (request.story, request.deaths) == (type(request)("").story, type(request)("").deaths)
    tall = height(sys.stdout) if usual else None  # Who asks for more wants to see it.
    sheet = Sheet(time.time(), colour=colours(sys.stdout), width=width(sys.stdout), letters=alphabet())
    show("\n\n\n".join(Why(view, sheet, tall).text() for view in views))


def shown(target: Target, request: Any, views: Sequence[WorkerDetail]) -> None:
    """A screen a worker."""
    from beeyard.entrypoints.cli.detail import Detail

    show("\n\n\n".join(Detail(view, time.time(), colour=colours(sys.stdout)).text() for view in views))


def asked_up(target: Target, request: Any, views: Sequence[WorkerView]) -> None:
    """Workers after they were asked to run. Raises Rejected naming those that do not."""
    workers(target, request, views)
    check_up(target, request, views)


def check_up(target: Target, request: Any, views: Sequence[WorkerView]) -> None:
    """Raises Rejected: `not_started`, or `not_ready` when it was waited for."""
    if not request.wait:
        return
    if dead := [view for view in views if failed(view)]:
        raise not_started(target, dead)
    if late := [view for view in views if not view.ready and view.wanted == "up" and view.state != "stopped"]:
        raise Rejected("not_ready", "not ready in time: {workers}", workers=_named(late), hint=_why(target, late))


def asked_down(target: Target, request: Any, views: Sequence[WorkerView]) -> None:
    """Workers after they were asked to stop. Raises Rejected naming those that still run."""
    workers(target, request, views)
    check_down(target, request, views)


def check_down(target: Target, request: Any, views: Sequence[WorkerView]) -> None:
    """Raises Rejected: `not_stopped`."""
    if request.wait and (late := [view for view in views if view.pid is not None]):
        raise Rejected("not_stopped", "not stopped in time: {workers}", workers=_named(late), hint=_why(target, late))


def probed(target: Target, request: Any, answers: Sequence[ProbeAnswer]) -> None:
    """A line a probe. Raises Rejected naming those that failed."""
    from beeyard.entrypoints.cli.asked import answered

    show("\n".join(answered(answer) for answer in answers))
    check_probed(target, request, answers)


def check_probed(target: Target, request: Any, answers: Sequence[ProbeAnswer]) -> None:
    """Raises Rejected: `probe_failed`."""
    if bad := [f"{answer.worker} ({answer.role})" for answer in answers if answer.ok is False]:
        hint = target.command(f"show {request.worker}")
        raise Rejected("probe_failed", "failed: {probes}", probes=", ".join(bad), hint=hint)


def swapped(target: Target, request: Any, views: Sequence[SwapView]) -> None:
    """A line a worker. Raises Rejected naming those that go on with the code they had."""
    show("\n".join(_swapped(view) for view in views))
    check_swapped(target, request, views)


def check_swapped(target: Target, request: Any, views: Sequence[SwapView]) -> None:
    """Raises Rejected: `not_swapped`."""
    if bad := [view for view in views if view.refused]:
        hint = f"the old code goes on; {target.command(f'logs {bad[0].worker}')} tells more"
        raise Rejected("not_swapped", "not swapped: {workers}", workers=", ".join(one.worker for one in bad), hint=hint)


def _swapped(view: SwapView) -> str:
    if view.refused:
        return f"{view.worker}: {printable(view.refused)}"
    same = view.before == view.code
    return f"{view.worker}: {'made anew of the same code' if same else f'new code, {view.code}'}"


def removed(target: Target, request: Any, names: Sequence[str]) -> None:
    """The names."""
    show("\n".join(f"removed {name}" for name in names))


def check_ended(target: Target, request: Any, view: DownView) -> None:
    """Raises Rejected naming what did not end even when killed."""
    if view.stuck:
        raise Rejected(
            "stuck",
            "{workers} did not end even when killed; the master stays to watch",
            workers=", ".join(view.stuck),
            hint=f"what a device or a network disk holds up ends when that does; {target.command('ps')}",
        )


def failed(view: WorkerView) -> bool:
    """Whether it was wanted up and ended otherwise than well."""
    if view.state == "stopped" and view.wanted == "up":
        return view.exit not in {None, "exit code 0"}
    return view.state in {"backoff", "failed"}


def not_started(target: Target, views: Sequence[WorkerView]) -> Rejected:
    """The error that says so, with each one's note."""
    return Rejected("not_started", "not started: {workers}", workers=_named(views), hint=_why(target, views))


def _named(views: Sequence[WorkerView]) -> str:
    return ", ".join(f"{view.id} ({note})" if (note := render.note(view)) else view.id for view in views)


def _why(target: Target, views: Sequence[WorkerView]) -> str:
    return target.command(f"why {views[0].id}")


def _parcels(name: str) -> Face:
    """A face of packages, loaded when it is shown: `ps` is not to wait for it."""

    def face(target: Target, request: Any, reply: Any) -> None:
        from beeyard.entrypoints.cli import parcels

        getattr(parcels, name)(target, request, reply)

    return face


def _moves(name: str) -> Face:
    """A face of updates, loaded when it is shown."""

    def face(target: Target, request: Any, reply: Any) -> None:
        from beeyard.entrypoints.cli import moves

        getattr(moves, name)(target, request, reply)

    return face


def _rollout(reply: Any) -> str:
    from beeyard.entrypoints.cli import moves

    return moves.line(reply)


FACES: dict[str, Face] = {
    "ps": workers,
    "info": info,
    "why": why,
    "start": asked_up,
    "restart": asked_up,
    "stop": asked_down,
    "add": asked_up,
    "probe": probed,
    "swap": swapped,
    "remove": removed,
    "show": shown,
    "endpoint_list": ledger.endpoints,
    "endpoint_get": ledger.endpoint,
    "orphan_list": sweeping.listed,
    "orphan_remove": sweeping.swept,
    "job_list": ledger.jobs,
    "job_get": ledger.job,
    "job_cancel": ledger.job,
    "token_create": ledger.created,
    "token_list": ledger.tokens,
    "token_link": ledger.link,
    "token_revoke": ledger.revoked,
    "audit_log": ledger.entries,
    "audit_verify": ledger.verified,
    "package_list": _parcels("packages"),
    "package_show": _parcels("detail"),
    "package_search": _parcels("found"),
    "package_install": _parcels("installed"),
    "package_uninstall": _parcels("uninstalled"),
    "package_verify": _parcels("verified"),
    "package_repair": _parcels("repaired"),
    "package_gc": _parcels("reclaimed"),
    "package_history": _parcels("history"),
    "package_why": _parcels("reasons"),
    "package_update": _moves("moved"),
    "package_rollback": _moves("moved"),
    "package_hold": _moves("holds"),
    "package_unhold": _moves("holds"),
    "rollout_pause": _moves("steered"),
    "rollout_resume": _moves("steered"),
    "rollout_abort": _moves("steered"),
}

LINES: dict[str, Callable[[Any], str]] = {
    "events": ledger.happened,
    "job_events": ledger.happened,
    "rollout_status": _rollout,
}
"""One line for each reply of a streaming operation."""

CHECKS: dict[str, Face] = {
    "start": check_up,
    "restart": check_up,
    "add": check_up,
    "probe": check_probed,
    "swap": check_swapped,
    "stop": check_down,
    "down": check_ended,
    "audit_verify": ledger.check_verified,
    "orphan_list": sweeping.check_listed,
    "orphan_remove": sweeping.check_swept,
    "package_verify": _parcels("check_verified"),
    "package_update": _moves("check_moved"),
    "package_rollback": _moves("check_moved"),
}
"""What holds for JSON as well."""
