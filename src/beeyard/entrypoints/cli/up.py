"""`beeyard up`: the worker file read, a master found or started, the file applied, and what came of it told."""

import contextlib
import json
import sys
import time
from collections.abc import Set

import msgspec

from beeyard.application.operations.apply import Applied, Apply
from beeyard.application.operations.down import Down
from beeyard.application.operations.ps import Ps
from beeyard.application.views import WorkerView
from beeyard.domain.errors import BeeyardError
from beeyard.domain.plan import Plan
from beeyard.entrypoints.cli import address, faces, local, plans, render, serving
from beeyard.entrypoints.cli.client import Client
from beeyard.entrypoints.cli.down import down
from beeyard.entrypoints.cli.screen import colours, say, show, width
from beeyard.entrypoints.cli.target import Target
from beeyard.entrypoints.place import command, running, went_down
from beeyard.entrypoints.settings import Settings
from beeyard.launcher.paths import Paths

REST = 30.0
"""Seconds that a detached `up` waits for its workers to be ready or to fail."""

PENDING = 10


def up(paths: Paths, file: str | None, *, detach: bool, dry_run: bool, as_json: bool, reason: str = "") -> int:
    """Returns the exit code. Raises Invalid before anything was started, Rejected when a worker could not start."""
    loaded = local.load(file)
    if dry_run:
        return rehearse(Client(paths) if running(paths) else None, loaded, as_json=as_json)
    started = serving.ensure(paths)
    client = Client(paths, reason=reason)
    try:
        applied: Applied = client.ask(Apply(loaded.workers, loaded.path, loaded.master))
    except BaseException as error:
        if started:
            with contextlib.suppress(BeeyardError):
                if isinstance(error, KeyboardInterrupt) and not detach:
                    down(paths, Down())
                else:
                    serving.undo(paths)
        raise
    if not as_json:
        address.tell(client)
    if started and not detach:
        from beeyard.entrypoints.cli import foreground

        return foreground.follow(client, applied, as_json=as_json)
    if not as_json:
        tell(applied.plan)
        if not started and not detach:
            say(f"the master was running already; {command(paths, 'logs -f')} shows what workers write")
    return conclude(client, applied, loaded, as_json=as_json)


def conclude(client: Client, applied: Applied, loaded: Settings, *, as_json: bool) -> int:
    """Wait until what was applied has come to rest, and show it. Raises Rejected when a worker could not start."""
    paths = client.paths
    mine = {spec.id for spec in loaded.workers}
    views = _at_rest(client, mine)
    if as_json:
        show(_pretty(Applied(applied.plan, views)))
    elif views:
        show(render.workers(views, width(sys.stdout), colour=colours(sys.stdout)))
    if dead := [view for view in views if view.id in mine and faces.failed(view)]:
        raise faces.not_started(Target(paths), dead)
    if late := [view.id for view in views if view.id in mine and not rests(view)]:
        say(f"not ready yet: {', '.join(late)}; {command(paths, 'ps')} shows how it goes on")
    return 0


def tell(plan: Plan) -> None:
    """What was changed."""
    say("nothing to change" if plan.empty else plans.told(plan))


def rehearse(client: Client | None, loaded: Settings, *, as_json: bool) -> int:
    """Show what would change; with no master to ask, all is new. Returns the exit code."""
    if client is not None:
        plan = client.ask(Apply(loaded.workers, loaded.path, loaded.master, dry_run=True)).plan
    else:
        from beeyard.domain.planning import diff

        plan = diff(loaded.workers, (), loaded.path)
    if as_json:
        show(_pretty(plan))
    else:
        show(plans.told(plan) or "no workers")
        say("nothing to change" if plan.empty else "nothing was changed: this was a dry run")
    return 0 if plan.empty else PENDING


def _at_rest(client: Client, mine: Set[str]) -> list[WorkerView]:
    """All workers, once those named are where they were asked to be, or can't get there, or time is over."""
    deadline = time.monotonic() + REST
    pause = 0.02
    while True:
        try:
            views: list[WorkerView] = client.ask(Ps())
        except BeeyardError as error:
            raise went_down(client.paths) or error from None
        moving = [view for view in views if view.id in mine and not rests(view)]
        # One that waits for another that failed has nowhere to go either.
        blocked = all(view.state == "preparing" and view.note for view in moving) and any(map(faces.failed, views))
        if not moving or blocked or time.monotonic() >= deadline:
            return views
        time.sleep(pause)
        pause = min(0.25, pause * 1.5)


def rests(view: WorkerView) -> bool:
    """Whether nothing more will come of what was asked."""
    if view.state == "running":
        return view.ready
    return view.state in {"stopped", "standby", "backoff", "failed"} or (
        view.state == "registered" and view.wanted == "down"
    )


def _pretty(value: object) -> str:
    return json.dumps(msgspec.to_builtins(value), indent=2)
