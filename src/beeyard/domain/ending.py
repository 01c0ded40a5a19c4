"""How the end of an attempt is judged, and what is written down of it: the cause, what follows by the restart policy,
the death record. Knows no events: that an attempt ended, and what was asked for before, others tell.
"""

from msgspec.structs import replace

from beeyard.domain import aging, restart
from beeyard.domain.health import Health
from beeyard.domain.limits import ENDINGS, FINAL, MOST_RAISED, RAISE, LimitName, amount
from beeyard.domain.messages import Bury, Effect, Exit, Now, SetTimer
from beeyard.domain.restart import Outside
from beeyard.domain.spec import Trigger
from beeyard.domain.worker import (
    Cause,
    CauseKind,
    Death,
    Down,
    Failed,
    Running,
    Starting,
    Stopping,
    Waiting,
    Wanted,
    Worker,
    describe,
)

RESTING = "on standby"
"""Why an instance is down that its group can do without."""


def ended(
    worker: Worker,
    phase: Starting | Running | Stopping,
    exit: Exit,
    cause: Cause,
    now: Now,
    outside: Outside,
    effects: list[Effect],
) -> tuple[Worker, list[Effect]]:
    """One end: what was asked for is not judged, everything else is."""
    ready_since = None if isinstance(phase, Starting) else phase.ready_since
    ready_for = 0.0 if ready_since is None else now.mono - ready_since
    was_asked = isinstance(phase, Stopping) and cause.kind == "operator"
    if was_asked or not worker.wanted.up or worker.wanted.generation != phase.generation:
        decision = _as_asked(worker, cause)
        worker = buried(worker, phase, exit, cause, decision, now, ready_for, effects)
        if cause.kind == "lifetime" and not worker.wanted.on and worker.spec.restart.policy == "never":
            return _done(worker, phase, decision, now, effects), effects
        return replace(worker, phase=Down(phase.generation, decision)), effects
    if cause.final:
        reason = f"{cause.detail}; down until it is asked for"
        worker = buried(worker, phase, exit, cause, "stays down until it is asked for", now, ready_for, effects)
        return replace(worker, phase=Failed(phase.generation, reason)), effects
    policy = worker.spec.restart
    failures = restart.counted(policy, worker.failures, now.mono, ready_for)
    ending = restart.Ending(exit.success, _TRIGGERS.get(cause.kind, "exit"), cause.severity)
    trial = worker.trial and not restart.recovered(policy, ready_for)
    verdict = restart.judge(policy, ending, failures, now.mono, outside, trial=trial)
    worker = buried(worker, phase, exit, cause, verdict.reason, now, ready_for, effects)
    worker = replace(worker, failures=failures, serial=worker.serial + 1)
    match verdict:
        case restart.Retry(at=at, reason=reason):
            if at > now.mono:
                effects.append(SetTimer("retry", at, worker.serial))
            return replace(worker, phase=Waiting(phase.generation, at, reason)), effects
        case restart.Rest(reason=reason):
            return _done(worker, phase, reason, now, effects), effects
        case restart.GiveUp(reason=reason, retry_at=retry_at):
            if retry_at is not None:
                effects.append(SetTimer("retry", retry_at, worker.serial))
            return replace(worker, phase=Failed(phase.generation, reason, retry_at)), effects


def _as_asked(worker: Worker, cause: Cause) -> str:
    """What follows an end that is not judged, in words."""
    if worker.wanted.up:
        return "started anew at once, outside the budget" if cause.kind == "lifetime" else "another start was asked for"
    if cause.kind == "idle":
        return "stays down until it is asked for"
    never = cause.kind == "lifetime" and worker.spec.restart.policy == "never"
    return "stays down: restart policy is never" if never else stays_down(worker.wanted)


def _done(worker: Worker, phase: Starting | Running | Stopping, reason: str, now: Now, effects: list[Effect]) -> Worker:
    """Down, and by its restart policy nothing follows: from now on its time runs."""
    worker = aging.numbered(replace(worker, phase=Down(phase.generation, reason, now.mono)))
    effects += aging.timer(worker)
    return worker


def stays_down(wanted: Wanted) -> str:
    return RESTING if wanted.rests else "stays down, as asked"


def buried(
    worker: Worker,
    phase: Starting | Running | Stopping,
    exit: Exit,
    cause: Cause,
    decision: str,
    now: Now,
    ready_for: float,
    effects: list[Effect],
) -> Worker:
    """The worker with its death record; the last lines come later, by the effect."""
    effects.append(Bury(phase.attempt))
    pid = None if isinstance(phase, Starting) else phase.handle.state.get("pid")
    death = Death(
        attempt=phase.attempt,
        at=now.wall,
        cause=cause,
        exit=exit,
        uptime=max(0.0, now.mono - phase.since),
        was_ready=ready_for > 0,
        decision=decision,
        pid=pid,
    )
    return replace(worker, death=death, health=Health(), over={})


_TRIGGERS: dict[CauseKind, Trigger] = {"probe": "health", "limit": "resource", "oom": "resource"}
"""What the restart policy calls an end of this kind; any other is an exit."""


def cause_of(exit: Exit, worker: Worker) -> Cause:
    if exit.oom:
        limit = worker.limits.bounds.get("memory.max_rss")
        if limit is None or limit.policy not in ENDINGS:
            return Cause("oom", describe(exit))
        text = f"memory.max_rss: over {amount('memory.max_rss', limit.bound)}, {describe(exit)}"
        return Cause("oom", text, final=limit.policy in FINAL)
    if exit.signal is not None:
        return Cause("signal", describe(exit))
    return Cause("unknown" if exit.code is None else "exit", describe(exit))


def raised(worker: Worker, name: LimitName) -> Worker:
    """With this bound raised for the next attempts, if that is its policy and it may be raised still."""
    limit = worker.spec.limits.bounds.get(name)
    if limit is None or limit.policy != "restart_adjusted":
        return worker
    factor = min(worker.raised.get(name, 1.0) * RAISE, MOST_RAISED)
    return replace(worker, raised={**worker.raised, name: factor})
