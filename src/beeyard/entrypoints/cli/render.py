"""Workers, masters and errors as text for people. Each function returns the text and prints nothing."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from beeyard.application.operations.info import InfoView, PackagesView
from beeyard.application.views import WorkerView
from beeyard.domain.errors import BeeyardError, Invalid
from beeyard.domain.values import human_duration, human_memory
from beeyard.entrypoints.cli.screen import BOLD, DIM, GREEN, RED, YELLOW, Cell, Column, painted, printable, table

COLUMNS = (
    Column("NAME"),
    Column("STATE"),
    Column("READY", drop=7),
    Column("HEALTH", drop=1),
    Column("PID", drop=5),
    Column("UPTIME", drop=3),
    Column("RESTARTS", drop=4),
    Column("ENDPOINT", drop=6),
    Column("NOTE", drop=8),
)

STYLES = {"running": GREEN, "backoff": YELLOW, "failed": RED, "stopped": DIM, "standby": DIM, "registered": DIM}


def workers(
    views: Sequence[WorkerView], limit: int | None = None, *, colour: bool = False, now: float | None = None
) -> str:
    """One line a worker. `now`: wall-clock seconds."""
    now = time.time() if now is None else now
    return table(COLUMNS, [_row(view, now) for view in views], limit, colour=colour)


def _row(view: WorkerView, now: float) -> list[Cell]:
    running = view.state == "running"
    health = {"unknown": "-", "unhealthy": "unhealthy"}.get(view.health, view.health)
    return [
        Cell(view.id, BOLD),
        Cell(view.state, style_of(view)),
        Cell("yes" if view.ready else "no", "" if view.ready or not running else YELLOW),
        Cell(health, {"unhealthy": RED, "degraded": YELLOW}.get(view.health, "")),
        Cell("-" if view.pid is None else str(view.pid)),
        Cell("-" if view.since is None else human_duration(max(0.0, now - view.since))),
        Cell(str(view.restarts), YELLOW if view.restarts else ""),
        Cell(" ".join(view.endpoints.values()) or "-"),
        Cell(note(view), DIM),
    ]


def style_of(view: WorkerView) -> str:
    """The colour of a worker's state: one that runs and is not ready yet is no good news."""
    return YELLOW if view.state == "running" and not view.ready else STYLES.get(view.state, "")


def note(view: WorkerView) -> str:
    """Why it is as it is; for one that does not run, how it ended."""
    parts = [view.note]
    if view.state in {"backoff", "failed", "stopped"} and view.exit:
        parts.insert(0, view.exit)
    return printable("; ".join(part for part in parts if part))


def change(view: WorkerView) -> str:
    """One worker in one line, for those who follow what happens: `web.1: running, ready (pid 123)`."""
    if view.state == "running":
        ready = "ready" if view.ready else "not ready yet"
        why = f": {note(view)}" if view.note and not view.ready else ""
        pid = f" (pid {view.pid})" if view.pid is not None else ""
        return f"{view.id}: running, {ready}{pid}{why}"
    why = f": {note(view)}" if note(view) else ""
    return f"{view.id}: {view.state}{why}"


_FORMS = {
    "beeyard": "Beeyard's own form",
    "older": "older form (unit/control); `beeyard config convert` writes Beeyard's own",
    "both": "both forms: Beeyard's own and the older one (unit/control); `beeyard config convert` writes the first",
}


def checked(found: Mapping[str, Any]) -> str:
    """What a worker file without problems holds."""
    count = len(found["workers"])
    lines = [f"{found['file']}: ok, {count} worker{'' if count == 1 else 's'}"]
    lines += [f"{file}: {_FORMS[form]}" for file, form in found["forms"].items()]
    wide = max((len(worker["id"]) for worker in found["workers"]), default=0)
    for worker in found["workers"]:
        words = [worker["provider"], *([] if worker["enabled"] else ["not enabled"]), *worker["endpoints"].values()]
        lines.append(f"  {worker['id']:<{wide}}  {'  '.join(words)}")
    return "\n".join(lines)


def addresses(views: Sequence[WorkerView]) -> str:
    """Where ready workers are reached; empty when no worker has an endpoint."""
    rows = [(f"{view.id} {name}", url) for view in views if view.ready for name, url in view.endpoints.items()]
    wide = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name:<{wide}}  {url}" for name, url in rows)


def info(view: InfoView, *, colour: bool = False) -> str:
    """One master, one line a fact."""
    rows = {
        "version": view.version,
        "host": view.host,
        "state": view.state_dir,
        "socket": view.socket,
        "url": view.url or "none: the socket only",
        "master": f"pid {view.master_pid}",
        "launcher": "not connected" if view.launcher_pid is None else f"pid {view.launcher_pid}",
        "log pump": "not running" if view.pump_pid is None else f"pid {view.pump_pid}",
        "workers": str(view.workers),
        "store": view.store,
    }
    if view.network not in {"", "ok", "off"}:
        rows["network"] = view.network
    for provider, able in view.capabilities.items():
        words = (f"{name.replace('_', ' ')} {_yes(value)}" for name, value in able.items())
        rows[provider] = ", ".join(words)
    if view.memory is not None:
        rows["memory"] = f"{human_memory(view.memory)}, the master with all that runs within it"
    if (modules := view.modules).running:
        rows["modules"] = f"{modules.running} running; tasks: {modules.tasks}, threads: {modules.threads}"
    if (packages := view.packages).installed or packages.repositories:
        rows["packages"] = _packages(packages)
    if view.orphans:
        rows["orphans"] = ", ".join(view.orphans)
    bad = {name for name in ("store", "launcher", "log pump") if rows[name][:3] not in {"ok", "pid"}}
    bad |= {"orphans", "network", *(["packages"] if packages.damaged else [])}
    return "\n".join(
        f"{painted(f'{name:<10}', DIM) if colour else f'{name:<10}'} "
        f"{painted(text, YELLOW) if colour and name in bad else text}"
        for name, text in rows.items()
    )


def _packages(view: PackagesView) -> str:
    """`3 installed, damaged: caddy 2.11.4; from main, dev (unsigned)`."""
    damaged = f", damaged: {', '.join(view.damaged)}" if view.damaged else ""
    unsigned = {"unsigned": " (unsigned)"}
    places = ", ".join(f"{one.name}{unsigned.get(one.trust, '')}" for one in view.repositories)
    return f"{view.installed} installed{damaged}; from {places or 'no repository any more'}"


def _yes(value: str | bool) -> str:
    return value if isinstance(value, str) else "yes" if value else "no"


def error(problem: BeeyardError, *, colour: bool = False) -> str:
    """`error: what is wrong` and `hint: what to do`; problems of a file in lines of their own, by FILE:LINE."""
    red = (lambda text: painted(text, RED)) if colour else str
    lines = []
    if isinstance(problem, Invalid) and problem.problems:
        lines += [str(found) for found in problem.problems]
    text = str(problem)
    if lines and lines[0] in text:
        text = f"{len(lines)} problem{'s' if len(lines) > 1 else ''}; nothing was changed"
    lines.append(f"{red('error:')} {text}")
    if problem.hint:
        lines.append(f"{painted('hint:', DIM) if colour else 'hint:'} {problem.hint}")
    return "\n".join(lines)
