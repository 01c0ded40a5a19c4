"""The faces of updates and rollouts: a line each. Data on standard output, talk beside it."""

from collections.abc import Sequence
from typing import Any

from beeyard.application.packages.moves import Move, RolloutView, VersionView
from beeyard.domain.course import OVER
from beeyard.domain.errors import Refused
from beeyard.entrypoints.cli.screen import printable, say, show
from beeyard.entrypoints.cli.target import Target


def moved(target: Target, request: Any, moves: Sequence[Move]) -> None:
    """A line a group, and how to follow it."""
    for one in moves:
        if one.error:
            show(f"{one.group}: {one.package} {one.source} stays: {printable(one.why)}")
        elif one.why:
            show(f"{one.group}: {one.package} {one.source} stays, not {one.target}: {printable(one.why)}")
        else:
            show(f"{one.group}: {one.package} {one.source} -> {one.target}")
    if getattr(request, "dry_run", False):
        say("nothing was done")
    elif any(not one.why for one in moves):
        say(target.command("rollout status --follow"))
    check_moved(target, request, moves)


def check_moved(target: Target, request: Any, moves: Sequence[Move]) -> None:
    """Raises Refused: `not_all_moved`."""
    if stay := [one.group for one in moves if one.error]:
        text, hint = "not all went: {groups} could not", "mend that, and give the same command once more"
        raise Refused("not_all_moved", text, groups=", ".join(stay), hint=hint)


def steered(target: Target, request: Any, view: RolloutView) -> None:
    """A line."""
    show(line(view))


def holds(target: Target, request: Any, names: Sequence[str]) -> None:
    """What is on hold now."""
    show("\n".join(names)) if names else say("nothing is on hold")


def line(view: RolloutView) -> str:
    """How it is with one group: which version goes where, how far it is, and what it waits for, or why it ended; on the
    way also how each of the two is doing, and who is on standby."""
    to = view.source if view.stage in ("returning", "returned") else view.target
    came = view.target if to == view.source else view.source
    text = f"{view.group}: {view.package} {came} -> {to}: {view.stage}"
    if view.stage == "moving":
        text += f" {len(view.moved)}/{len(view.members)}"
    if view.stage not in OVER and view.gate:
        text += f": waits for {view.gate}" if not view.paused else f": {view.gate}"
    if view.reason:
        text += f": {view.reason}"
    lines = [f"{text}; on hold: {view.held}" if view.held else text]
    if view.stage not in OVER:
        lines += [f"  {_version(one)}" for one in view.versions]
    if view.standby:
        lines.append(f"  on standby: {', '.join(view.standby)}")
    return "\n".join(map(printable, lines))


def _version(view: VersionView) -> str:
    """`2.0: web.3, web.4, 2 ready, 0 restarts, figure 0.1`."""
    if not view.workers:
        return f"{view.version}: nobody runs it"
    figure = "" if view.figure is None else f", figure {view.figure:g}"
    restarts = f"{view.restarts} restart{'' if view.restarts == 1 else 's'}"
    return f"{view.version}: {', '.join(view.workers)}: {view.ready} ready, {restarts}{figure}"
