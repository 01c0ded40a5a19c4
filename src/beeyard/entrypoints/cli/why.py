"""The screen of `beeyard why`: what the worker is now, how it last died and what was decided, its story. Made to be
read in the dark: the answer first, the evidence after it."""

import time

from beeyard.application.operations.why import WhyView
from beeyard.domain.values import human_duration, human_memory
from beeyard.domain.worker import Death, describe
from beeyard.entrypoints.cli.render import note, style_of
from beeyard.entrypoints.cli.screen import BOLD, DIM, RED, YELLOW, painted, printable
from beeyard.ports.store import StoryEntry

LINES = 20
"""Last lines shown of a death; the others are in the log."""


class Why:
    """One screen for one worker. `now` is wall-clock seconds; times are printed in the local zone."""

    def __init__(self, view: WhyView, now: float, *, colour: bool = False) -> None:
        self._view = view
        self._now = now
        self._colour = colour

    def text(self) -> str:
        """The whole screen."""
        parts = [self._head()]
        if self._view.deaths:
            last, *earlier = self._view.deaths
            parts.append(self._death(last))
            if earlier:
                parts.append(self._earlier(earlier))
        else:
            parts.append("It has not ended since it is here.")
        if self._view.story:
            parts.append(self._story(self._view.story))
        return "\n\n".join(parts)

    def _head(self) -> str:
        worker = self._view.worker
        words = [worker.state]
        if worker.state == "running":
            words.append("ready" if worker.ready else "not ready")
        if worker.retry_in is not None:
            words.append(f"next start in {human_duration(worker.retry_in)}")
        if worker.health not in {"unknown", "healthy"}:
            words.append(worker.health)
        rows = []
        if text := note(worker):
            rows.append(("because", text))
        if worker.pid is not None:
            up = "" if worker.uptime is None else f", up {human_duration(worker.uptime)}"
            rows.append(("process", f"pid {worker.pid}{up}"))
        rows.append(("wanted", f"{worker.wanted}, by {worker.origin}"))
        rows.append(("attempt", f"{worker.attempt}, {_count(worker.restarts, 'restart')}"))
        rows += [(name, address) for name, address in worker.endpoints.items()]
        title = self._paint(worker.id, BOLD) + " is " + self._paint(", ".join(words), style_of(worker))
        return "\n".join([title, *self._rows(rows)])

    def _death(self, death: Death) -> str:
        rows = [("cause", self._paint(cause(death), RED if death.cause.kind != "operator" else ""))]
        ended = describe(death.exit)
        if death.cause.kind not in {"exit", "signal", "oom", "unknown", "launch", "host"}:
            rows.append(("ended by", ended))
        ready = "was ready" if death.was_ready else "was never ready"
        if death.cause.kind != "launch":
            pid = "" if death.pid is None else f"pid {death.pid}, "
            rows.append(("lived", f"{pid}{human_duration(death.uptime)}, {ready}"))
        if (usage := death.exit.usage) is not None:
            rows.append(
                ("used", f"{human_duration(usage.cpu)} of CPU, at most {human_memory(usage.max_rss)} of memory")
            )
        if death.exit.leftovers:
            rows.append(("left over", f"{_count(death.exit.leftovers, 'process', 'es')} of its tree, killed"))
        rows.append(("decision", self._paint(death.decision, YELLOW)))
        lines = [self._title(f"Last death: attempt {death.attempt}, {self._when(death.at)}"), *self._rows(rows)]
        if death.lines:
            cut = len(death.lines) - LINES
            lines.append("  last lines" + (f" ({cut} more before them)" if cut > 0 else ""))
            lines += [f"  {self._paint('|', DIM)} {printable(line)}" for line in death.lines[-LINES:]]
        elif death.cause.kind != "launch":
            lines.append("  it wrote nothing")
        return "\n".join(lines)

    def _earlier(self, deaths: list[Death]) -> str:
        lines = [self._title("Before that")]
        for death in deaths:
            lived = f"after {human_duration(death.uptime)}"
            lines.append(f"  {self._clock(death.at)}  attempt {death.attempt}  {cause(death)}, {lived}")
        return "\n".join(lines)

    def _story(self, story: list[StoryEntry]) -> str:
        lines = [self._title("Story")]
        wide = max(len(_move(entry)) for entry in story)
        for entry in story:
            by = f" by {entry.by}" if entry.by else ""
            text = f"{_move(entry):<{wide}}  {printable(entry.what)}{by}"
            lines.append(f"  {self._paint(self._clock(entry.at), DIM)}  {text}")
        return "\n".join(lines)

    def _rows(self, rows: list[tuple[str, str]]) -> list[str]:
        return [f"  {self._paint(f'{name:<9}', DIM)} {text}" for name, text in rows]

    def _title(self, text: str) -> str:
        return self._paint(text, BOLD)

    def _paint(self, text: str, style: str) -> str:
        return painted(text, style) if self._colour else text

    def _when(self, at: float) -> str:
        ago = f"{human_duration(self._now - at)} ago" if self._now >= at else "by a clock ahead of this one"
        return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))} ({ago})"

    def _clock(self, at: float) -> str:
        """The time of day; with the date once that is another day."""
        then, now = time.localtime(at), time.localtime(self._now)
        return time.strftime("%H:%M:%S" if then[:3] == now[:3] else "%Y-%m-%d %H:%M:%S", then)


def cause(death: Death) -> str:
    """Why it ended, in words."""
    detail = death.cause.detail
    match death.cause.kind:
        case "exit":
            text = f"it ended by itself: {detail or describe(death.exit)}"
        case "signal":
            text = f"{detail or describe(death.exit)}, not sent by Beeyard"
        case "launch":
            text = f"it could not be started: {detail}"
        case "probe":
            text = f"ended by Beeyard: {detail}"
        case "operator":
            text = "stopped because someone asked"
        case "respec":
            text = "stopped because its spec changed"
        case "oom" | "host" | "unknown":
            text = detail or describe(death.exit)
    return printable(text)


def _move(entry: StoryEntry) -> str:
    return entry.after if entry.before == entry.after else f"{entry.before} → {entry.after}"


def _count(number: int, thing: str, plural: str = "s") -> str:
    return f"{number} {thing}{'' if number == 1 else plural}"
