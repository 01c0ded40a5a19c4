"""The faces of packages: what is installed, what there is, what was mended. Data on standard output, talk beside it."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from beeyard.application.operations.package_gc import Freed
from beeyard.application.operations.package_install import Installation
from beeyard.application.operations.package_repair import Repaired
from beeyard.application.operations.package_search import Found
from beeyard.application.operations.package_show import PackageDetail
from beeyard.application.operations.package_views import PackageView
from beeyard.application.operations.package_why import Reasons
from beeyard.domain.errors import Untrusted
from beeyard.domain.packages import Check
from beeyard.domain.values import human_duration, human_memory
from beeyard.entrypoints.cli.screen import (
    BOLD,
    DIM,
    GREEN,
    RED,
    YELLOW,
    Cell,
    Column,
    colours,
    printable,
    say,
    show,
    table,
    width,
)
from beeyard.entrypoints.cli.target import Target
from beeyard.entrypoints.cli.trust import AS_IT_WAS, LOOKED, SIGNED, TRUSTED
from beeyard.ports.journal import Entry
from beeyard.ports.package_store import Damage

PACKAGES = (
    Column("NAME"),
    Column("VERSION"),
    Column("STATE"),
    Column("TRUST"),
    Column("FROM", drop=3),
    Column("SIZE", drop=2),
    Column("AGE", drop=1),
    Column("WORKERS", drop=4),
)
BUILDS = (
    Column("VERSION"),
    Column("PLATFORM", drop=2),
    Column("CHANNELS", drop=3),
    Column("SIZE", drop=1),
    Column("NOTE"),
)
FOUND = (Column("NAME"), Column("REPOSITORY"), Column("INSTALLED"))
STYLES = {"installed": GREEN, "corrupted": RED}
KEPT = "what somebody needs or installed, the newest versions, and what came in the last hour stays"
MOST = 5
"""Damaged files of a package that are told."""
HURT = {
    "mode": "has another mode",
    "link": "leads elsewhere",
    "kind": "is of another kind",
    "extra": "does not belong there",
}
"""What is wrong with one, where one word does not say it."""


def packages(target: Target, request: Any, views: Sequence[PackageView]) -> None:
    """A table."""
    if views:
        rows = [_row(view, time.time()) for view in views]
        show(table(PACKAGES, rows, width(sys.stdout), colour=colours(sys.stdout)))
    else:
        say(f"no packages: {target.command('package install NAME')}, or `package:` in a worker file")


def installed(target: Target, request: Any, made: Installation) -> None:
    """A table, and what had to be brought for it."""
    packages(target, request, made.packages)
    if made.joined:
        say(f"joined an install that was under way: {', '.join(made.joined)}")
    if made.fresh:
        say(f"installed {', '.join(made.fresh)}")
    elif not made.joined:
        say("nothing to do: all of it was there")


def detail(target: Target, request: Any, view: PackageDetail) -> None:
    """What is here, what there is, how it goes; or only the papers that were asked for, as they are."""
    if request.sbom or request.provenance:
        show("\n".join(paper.rstrip("\n") for paper in (view.sbom, view.provenance) if paper))
        return
    colour = colours(sys.stdout)
    parts = []
    if view.installed:
        parts.append(table(PACKAGES, [_row(one, time.time()) for one in view.installed], None, colour=colour))
        parts += [f"{one.version}: {one.path}" for one in view.installed]
        parts += [f"{one.version}: {_checked(one.check)}" for one in view.installed if one.check]
        parts += [f"{one.version}: {_hurt(one.damage)}" for one in view.installed if one.damage]
    else:
        parts.append(f"{view.name} is not installed")
    if view.status is not None and view.status.state != "installed":
        status, ago = view.status, human_duration(time.time() - view.status.since)
        how = f"{status}: {status.state}: {status.progress:.0%}"
        parts.append(f"the last try failed, {ago} ago: {printable(status.error)}" if status.state == "failed" else how)
    if view.available:
        rows = [
            [
                Cell(one.version, BOLD),
                Cell(one.platform),
                Cell(" ".join(one.channels) or "-"),
                Cell(human_memory(one.size) if one.size else "-"),
                Cell(f"yanked: {printable(one.yanked)}" if one.yanked else "", YELLOW),
            ]
            for one in view.available
        ]
        parts.append(f"in {view.available[0].repository}, {TRUSTED[view.available[0].trust]}{_said(view.as_of)}:")
        parts.append(table(BUILDS, rows, width(sys.stdout), colour=colour))
        if view.as_of is not None:
            parts.append(f"nothing newer is known: {printable(view.unknown)}")
    elif view.unknown:
        parts.append(f"what else there is is not known: {printable(view.unknown)}")
    show("\n".join(parts))


def found(target: Target, request: Any, views: Sequence[Found]) -> None:
    """A table."""
    if views:
        rows = [[Cell(one.name, BOLD), Cell(one.repository), Cell(one.installed or "-")] for one in views]
        show(table(FOUND, rows, width(sys.stdout), colour=colours(sys.stdout)))
        for name, as_of, unknown in dict.fromkeys((one.repository, one.as_of, one.unknown) for one in views):
            if as_of is not None:
                say(f"{name}{_said(as_of)}; nothing newer is known: {printable(unknown)}")
    else:
        say("no such package in any repository; `package_manager:` of the worker file names them")


def uninstalled(target: Target, request: Any, names: Sequence[str]) -> None:
    """The names."""
    show("\n".join(f"uninstalled {name}" for name in names))


def verified(target: Target, request: Any, views: Sequence[PackageView]) -> None:
    """A line a package. Raises Untrusted naming those that are not as they were signed."""
    if not views:
        say("no packages")
    for view in views:
        sound = LOOKED[request.depth].format(whole=AS_IT_WAS[view.trust])
        papers = f"; {' and '.join(view.papers) or 'no papers'}" if request.papers else ""
        show(f"{view.name} {view.version}: {_hurt(view.damage) if view.damage else sound}{papers}")
    check_verified(target, request, views)


def check_verified(target: Target, request: Any, views: Sequence[PackageView]) -> None:
    """Raises Untrusted: `package_damaged`."""
    if hurt := [f"{view.name} {view.version}" for view in views if view.damage]:
        text, hint = "not as signed: {packages}", target.command("package repair")
        raise Untrusted("package_damaged", text, packages=", ".join(hurt), hint=hint)


def repaired(target: Target, request: Any, found: Sequence[Repaired]) -> None:
    """A line a package."""
    if not found:
        say("no packages")
    for one in found:
        show(f"{one.package}: {f'mended: {_hurt(one.damage)}' if one.damage else 'nothing to mend'}")
    if old := sorted({name for one in found for name in one.workers}):
        verb = "have" if len(old) > 1 else "has"
        say(f"{', '.join(old)} still {verb} the old files: {target.command('restart ' + ' '.join(old))}")


def reclaimed(target: Target, request: Any, freed: Freed) -> None:
    """A line a package, and the bytes."""
    for name in freed.packages:
        show(name)
    verb = "would be removed" if request.dry_run else "removed"
    count = f"{len(freed.packages)} package{'' if len(freed.packages) == 1 else 's'}"
    if freed.packages:
        say(f"{verb}: {count}, {human_memory(freed.size)}")
    else:
        say(f"nothing to remove: {KEPT}")


def history(target: Target, request: Any, entries: Sequence[Entry]) -> None:
    """A table."""
    from beeyard.entrypoints.cli import records

    if entries:
        show(records.journal(entries, width(sys.stdout), colour=colours(sys.stdout)))
    else:
        say("nothing was done to packages yet")


def reasons(target: Target, request: Any, why: Reasons) -> None:
    """A line a reason."""
    there = f"{why.package} {', '.join(why.installed)}" if why.installed else f"{why.package} is not installed"
    show(there)
    for text in why.held:
        show(f"  {printable(text)}")
    for way in why.ways:
        range = way.range.removeprefix("==")
        show(f"  {' needs '.join(way.chain)} needs {why.package}{f' {range}' if range else ''}")
    if not why.held and not why.ways:
        say(f"nothing needs it: {target.command('package gc')} takes it in time")


def _row(view: PackageView, now: float) -> list[Cell]:
    return [
        Cell(view.name, BOLD),
        Cell(f"{view.version} ({', '.join(view.channels)})" if view.channels else view.version),
        Cell(view.state, STYLES.get(view.state, "")),
        Cell(TRUSTED[view.trust], "" if view.trust in SIGNED else YELLOW),
        Cell(view.repository),
        Cell(human_memory(view.size)),
        Cell(human_duration(max(0.0, now - view.installed_at))),
        Cell(" ".join(view.workers) or (printable(view.held) or "-"), DIM if not view.workers else ""),
    ]


def _said(as_of: float | None) -> str:
    return "" if as_of is None else f", as it was {human_duration(max(0.0, time.time() - as_of))} ago"


def _checked(check: Check) -> str:
    return f"checked when it was installed: `{printable(' '.join(check.command))}` printed {printable(check.prints)}"


def _hurt(damage: Sequence[Damage]) -> str:
    told = "; ".join(
        f"{'all of it' if one.path == '.' else printable(one.path)} {HURT.get(one.what, one.what)}"
        for one in damage[:MOST]
    )
    return told + (f"; and {len(damage) - MOST} more" if len(damage) > MOST else "")
