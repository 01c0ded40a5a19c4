"""`beeyard up`: the worker file read, a master found or started, the file applied, and what came of it told."""

import contextlib
import json
import sys
import time
from collections.abc import Sequence

import msgspec

from beeyard.application.operations.apply import Applied, Apply
from beeyard.application.operations.down import Down
from beeyard.application.operations.ps import Ps
from beeyard.application.views import WorkerView
from beeyard.domain.errors import BeeyardError
from beeyard.domain.plan import Plan
from beeyard.domain.spec import WorkerSpec
from beeyard.entrypoints.cli import address, faces, local, render, serving
from beeyard.entrypoints.cli.client import Client
from beeyard.entrypoints.cli.down import down
from beeyard.entrypoints.cli.screen import say, show
from beeyard.entrypoints.cli.target import Target
from beeyard.entrypoints.place import command, running
from beeyard.launcher.paths import Paths

REST = 30.0
"""Seconds that a detached `up` waits for its workers to be ready or to fail."""

PENDING = 10


def up(paths: Paths, file: str | None, *, detach: bool, dry_run: bool, as_json: bool, reason: str = "") -> int:
    """Returns the exit code. Raises Invalid before anything was started, Rejected when a worker could not start."""
    loaded = local.load(file)
    specs, origin = loaded.workers, loaded.path
    if dry_run:
        return _rehearse(paths, specs, origin, as_json)
    started = serving.ensure(paths)
    client = Client(paths, reason=reason)
    try:
        applied: Applied = client.ask(Apply(specs, origin, loaded.master))
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
    views = _at_rest(client, [spec.id for spec in specs])
    if as_json:
        show(_pretty(Applied(applied.plan, views)))
    else:
        tell(applied.plan, views)
        if not started:
            say(f"the master was running already; {command(paths, 'logs -f')} shows what workers write")
    mine = {spec.id for spec in specs}
    if dead := [view for view in views if view.id in mine and faces.failed(view)]:
        raise faces.not_started(Target(paths), dead)
    if late := [view.id for view in views if view.id in mine and not rests(view)]:
        say(f"not ready yet: {', '.join(late)}; {command(paths, 'ps')} shows how it goes on")
    return 0


def tell(plan: Plan, views: Sequence[WorkerView]) -> None:
    """What was changed, all workers, and where they are reached."""
    from beeyard.entrypoints.cli.screen import colours, width

    say("nothing to change" if plan.empty else render.plan(plan))
    if views:
        show(render.workers(views, width(sys.stdout), colour=colours(sys.stdout)))


def _rehearse(paths: Paths, specs: list[WorkerSpec], origin: str, as_json: bool) -> int:
    client = Client(paths)
    if running(paths):
        plan = client.ask(Apply(specs, origin, dry_run=True)).plan
    else:
        plan = Plan(add=tuple(spec.id for spec in specs))
    if as_json:
        show(_pretty(plan))
    else:
        show(render.plan(plan) or "no workers")
        say("nothing to do" if plan.empty else "nothing was changed: this was a dry run")
    return 0 if plan.empty else PENDING


def _at_rest(client: Client, names: Sequence[str]) -> list[WorkerView]:
    """All workers, once those named are where they were asked to be, or can't get there, or time is over."""
    mine = set(names)
    deadline = time.monotonic() + REST
    pause = 0.02
    while True:
        views: list[WorkerView] = client.ask(Ps())
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
    return view.state in {"stopped", "backoff", "failed"} or (view.state == "registered" and view.wanted == "down")


def _pretty(value: object) -> str:
    return json.dumps(msgspec.to_builtins(value), indent=2)
