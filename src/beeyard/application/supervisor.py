"""What the master holds for one worker: its record, and the few live things that no record can hold."""

from collections.abc import Mapping

from msgspec.structs import replace

from beeyard.application.notified import Notified
from beeyard.application.probing import Probing
from beeyard.application.views import WorkerView, view
from beeyard.domain.curve import Curve
from beeyard.domain.errors import Refused
from beeyard.domain.lifetime import Quiet, idle
from beeyard.domain.limits import LimitName
from beeyard.domain.messages import (
    Asked,
    Begun,
    Blocked,
    ContactLost,
    ContactRegained,
    Event,
    Exceeded,
    Exited,
    Fired,
    HostRestarted,
    Launched,
    LaunchFailed,
    MasterRestarted,
    Now,
    Outdated,
    Prepared,
    Probed,
    Rebased,
    Respecified,
    Rested,
    Restored,
    Restricted,
    Said,
)
from beeyard.domain.watching import Watch
from beeyard.domain.worker import Running, Starting, Stopping, Worker, describe, state
from beeyard.ports.clock import Cancel
from beeyard.ports.store import StoryEntry

CLOCK_SET = 0.5
"""Seconds by which the wall clock has to move against the monotonic one before we say that it was set."""


class Watched:
    """The watch over one attempt's limits: when it is measured next (monotonic), and what was seen so far."""

    __slots__ = ("attempt", "due", "seen", "values")

    def __init__(self, attempt: int, due: float) -> None:
        self.attempt = attempt
        self.due = due
        self.seen = Watch()
        self.values: Mapping[LimitName, float | None] = {}


class Supervisor:
    """One worker. `revision` is the record's in the store."""

    __slots__ = ("_seen", "curve", "grows", "notified", "probing", "quiet", "revision", "timer", "watched", "worker")

    def __init__(self, worker: Worker, revision: int) -> None:
        self.worker = worker
        self.revision = revision
        self.timer: Cancel | None = None
        self.probing: Probing | None = None
        self.notified: Notified | None = None
        self.curve: Curve | None = None
        self.watched: Watched | None = None
        self.quiet: Quiet | None = None
        self.grows = ""
        """What of its module only grows, in words."""
        self._seen: tuple[Worker, float, str, WorkerView] | None = None

    def view(self, now: Now) -> WorkerView:
        """The worker as `ps` shows it; made anew only when it changed, or when the wall clock was set."""
        offset = now.wall - now.mono
        seen = self._seen
        if seen is None or seen[0] is not self.worker or seen[2] != self.grows or abs(seen[1] - offset) > CLOCK_SET:
            made = view(self.worker, now)
            made = made if made.note or not self.grows else replace(made, note=self.grows)
            seen = self._seen = (self.worker, offset, self.grows, made)
        return seen[3]

    def attempt(self) -> int | None:
        """The number of the attempt that lives, as far as we know."""
        phase = self.worker.phase
        return phase.attempt if isinstance(phase, Starting | Running | Stopping) else None

    def pid(self) -> int | None:
        """Its process, where there is one."""
        phase = self.worker.phase
        return phase.handle.state.get("pid") if isinstance(phase, Running | Stopping) else None

    def require_down(self, doing: str) -> None:
        """Raises Refused when something of it lives."""
        if self.attempt() is not None:
            raise Refused(
                "worker_busy",
                "{worker} can't be {doing}: it is {state}",
                worker=self.worker.id,
                doing=doing,
                state=state(self.worker),
                hint=f"beeyard stop {self.worker.id}",
            )


def told(before: Worker, after: Worker, event: Event, at: float) -> StoryEntry | None:
    """The line this event adds to the worker's story; None when nothing changed that anybody would ask about."""
    seen = [(type(one.phase), state(one), one.wanted, one.health, one.over, one.epochs) for one in (before, after)]
    if seen[0] == seen[1]:
        return None
    return StoryEntry(
        worker=after.id,
        at=at,
        before=state(before),
        after=state(after),
        what="added" if isinstance(event, Respecified) and event.spec == before.spec else in_words(event),
        attempt=after.attempt,
        by=event.by if isinstance(event, Asked | Respecified | Restored) else "",
    )


def in_words(event: Event) -> str:
    """An event as people say it."""
    match event:
        case Asked(want=want, why=why, force=force):
            words = {"hold": "master going down", "release": "master up again", "leave": "to be removed"}
            return why or words.get(want, f"{want} asked") + (", by force" if force else "")
        case Respecified():
            return "spec changed"
        case Restored():
            return "its data is as it was before"
        case Outdated(reason=reason):
            return reason
        case Rebased():
            return "other workers to be restarted with"
        case Prepared():
            return "all it needs is there"
        case Blocked(reason=reason):
            return reason
        case Launched(handle=handle):
            return f"started, pid {handle.state['pid']}" if "pid" in handle.state else "started"
        case LaunchFailed(reason=reason):
            return f"could not start: {reason}"
        case Begun():
            return "began"
        case Exited(exit=exit):
            return f"ended: {describe(exit)}"
        case Fired(timer=timer):
            words = {"stop": "stop overdue", "retry": "delay over", "lifetime": "its max lifetime is over"}
            return words.get(timer, "time to be forgotten")
        case Probed(role=role, passed=passed, reason=reason):
            return f"{role} probe {'passed' if passed else f'failed: {reason}'}"
        case Said(extend=extend):
            return "said what it does" if extend is None else "asked for more time"
        case Exceeded(text=text):
            return text
        case Rested(quiet=quiet):
            return "it does something again" if quiet is None else idle(quiet)
        case ContactLost(reason=reason):
            return f"contact lost: {reason}"
        case ContactRegained():
            return "contact regained"
        case Restricted():
            return "limits changed"
        case MasterRestarted():
            return "the master restarted"
        case HostRestarted():
            return "the host restarted"
