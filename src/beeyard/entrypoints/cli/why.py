"""The screen of `beeyard why`: what the worker is now, how it last died and what was decided, its story. Made to be
read in the dark: the answer first, the evidence after it. Where the terminal is small, evidence is left out."""

from collections.abc import Sequence
from functools import partial

from beeyard.application.operations.why import WhyView
from beeyard.domain.curve import Sample
from beeyard.domain.values import human_duration, human_memory
from beeyard.domain.worker import Death, describe
from beeyard.entrypoints.cli import strips
from beeyard.entrypoints.cli.render import note, style_of
from beeyard.entrypoints.cli.screen import BOLD, DIM, RED, YELLOW, printable
from beeyard.entrypoints.cli.sheet import LABEL, Row, Sheet
from beeyard.entrypoints.cli.strips import Frame
from beeyard.ports.store import StoryEntry

LINES = 20
"""Last lines shown of a death; the others are in the log."""
SHRINK = (("lines", 6), ("story", 3), ("earlier", 1), ("lines", 2))
"""What is shown of each at least, and what gives way first where the terminal is small."""
WIDE = 100
"""Columns where there is no terminal."""
STRIP = 40
SHORT = 10
"""Columns of a curve at most, and of one that shares its line."""
PHRASES = {"backoff": "is in backoff", "failed": "has failed"}
PLANNED = {"operator", "scaling", "dependency", "lifetime", "idle"}
"""Ends that somebody, or the worker's spec, asked for."""
ASKED = {"up asked", "down asked", "restart asked", "spec changed"}


