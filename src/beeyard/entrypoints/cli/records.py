"""Jobs, tokens and the journal as tables, events as lines. Each function returns the text and prints nothing."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from beeyard.application.operations.token_list import TokenView
from beeyard.application.views import Event, JobView, WorkerEvent
from beeyard.domain.access import Grant
from beeyard.domain.values import human_duration
from beeyard.entrypoints.cli.render import change, style_of
from beeyard.entrypoints.cli.screen import BOLD, DIM, GREEN, RED, YELLOW, Cell, Column, painted, printable, table
from beeyard.ports.journal import Entry, Verdict
from beeyard.sdk.endpoints import EndpointView

JOBS = (
    Column("JOB"),
    Column("WHAT"),
    Column("STATE"),
    Column("BEGAN", drop=2),
    Column("TOOK", drop=1),
    Column("BY", drop=3),
    Column("ABOUT", drop=4),
)
TOKENS = (
    Column("ID"),
    Column("NAME"),
    Column("KIND", drop=2),
    Column("MAY"),
    Column("EXPIRES"),
    Column("USED", drop=1),
    Column("MADE BY", drop=3),
)
ENDPOINTS = (
    Column("WORKER"),
    Column("NAME"),
    Column("PROTOCOL"),
    Column("ADDRESS"),
    Column("SINCE", drop=2),
    Column("FROM", drop=1),
)
SOURCES = {"file": "worker file", "module": "its module"}
ENTRIES = (
    Column("NO"),
    Column("WHEN"),
    Column("WHO"),
    Column("FROM", drop=1),
    Column("WHAT"),
    Column("OUTCOME"),
    Column("WHY", drop=2),
)
STATES = {"running": YELLOW, "accepted": YELLOW, "done": GREEN, "failed": RED, "cancelled": DIM}


def jobs(views: Sequence[JobView], limit: int | None = None, *, colour: bool = False, now: float | None = None) -> str:
    """One line a job. `now`: wall-clock seconds."""
    now = time.time() if now is None else now
    rows = [
        [
            Cell(view.id, BOLD),
            Cell(view.operation.replace("_", " ")),
            Cell(view.state, STATES.get(view.state, "")),
            Cell(moment(view.at)),
            Cell(human_duration(max(0.0, (now if view.ended is None else view.ended) - view.at))),
            Cell(printable(view.by)),
            Cell(_about(view)),
        ]
        for view in views
    ]
    return table(JOBS, rows, limit, colour=colour)


def job(view: JobView, *, colour: bool = False) -> str:
    """One job, a line a fact."""
    rows = {
        "job": view.id,
        "what": view.operation.replace("_", " "),
        "state": view.state,
        "workers": ", ".join(view.workers or []),
        "by": view.by,
        "why": view.reason,
        "began": moment(view.at),
        "ended": "" if view.ended is None else moment(view.ended),
    }
    if view.error is not None:
        rows |= {"error": str(view.error.get("detail", "")), "hint": str(view.error.get("hint", ""))}
    elif view.result is not None:
        rows["result"] = msgspec.json.encode(view.result).decode()
    return "\n".join(
        f"{painted(f'{name:<8}', DIM) if colour else f'{name:<8}'} {printable(text)}"
        for name, text in rows.items()
        if text
    )


def tokens(
    views: Sequence[TokenView], limit: int | None = None, *, colour: bool = False, now: float | None = None
) -> str:
    """One line a token. `now`: wall-clock seconds."""
    now = time.time() if now is None else now
    rows = [
        [
            Cell(view.id),
            Cell(printable(view.name), BOLD),
            Cell(view.kind),
            Cell(allowed(view.grant)),
            Cell("never" if view.expires is None else f"in {human_duration(max(0.0, view.expires - now))}"),
            Cell("never" if view.used is None else f"{human_duration(max(0.0, now - view.used))} ago"),
            Cell(printable(view.by)),
        ]
        for view in views
    ]
    return table(TOKENS, rows, limit, colour=colour)


def endpoints(
    views: Sequence[EndpointView], limit: int | None = None, *, colour: bool = False, now: float | None = None
) -> str:
    """One line an endpoint. `now`: wall-clock seconds."""
    now = time.time() if now is None else now
    rows = [
        [
            Cell(view.worker, BOLD),
            Cell(printable(view.name)),
            Cell(view.protocol),
            Cell(printable(view.address)),
            Cell(f"{human_duration(round(max(0.0, now - view.since)))} ago"),
            Cell(SOURCES[view.source]),
        ]
        for view in views
    ]
    return table(ENDPOINTS, rows, limit, colour=colour)


def allowed(grant: Grant) -> str:
    """What somebody may do, in words."""
    if grant.only:
        return f"{grant.only} only"
    words = grant.role + (", install" if grant.install else "")
    return f"{words}; {', '.join(grant.workers)} only" if grant.workers else words


def journal(entries: Sequence[Entry], limit: int | None = None, *, colour: bool = False) -> str:
    """One line an entry."""
    rows = []
    for entry in entries:
        record = entry.record
        who = f"{record.who} ({record.operator})" if record.operator not in {"", record.who} else record.who
        outcome = record.outcome or "begun"
        style = "" if outcome == "begun" else GREEN if outcome == "ok" else RED
        rows.append(
            [
                Cell(str(entry.seq), BOLD),
                Cell(moment(record.at)),
                Cell(printable(who)),
                Cell(printable(record.origin)),
                Cell(_what(record.what, record.asked, record.ref)),
                Cell(outcome, style),
                Cell(printable(record.reason), DIM),
            ]
        )
    return table(ENTRIES, rows, limit, colour=colour)


def verdict(found: Verdict) -> str:
    """What a check of the journal showed, and the head to note down."""
    count = f"{found.entries} entr{'y' if found.entries == 1 else 'ies'}"
    return f"{count}, each in its place\n{found.head.seq}:{found.head.hash}"


def event(event: Event, *, colour: bool = False) -> str:
    """Something that happened, in one line."""
    text, style = _told(event)
    when = time.strftime("%H:%M:%S", time.localtime(event.at))
    return f"{painted(when, DIM)} {painted(text, style)}" if colour else f"{when} {text}"


def _told(event: Event) -> tuple[str, str]:
    data = event.data
    match event.kind:
        case "worker":
            seen = msgspec.convert(data, WorkerEvent)
            by = f" by {seen.by}" if seen.by else ""
            if seen.removed:
                return printable(f"{event.worker}: removed{by}"), DIM
            return printable(f"{change(seen.now)}; {seen.what}{by}"), style_of(seen.now)
        case "job":
            workers = f" {', '.join(data['workers'])}" if data.get("workers") else ""
            what = data["operation"].replace("_", " ")
            return printable(f"{data['id']}: {what}{workers} by {data['by']}: {data['state']}"), STATES[data["state"]]
        case "gap":
            missed = "some" if data["missed"] is None else str(data["missed"])
            return f"{missed} events were missed here", YELLOW
        case "accepted":
            return printable(f"accepted: {data['operation'].replace('_', ' ')} by {data['by']}"), ""
        case "result":
            return "the result is there", GREEN
        case "done":
            return f"it is {data['state']}", STATES[data["state"]]
        case "progress":
            return printable(f"{data['done']} of {data['of']}: {data['worker']} is {data['state']}"), ""
        case "error":
            return printable(f"error: {data['detail']}"), RED
        case _:
            about = [event.worker] if event.worker else []
            return printable(": ".join([*about, event.kind, _json(data)])), ""


def _what(what: str, asked: Mapping[str, Any], ref: int) -> str:
    """An operation and what it was about; the entry of its end names the one of its beginning."""
    if ref:
        return f"{what.replace('_', ' ')}, begun as {ref}"
    own = [asked[key] for key in ("worker", "name", "token", "id", "package") if key in asked]
    about = ", ".join(map(str, own or asked.get("workers") or asked.get("packages") or asked.get("specs") or ()))
    return printable(f"{what.replace('_', ' ')} {about}".rstrip())


def _about(view: JobView) -> str:
    parts = [", ".join(view.workers or []), view.reason, "" if view.error is None else str(view.error.get("detail"))]
    return printable("; ".join(part for part in parts if part))


def _json(data: Any) -> str:
    return msgspec.json.encode(data).decode()


def moment(at: float) -> str:
    """Local time, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