class Why:
    """One screen for one worker. `height` is the terminal's; None: there is none, and so no limit."""

    def __init__(self, view: WhyView, sheet: Sheet, height: int | None = None) -> None:
        self._view = view
        self._sheet = sheet
        self._height = height

    def text(self) -> str:
        """The whole screen."""
        shown = {"lines": LINES, "story": len(self._view.story), "earlier": max(0, len(self._view.deaths) - 1)}
        text = self._text(**shown)
        for what, least in SHRINK:
            # One line is left for the prompt.
            while self._height is not None and text.count("\n") + 2 > self._height and shown[what] > least:
                shown[what] -= 1
                text = self._text(**shown)
        return text

    def _text(self, lines: int, story: int, earlier: int) -> str:
        parts = [self._head()]
        if self._view.deaths:
            parts.append(self._death(self._view.deaths[0], lines))
            if earlier:
                parts.append(self._earlier(self._view.deaths[1 : earlier + 1]))
        else:
            ran = self._view.worker.attempt > 0
            parts.append("It has not ended since it is here." if ran else "It was never started.")
        if story:
            parts.append(self._story(self._view.story[-story:]))
        return "\n\n".join(parts)

    # --- what it is now ---------------------------------------------------------------------------------------------

    def _head(self) -> str:
        view, worker = self._view, self._view.worker
        words = [PHRASES.get(worker.state, f"is {worker.state}")]
        if worker.state == "running":
            words.append("ready" if worker.ready else "not ready")
        if worker.health not in {"unknown", "healthy"}:
            words.append(worker.health)
        if view.next is not None and view.next.at is not None:
            words.append(f"{view.next.what} {self._sheet.until(view.next.at)}")
        rows = []
        if view.trouble:
            rows.append(Row("trouble", f"{view.trouble}; nothing can be changed until then", RED))
        if text := self._because():
            rows.append(Row("because", text))
        if view.waits_for and not (worker.state in {"backoff", "failed"} and view.next):  # The title says it.
            rows.append(Row("waits for", printable(view.waits_for)))
        rows += self._standing()
        rows += [Row(name, address) for name, address in worker.endpoints.items()]
        title = self._sheet.paint(worker.id, BOLD) + " " + self._sheet.paint(", ".join(words), style_of(worker))
        return "\n".join([title, *self._sheet.rows(rows), *self._curves()])

    def _because(self) -> str:
        view, worker = self._view, self._view.worker
        if worker.state == "preparing" and view.waits_for:
            return ""  # What it waits for says the same, and more.
        if worker.note == "operator asked" and (entry := self._asked(self._sheet.now)) is not None:
            return f"{entry.by} asked for it"
        dead = view.deaths[0] if view.deaths and view.deaths[0].attempt == worker.attempt else None
        if worker.state in {"backoff", "failed", "stopped", "standby"} and dead is not None:
            return "; ".join(filter(None, (self._cause(dead), printable(worker.note))))
        return note(worker)

    def _standing(self) -> list[Row]:
        """Which attempt it is, and what is wanted of it; in one line where that saves one."""
        worker, wanted = self._view.worker, self._wanted()
        if not worker.attempt:
            return [Row("wanted", wanted)]
        pid = "" if worker.pid is None else f", pid {worker.pid}"
        up = "" if worker.since is None else f", up {human_duration(max(0.0, self._sheet.now - worker.since))}"
        attempt = f"{worker.attempt}{pid}{up}, {_count(worker.restarts, 'restart')}"
        both = f"{attempt}; wanted {wanted}"
        if LABEL + len(both) <= (self._sheet.width or WIDE):
            return [Row("attempt", both)]
        return [Row("attempt", attempt), Row("wanted", wanted)]

    def _wanted(self) -> str:
        worker = self._view.worker
        if worker.state == "standby":
            return "up, once its group needs it"
        entry = self._asked(self._sheet.now)
        if entry is not None and entry.what.partition(" ")[0] in {worker.wanted, "restart"}:
            return f"{worker.wanted}: {entry.by} asked {self._sheet.ago(entry.at)}"
        if worker.wanted == "up":
            return "up, since it was added" if worker.origin == "cli" else f"up, as {worker.origin} says"
        return "down"

    def _asked(self, before: float) -> StoryEntry | None:
        """The last time before that moment when somebody asked for something."""
        asked = (e for e in reversed(self._view.story) if e.by and e.what in ASKED and e.at <= before)
        return next(asked, None)

    def _curves(self) -> list[str]:
        samples, ends = self._view.usage, self._view.ends
        if not samples:
            return []
        memory, cores = strips.spans(samples, now=self._view.worker.pid is not None)
        room = min(STRIP, (self._sheet.width or WIDE) - LABEL - 2 - max(len(memory), len(cores)))
        if room < SHORT:
            return self._sheet.rows([Row("memory", memory), Row("CPU", cores)])
        frame = strips.frame(samples, self._sheet.now, room)
        lines = [
            self._sheet.labelled("memory", f"{self._strip(samples, ends, frame, strips.memory)}  {memory}"),
            self._sheet.labelled("CPU", f"{self._strip(samples, ends, frame, strips.cpu)}  {cores}"),
        ]
        axis = strips.axis(frame)
        if any(frame.begin <= end <= frame.end for end in ends):
            axis += f"  {self._sheet.letters.end} it ended"
        return [*lines, self._sheet.labelled("", self._sheet.paint(axis, DIM))]

    def _strip(self, samples: Sequence[Sample], ends: Sequence[float], frame: Frame, value: strips.Value) -> str:
        text = strips.strip(samples, ends, frame, value, self._sheet.letters)
        return text.replace(self._sheet.letters.end, self._sheet.paint(self._sheet.letters.end, RED))

    # --- how it died ------------------------------------------------------------------------------------------------

    def _death(self, death: Death, most: int) -> str:
        rows = [Row("cause", self._cause(death), "" if death.cause.kind in PLANNED else RED)]
        if death.cause.kind not in {"exit", "signal", "oom", "unknown", "launch", "host"}:
            rows.append(Row("ended by", describe(death.exit)))
        if (note := death.exit.note) and note not in death.cause.detail:
            rows.append(Row("said", printable(note)))
        if death.cause.kind != "launch":
            rows.append(Row("lived", _life(death)))
        if death.cause.refusal is not None and death.cause.refusal.hint:
            rows.append(Row("hint", death.cause.refusal.hint))
        if death.exit.leftovers:
            rows.append(Row("left over", _left(death)))
        lines = [
            self._sheet.title(self._sheet.cut(f"Last death: attempt {death.attempt}, {self._sheet.when(death.at)}", 0)),
            *self._sheet.rows(rows),
        ]
        lines += [*self._last_minute(death), *self._sheet.rows([Row("decision", death.decision, YELLOW)])]
        if death.lines:
            cut = len(death.lines) - most
            lines.append("  last lines" + (f" ({cut} more before them)" if cut > 0 else ""))
            lines += [
                f"  {self._sheet.paint('|', DIM)} {self._sheet.cut(printable(line), 4)}" for line in death.lines[-most:]
            ]
        elif death.cause.kind != "launch":
            lines.append("  it wrote nothing")
        return "\n".join(lines)

    def _last_minute(self, death: Death) -> list[str]:
        if len(death.usage) < 2:
            return []
        frame = strips.frame(death.usage, death.usage[-1].at, SHORT)
        memory, cores = strips.spans(death.usage)
        strip = partial(self._strip, death.usage, [], frame)
        parts = [f"memory {strip(strips.memory)} {memory}", f"CPU {strip(strips.cpu)} {cores}"]
        whole = ", ".join(parts)
        label = f"last {human_duration(death.at - death.usage[0].at).split()[0]}"
        if self._sheet.width is None or LABEL + len(whole) <= self._sheet.width:
            return [self._sheet.labelled(label, whole)]
        parts = [self._sheet.cut(part, LABEL) for part in parts]
        return [self._sheet.labelled(label, parts[0]), self._sheet.labelled("", parts[1])]

    def _cause(self, death: Death) -> str:
        if death.cause.kind == "operator" and (entry := self._asked(death.at)) is not None:
            return f"{entry.by} asked for it"
        return cause(death)

    def _earlier(self, deaths: list[Death]) -> str:
        lines = [self._sheet.title("Before that")]
        for death in deaths:
            lived = f"after {human_duration(death.uptime)}"
            text = f"{self._sheet.clock(death.at)}  attempt {death.attempt}  {self._cause(death)}, {lived}"
            lines.append(f"  {self._sheet.cut(text, 2)}")
        return "\n".join(lines)

    # --- how it came so far -----------------------------------------------------------------------------------------

    def _story(self, story: list[StoryEntry]) -> str:
        lines = [self._sheet.title("Story")]
        moves = [_move(entry, self._sheet.letters.arrow) for entry in story]
        wide = max(map(len, moves))
        for entry, move in zip(story, moves, strict=True):
            by = f" by {entry.by}" if entry.by else ""
            at, text = self._sheet.clock(entry.at), f"{move:<{wide}}  {printable(entry.what)}{by}"
            lines.append(f"  {self._sheet.paint(at, DIM)}  {self._sheet.cut(text, len(at) + 4)}")
        return "\n".join(lines)


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
        case "probe" | "limit" | "lifetime" | "idle":
            text = f"ended by Beeyard: {detail}"
        case "operator":
            text = "stopped because someone asked"
        case "dependency":
            text = f"restarted with what it needs: {detail}"
        case "scaling":
            text = "stopped because its group can do without it"
        case "respec":
            text = "stopped because its spec changed"
        case "oom" | "host" | "unknown":
            text = detail or describe(death.exit)
    return printable(text)


def _life(death: Death) -> str:
    """How long, how well and at what cost."""
    pid = "" if death.pid is None else f"pid {death.pid}, "
    text = f"{pid}{human_duration(death.uptime)}, {'was ready' if death.was_ready else 'was never ready'}"
    if (usage := death.exit.usage) is not None:
        text += f"; {human_duration(usage.cpu)} of CPU, at most {human_memory(usage.max_rss)} of memory"
    return text


def _move(entry: StoryEntry, arrow: str) -> str:
    return entry.after if entry.before == entry.after else f"{entry.before} {arrow} {entry.after}"


def _left(death: Death) -> str:
    """Of what ran within the master it is threads, which nobody can end."""
    if death.pid is None:
        return f"{_count(death.exit.leftovers, 'thread')}, left behind in the master"
    return f"{_count(death.exit.leftovers, 'process', 'es')} of its tree, killed"


def _count(number: int, thing: str, plural: str = "s") -> str:
    return f"{number} {thing}{'' if number == 1 else plural}"
