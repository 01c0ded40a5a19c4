"""The only state machine of a worker.

Two rules hold everything else up. `wanted` is changed by requests alone, `phase` by facts alone. And every change goes
through `step`: an event is looked up in TRANSITIONS, which says what happened; then `settle` fires what must follow
from wish and phase together, until nothing changes any more.

Theory of operation. An attempt is one incarnation; each fact about it carries its number and is dropped when the
number is not the current one. A generation is one wish: asking for a start or a restart makes a new one, and a phase
that serves another generation than the wanted one has to make way. So "restart" needs no state of its own, a stop
during a start is remembered without a flag, and a worker that is done (`Down` in the wanted generation) is left alone.
The caller saves the worker before it runs the effects; `resume` gives the effects again to a master that woke up.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from beeyard.domain import aging, ending, lifetime
from beeyard.domain.health import Health
from beeyard.domain.limits import FINAL
from beeyard.domain.messages import (
    Asked,
    Begun,
    Blocked,
    CancelTimer,
    ContactLost,
    ContactRegained,
    Destroy,
    Effect,
    Event,
    Exceeded,
    Exit,
    Exited,
    Fired,
    Forget,
    Handle,
    HostRestarted,
    Kill,
    Launch,
    Launched,
    LaunchFailed,
    Lead,
    MasterRestarted,
    Now,
    OfAttempt,
    Outdated,
    Prepare,
    Prepared,
    Probed,
    Rebased,
    Respecified,
    Rested,
    Restored,
    Restrict,
    Restricted,
    Said,
    SetTimer,
    Terminate,
    Unwatch,
    Watch,
)
from beeyard.domain.restart import ORDINARY, Outside
from beeyard.domain.spec import needs_restart, shares
from beeyard.domain.worker import (
    Cause,
    Down,
    Failed,
    Phase,
    Preparing,
    Running,
    Starting,
    Stopping,
    Waiting,
    Wanted,
    Worker,
)

KILL_AGAIN = 10.0
"""Seconds between two kills of a tree that does not die: a process in uninterruptible sleep ends only later."""
FORGET_AGAIN = 60.0
"""Seconds between two tries to forget a worker that is still needed, or while nothing can be written."""
Step = tuple[Worker, list[Effect]]


def step(worker: Worker, event: Event, now: Now, outside: Outside = ORDINARY) -> Step:
    """Take one event. Returns the worker as it is now, and what has to be done, in order.

    Args:
        outside: chance, and how hard the host makes it; both say when a worker that ended comes back.
    """
    if _stale(worker, event):
        return worker, []
    handle = TRANSITIONS[type(worker.phase), type(event)]
    after, effects = handle(worker, worker.phase, event, now, outside)
    after, effects = settle(after, now, effects)
    return after, effects + [order for order in _led(worker, after) if order not in effects]


def settle(worker: Worker, now: Now, effects: list[Effect]) -> Step:
    """Fire what wish and phase together demand, until nothing changes."""
    while (after := _follows(worker, now, effects)) is not worker:
        worker = after
    return worker, effects


def resume(worker: Worker, now: Now) -> list[Effect]:
    """The effects that a master owes this worker when it wakes up; each is harmless if it was run before."""
    match worker.phase:
        case Preparing():
            return [Prepare()]
        case Starting(attempt=attempt):
            return [Launch(attempt)]
        case Running(attempt=attempt, handle=handle):
            restrict: list[Effect] = [Restrict(attempt)] if worker.phase.limits_due else []
            lead: list[Effect] = [Lead(attempt, here=_leads(worker))] if shares(worker.spec) else []
            return restrict + ([Watch(attempt, handle)] if _watched(worker) else []) + lead + aging.timer(worker)
        case Stopping(attempt=attempt, step=taken, deadline=deadline):
            steps = worker.spec.stop
            last = Terminate(attempt, steps[taken - 1], taken) if taken <= len(steps) else Kill(attempt)
            return [last, SetTimer("stop", deadline, worker.serial)]
        case Waiting(until=at) | Failed(retry_at=float(at)):
            return [SetTimer("retry", at, worker.serial)]
        case Down():
            return list(aging.timer(worker))
        case Failed():
            return []


def gave_up(worker: Worker) -> bool:
    """Whether it failed and its restart policy is done with it, but for a trial. What is to be down has not failed."""
    match worker.phase:
        case Failed():
            return True
        case Down(generation=generation) if worker.wanted.up and worker.death is not None:
            last = worker.death
            return generation == worker.wanted.generation and not (last.exit.success and last.cause.kind != "probe")
        case _:
            return False


# --- what must follow -----------------------------------------------------------------------------------------------


def _follows(worker: Worker, now: Now, effects: list[Effect]) -> Worker:
    """One state-triggered transition, or the very same worker when it is at rest."""
    wanted, phase = worker.wanted, worker.phase
    current = wanted.up and phase.generation == wanted.generation
    match phase:
        case Down() if wanted.up and not current:
            effects += [CancelTimer(), Prepare()] if aging.due(worker) else [Prepare()]
            return replace(worker, phase=Preparing(wanted.generation), health=Health())
        case Preparing() | Waiting() | Failed() if not current:
            if not isinstance(phase, Preparing):
                effects.append(CancelTimer())
            reason = ending.RESTING if wanted.rests else "stopped before it started"
            return replace(worker, phase=Down(phase.generation, reason))
        case Waiting() if phase.until <= now.mono:
            return _again(worker, effects)
        case Running() if not current:
            end = _killed if wanted.force else _stop
            return end(worker, phase, Cause("scaling" if wanted.rests else "operator"), now, effects)
        case Stopping() if wanted.force and phase.step <= len(worker.spec.stop):
            return _killed(worker, phase, phase.cause, now, effects)
        case _:
            return worker


def _again(worker: Worker, effects: list[Effect], *, trial: bool = False) -> Worker:
    """On to the next attempt of the same generation."""
    effects.append(Prepare())
    generation = worker.phase.generation
    return replace(worker, phase=Preparing(generation), restarts=worker.restarts + 1, trial=trial, health=Health())


def _stop(worker: Worker, phase: Running, cause: Cause, now: Now, effects: list[Effect]) -> Worker:
    first = worker.spec.stop[0]
    worker = replace(
        worker,
        serial=worker.serial + 1,
        phase=Stopping(
            generation=phase.generation,
            attempt=phase.attempt,
            handle=phase.handle,
            since=phase.since,
            cause=cause,
            step=1,
            deadline=now.mono + first.wait,
            ready_since=phase.ready_since,
            status=phase.status,
        ),
    )
    effects += [Unwatch(), Terminate(phase.attempt, first, 1), SetTimer("stop", now.mono + first.wait, worker.serial)]
    return worker


def _killed(worker: Worker, phase: Running | Stopping, cause: Cause, now: Now, effects: list[Effect]) -> Worker:
    """As after the last step of a stop that did not help."""
    deadline = now.mono + KILL_AGAIN
    stopping = Stopping(
        generation=phase.generation,
        attempt=phase.attempt,
        handle=phase.handle,
        since=phase.since,
        cause=cause,
        step=len(worker.spec.stop) + 1,
        deadline=deadline,
        ready_since=phase.ready_since,
        status=phase.status,
    )
    worker = replace(worker, serial=worker.serial + 1, phase=stopping)
    effects += [Unwatch(), Kill(phase.attempt), SetTimer("stop", deadline, worker.serial)]
    return worker


# --- what happened --------------------------------------------------------------------------------------------------


def ignore(worker: Worker, phase: Phase, event: Event, now: Now, outside: Outside) -> Step:
    """The event says nothing new in this phase."""
    return worker, []


def asked(worker: Worker, phase: Phase, event: Asked, now: Now, outside: Outside) -> Step:
    """A wish changes `wanted` and nothing else; what an operator asks for starts with a fresh budget.

    Of a group that scales, those on standby stay so when the whole of it is asked for, and its own wishes pass by those
    that people asked for one by one, or stopped. Where it goes over blue-green those on standby stay so in any case.
    To be renewed nobody comes up who is to be down by then, whoever asked for that meanwhile.
    """
    wanted = worker.wanted
    match event.want:
        case "down":
            down = replace(wanted, on=False, force=wanted.force or event.force)
            return (worker if down == wanted else replace(worker, wanted=down)), []
        case "leave":
            return replace(worker, wanted=replace(wanted, on=False, leave=True)), []
        case "hold":
            return (worker if wanted.held else replace(worker, wanted=replace(wanted, held=True))), []
        case "release" if not wanted.held:
            return worker, []
        case "renew" if not wanted.up:
            return worker, []
        case "rest" | "wake" if worker.spec.half and not wanted.on:
            return replace(worker, wanted=replace(wanted, standby=event.want == "rest")), []
        case "rest":
            rests = wanted.up and not wanted.fixed
            return (replace(worker, wanted=replace(wanted, standby=True)) if rests else worker), []
        case "wake" if wanted.held or not wanted.rests:
            return worker, []
        case "up" | "restart" if wanted.standby and (event.whole or worker.spec.half):
            return replace(worker, wanted=replace(wanted, on=True, held=False, force=False)), []
        case "up" if wanted.up and isinstance(phase, Preparing | Starting | Running):
            fixed = _fixed(worker, event.want, event.whole)
            return (worker if fixed == wanted.fixed else replace(worker, wanted=replace(wanted, fixed=fixed))), []
    released = event.want == "release"
    after = Wanted(
        on=wanted.on or not released,
        generation=wanted.generation + 1,
        standby=wanted.standby and released,
        fixed=wanted.fixed if released else _fixed(worker, event.want, event.whole),
        force=wanted.force and released,
    )
    return replace(worker, wanted=after, failures=(), trial=False), []


def _fixed(worker: Worker, want: str, whole: bool) -> bool:
    """Whether its group is to leave it as it is. To restart one that is up says nothing of that."""
    if worker.spec.scaling is None or whole or want == "wake":
        return False
    return worker.wanted.fixed or want == "up" or not worker.wanted.up


def respecified(worker: Worker, phase: Phase, event: Respecified, now: Now, outside: Outside) -> Step:
    """A new spec: another attempt only if this one would run differently. Switching `enabled` is a wish."""
    old, wanted = worker.spec, worker.wanted
    switched = old.enabled != event.spec.enabled
    up = event.spec.enabled if switched else wanted.on
    varies = event.spec.varies
    woken, standby = wanted.standby and not varies, wanted.standby and varies
    renew = up and not standby and (switched or woken or needs_restart(old, event.spec) or isinstance(phase, Failed))
    leave = wanted.leave if up == wanted.on else not up
    force = wanted.force and not up
    after = Wanted(up, wanted.generation + renew, wanted.held, leave, standby, wanted.fixed and varies, force)
    worker = replace(worker, spec=event.spec, wanted=after)
    restricted = old.limits != event.spec.limits
    if restricted:
        worker = replace(worker, over={}, raised={})
    effects: list[Effect] = []
    if renew:
        worker = replace(worker, failures=(), trial=False)
        if isinstance(phase, Running):
            worker = _stop(worker, phase, Cause("respec", "its spec changed"), now, effects)
        return worker, effects
    if restricted and isinstance(phase, Starting | Running):
        phase = replace(phase, limits_due=True)
        worker = replace(worker, phase=phase)
    if aging.due(worker) != aging.due(replace(worker, spec=old)):
        worker = replace(worker, serial=worker.serial + 1)
        effects += aging.timer(worker) or [CancelTimer()]
    if not isinstance(phase, Running):
        return worker, effects
    if restricted:
        effects.append(Restrict(phase.attempt))
    return _rewatched(worker, phase, now, effects) if old.probes != event.spec.probes else (worker, effects)


def restored(worker: Worker, phase: Phase, event: Restored, now: Now, outside: Outside) -> Step:
    """Nothing is known any more that an older version could not read. One that waits for that looks again."""
    again: list[Effect] = [Prepare()] if isinstance(phase, Preparing) else []
    return (replace(worker, epochs={}), again) if worker.epochs else (worker, [])


def outdated(worker: Worker, phase: Running, event: Outdated, now: Now, outside: Outside) -> Step:
    """Up anew, as if asked for; but its budget stays as it is, for nobody has looked at why it failed before."""
    worker = replace(worker, wanted=replace(worker.wanted, generation=worker.wanted.generation + 1))
    effects: list[Effect] = []
    return _stop(worker, phase, Cause("dependency", event.reason), now, effects), effects


def rebased(worker: Worker, phase: Phase, event: Rebased, now: Now, outside: Outside) -> Step:
    """What it started upon stays as it was; of those that are new what they are now is all there is to know."""
    return replace(worker, upon={need: worker.upon.get(need, attempt) for need, attempt in event.upon.items()}), []


def prepared(worker: Worker, phase: Preparing, event: Prepared, now: Now, outside: Outside) -> Step:
    """All is there: order the next attempt."""
    attempt = worker.attempt + 1
    phase_ = Starting(phase.generation, attempt, now.mono)
    supply, epochs = event.supply, worker.epochs
    if supply is not None and supply.epoch:
        epochs = epochs | {supply.name: supply.epoch}
    worker = replace(worker, phase=phase_, attempt=attempt, upon=event.upon, supply=supply, epochs=epochs)
    return worker, [Launch(attempt)]


def blocked(worker: Worker, phase: Preparing, event: Blocked, now: Now, outside: Outside) -> Step:
    """Not all is there: keep the reason for those who look."""
    if event.reason == phase.blocked:
        return worker, []
    return replace(worker, phase=Preparing(phase.generation, event.reason)), []


def launched(worker: Worker, phase: Starting, event: Launched, now: Now, outside: Outside) -> Step:
    """It runs, or will."""
    running = taken_up(worker, phase.generation, phase.attempt, event.handle, now)
    running = replace(running, limits_due=phase.limits_due)
    worker = aging.numbered(replace(worker, phase=running, ports=event.handle.ports))
    return worker, resume(worker, now)


def begun(worker: Worker, phase: Running, event: Begun, now: Now, outside: Outside) -> Step:
    """It was taken before, and runs only now: so long it is asked nothing."""
    if not phase.handle.waits:
        return worker, []
    running = taken_up(worker, phase.generation, phase.attempt, replace(phase.handle, waits=False), now)
    running = replace(
        running,
        contact_lost_since=phase.contact_lost_since,
        contact_lost=phase.contact_lost,
        status=phase.status,
        limits_due=phase.limits_due,
    )
    worker = aging.numbered(replace(worker, phase=running, serial=worker.serial + 1))
    return worker, resume(worker, now)


def taken_up(worker: Worker, generation: int, attempt: int, handle: Handle, now: Now) -> Running:
    """An attempt from the moment it is ours; without a startup or readiness probe to run is all readiness can mean."""
    probes = worker.outfit.probes
    ready = not handle.waits and "startup" not in probes and "readiness" not in probes
    return Running(
        generation=generation,
        attempt=attempt,
        handle=handle,
        since=now.mono,
        since_wall=now.wall,
        started=not handle.waits and "startup" not in probes,
        ready_since=now.mono if ready else None,
    )


def launch_failed(worker: Worker, phase: Starting, event: LaunchFailed, now: Now, outside: Outside) -> Step:
    """It could not even start: an ending like any other for the restart policy."""
    cause = Cause("launch", event.reason, refusal=event.refusal)
    return ending.ended(worker, phase, Exit(note=event.reason), cause, now, outside, [])


def exited(worker: Worker, phase: Starting | Running, event: Exited, now: Now, outside: Outside) -> Step:
    """It ended by itself, or by a hand that is not ours."""
    effects: list[Effect] = [Unwatch(), Destroy(phase.attempt, worker.provider)]
    if aging.due(worker):
        effects.append(CancelTimer())
        worker = replace(worker, serial=worker.serial + 1)
    cause = ending.cause_of(event.exit, worker)
    if cause.kind == "oom":
        worker = ending.raised(worker, "memory.max_rss")
    return ending.ended(worker, phase, event.exit, cause, now, outside, effects)


def exited_stopping(worker: Worker, phase: Stopping, event: Exited, now: Now, outside: Outside) -> Step:
    """It ended because we ended it."""
    effects: list[Effect] = [CancelTimer(), Destroy(phase.attempt, worker.provider)]
    return ending.ended(worker, phase, event.exit, phase.cause, now, outside, effects)


def lived_out(worker: Worker, phase: Running, event: Fired, now: Now, outside: Outside) -> Step:
    """It ran as long as its spec lets one attempt: up anew, as the spec asks; down if nothing may follow an end."""
    most = worker.spec.lifetime.max
    if most is None:
        return worker, []
    never = worker.spec.restart.policy == "never"
    wanted = worker.wanted
    wanted = replace(wanted, on=False) if never else replace(wanted, generation=wanted.generation + 1)
    effects: list[Effect] = []
    cause = Cause("lifetime", lifetime.spent(most, now.mono - phase.since))
    return _stop(replace(worker, wanted=wanted), phase, cause, now, effects), effects


def rested(worker: Worker, phase: Running, event: Rested, now: Now, outside: Outside) -> Step:
    """How long it did nothing is kept for the next master; as long as its spec lets it, and it goes down."""
    worker = replace(worker, phase=replace(phase, quiet=event.quiet))
    most, effects = worker.spec.lifetime.idle, list[Effect]()
    if event.quiet is None or most is None or event.quiet.lasted < most:
        return worker, effects
    worker = replace(worker, wanted=replace(worker.wanted, on=False))
    return _stop(worker, phase, Cause("idle", lifetime.idle(event.quiet)), now, effects), effects


def forgotten(worker: Worker, phase: Down, event: Fired, now: Now, outside: Outside) -> Step:
    """It was done for as long as its spec wants it kept; asked again until it is gone."""
    if aging.due(worker) is None:
        return worker, []
    worker = replace(worker, serial=worker.serial + 1)
    return worker, [Forget(), SetTimer("forget", now.mono + FORGET_AGAIN, worker.serial)]


def stop_overdue(worker: Worker, phase: Stopping, event: Fired, now: Now, outside: Outside) -> Step:
    """The last step did not end it: take the next; after the last, kill, and again until the end is seen."""
    steps = worker.spec.stop
    serial = worker.serial + 1
    if phase.step < len(steps):
        order: Effect = Terminate(phase.attempt, steps[phase.step], phase.step + 1)
        deadline = now.mono + steps[phase.step].wait
    else:
        order = Kill(phase.attempt)
        deadline = now.mono + KILL_AGAIN
    phase_ = replace(phase, step=phase.step + 1, deadline=deadline)
    return replace(worker, phase=phase_, serial=serial), [order, SetTimer("stop", deadline, serial)]


def wait_over(worker: Worker, phase: Waiting, event: Fired, now: Now, outside: Outside) -> Step:
    """The delay is over."""
    effects: list[Effect] = []
    return _again(worker, effects), effects


def trial(worker: Worker, phase: Failed, event: Fired, now: Now, outside: Outside) -> Step:
    """The cool-down is over: one trial start."""
    effects: list[Effect] = []
    return _again(worker, effects, trial=True), effects


def probed(worker: Worker, phase: Running, event: Probed, now: Now, outside: Outside) -> Step:
    """A probe's verdict changed. Only a failed startup or liveness ends the attempt."""
    effects: list[Effect] = []
    if event.role != "readiness" and not event.passed:
        worker = replace(worker, health=Health("unhealthy", event.reason))
        cause = Cause("probe", f"{event.role} probe failed: {event.reason}")
        return _stop(worker, phase, cause, now, effects), effects
    if event.role == "readiness" and not event.passed:
        health = Health("degraded", f"not ready: {event.reason}")
        return replace(worker, phase=replace(phase, ready_since=None), health=health), effects
    if event.role == "startup":
        phase = replace(phase, started=True)
        worker = replace(worker, phase=phase)
    if event.role == "readiness" or (event.role == "startup" and "readiness" not in worker.outfit.probes):
        since = now.mono if phase.ready_since is None else phase.ready_since
        return replace(worker, phase=replace(phase, ready_since=since), health=Health("healthy")), effects
    return worker, effects


def said(worker: Worker, phase: Running, event: Said, now: Now, outside: Outside) -> Step:
    """What it says of itself is kept for those who look."""
    if event.status is None or event.status == phase.status:
        return worker, []
    return replace(worker, phase=replace(phase, status=event.status)), []


def extended(worker: Worker, phase: Stopping, event: Said, now: Now, outside: Outside) -> Step:
    """It asked for more time to end: the step that was taken lasts longer, never shorter; a kill is not taken back."""
    if event.status is not None and event.status != phase.status:
        phase = replace(phase, status=event.status)
        worker = replace(worker, phase=phase)
    until = now.mono + (event.extend or 0.0)
    if phase.step > len(worker.spec.stop) or until <= phase.deadline:
        return worker, []
    worker = replace(worker, phase=replace(phase, deadline=until), serial=worker.serial + 1)
    return worker, [SetTimer("stop", until, worker.serial)]


def exceeded(worker: Worker, phase: Running, event: Exceeded, now: Now, outside: Outside) -> Step:
    """A limit is at another level. Policies that end the attempt say so; all others are for those who look."""
    over = {name: text for name, text in worker.over.items() if name != event.limit}
    if event.level is not None:
        over[event.limit] = event.text
    worker = replace(worker, over=over)
    effects: list[Effect] = []
    if event.act is None:
        return worker, effects
    cause = Cause("limit", event.text, event.level or "critical", event.act in FINAL)
    if event.act == "immediate_kill":
        return _killed(worker, phase, cause, now, effects), effects
    if event.act == "restart_adjusted":
        worker = ending.raised(worker, event.limit)
    return _stop(worker, phase, cause, now, effects), effects


def restricted(worker: Worker, phase: Running, event: Restricted, now: Now, outside: Outside) -> Step:
    """Other limits, the same attempt, whose output begins where it did."""
    handle = replace(event.handle, output=phase.handle.output)
    return replace(worker, phase=replace(phase, handle=handle, limits_due=False)), []


def contact_lost(worker: Worker, phase: Running, event: ContactLost, now: Now, outside: Outside) -> Step:
    """Out of sight is not dead: it stays running, and says since when nobody could look."""
    return replace(worker, phase=replace(phase, contact_lost_since=now.mono, contact_lost=event.reason)), []


def contact_regained(worker: Worker, phase: Running, event: ContactRegained, now: Now, outside: Outside) -> Step:
    """It was there all the time."""
    return replace(worker, phase=replace(phase, contact_lost_since=None, contact_lost="")), []


def master_restarted(
    worker: Worker, phase: Running | Stopping, event: MasterRestarted, now: Now, outside: Outside
) -> Step:
    """It ended with the master that it ran within: wanted up it starts anew, at once and outside the budget."""
    wanted = worker.wanted
    decision = "starts anew" if wanted.up else ending.stays_down(wanted)
    cause = Cause("host", "the master restarted")
    effects: list[Effect] = [Unwatch(), CancelTimer(), Destroy(phase.attempt, worker.provider)]
    ready_for = 0.0 if phase.ready_since is None else now.mono - phase.ready_since
    worker = ending.buried(
        worker, phase, Exit(note="it ended with its master"), cause, decision, now, ready_for, effects
    )
    if wanted.up and wanted.generation == phase.generation:
        wanted = replace(wanted, generation=wanted.generation + 1)
    return replace(worker, wanted=wanted, phase=Down(phase.generation, decision)), effects


def host_restarted(worker: Worker, phase: Phase, event: HostRestarted, now: Now, outside: Outside) -> Step:
    """Nothing runs any more; what is wanted up starts anew, outside the budget.

    Only `unless-stopped` remembers over a reboot that an operator stopped the worker; `always` means always.
    """
    up = worker.wanted.on or (worker.spec.restart.policy == "always" and worker.spec.enabled)
    effects: list[Effect] = []
    down = Down(worker.wanted.generation)
    if isinstance(phase, Starting | Running | Stopping):
        cause = Cause("host", "the host restarted")
        worker = ending.buried(worker, phase, Exit(note="the host restarted"), cause, "starts anew", now, 0.0, effects)
    elif not up and isinstance(phase, Down) and phase.done is not None and worker.death is not None:
        # The monotonic clock began anew; only the other one tells how long ago it was.
        down = replace(down, done=now.mono - max(0.0, now.wall - worker.death.at))
    wanted = replace(worker.wanted, on=up, generation=worker.wanted.generation + 1, leave=False, force=False)
    worker = aging.numbered(replace(worker, wanted=wanted, phase=down, failures=(), trial=False))
    return worker, effects + aging.timer(worker)


def host_left(worker: Worker, now: Now) -> Worker:
    """The host booted since, and its attempt lives elsewhere: the monotonic clock began anew, and only the other one
    tells since when."""
    phase = worker.phase
    match phase:
        case Running(since_wall=since, ready_since=ready):
            began = now.mono - max(0.0, now.wall - since)
            ready = None if ready is None else began + max(0.0, ready - phase.since)
            phase = replace(phase, since=began, ready_since=ready, contact_lost_since=None, contact_lost="", quiet=None)
        case Stopping():
            phase = replace(phase, since=now.mono, deadline=now.mono)
        case Starting():
            phase = replace(phase, since=now.mono)
    return replace(worker, phase=phase, failures=())


def _leads(worker: Worker) -> bool:
    """Whether connections at a socket of its group are to be led to it."""
    phase = worker.phase
    return isinstance(phase, Running) and phase.ready_since is not None and shares(worker.spec)


def _led(before: Worker, after: Worker) -> list[Effect]:
    """What changed in that."""
    phase, leads = after.phase, _leads(after)
    if not isinstance(phase, Running) or leads == (_leads(before) and before.attempt == after.attempt):
        return []
    return [Lead(phase.attempt, here=leads)]


def _watched(worker: Worker) -> bool:
    """Whether anybody is to look at an attempt while it runs."""
    waits = isinstance(worker.phase, Running) and worker.phase.handle.waits
    return not waits and bool(worker.outfit.probes or worker.spec.limits.watched or worker.outfit.register)


def _rewatched(worker: Worker, phase: Running, now: Now, effects: list[Effect]) -> Step:
    """Other probes for the same attempt: it is ready again when the new ones say so."""
    probes = worker.outfit.probes
    if phase.handle.waits:
        return worker, effects
    ready = phase.ready_since or now.mono if "startup" not in probes and "readiness" not in probes else None
    effects.append(Unwatch())
    if _watched(worker):
        effects.append(Watch(phase.attempt, phase.handle))
    phase = replace(phase, started="startup" not in probes, ready_since=ready)
    return replace(worker, phase=phase, health=Health()), effects


def _stale(worker: Worker, event: Event) -> bool:
    if isinstance(event, Fired):
        return event.serial != worker.serial
    return isinstance(event, OfAttempt) and event.attempt != worker.attempt


# --- the table ------------------------------------------------------------------------------------------------------

Transition = Callable[[Worker, Any, Any, Now, Outside], Step]

PHASES: tuple[type[Phase], ...] = (Down, Preparing, Starting, Running, Stopping, Waiting, Failed)

_ROWS: dict[type[Event], tuple[Transition, ...]] = {
    # event:          Down           Preparing      Starting       Running        Stopping         Waiting      Failed
    Asked: (asked, asked, asked, asked, asked, asked, asked),
    Respecified: (respecified, respecified, respecified, respecified, respecified, respecified, respecified),
    Restored: (restored, restored, ignore, ignore, ignore, restored, restored),
    Outdated: (ignore, ignore, ignore, outdated, ignore, ignore, ignore),
    Rebased: (ignore, ignore, rebased, rebased, rebased, ignore, ignore),
    Prepared: (ignore, prepared, ignore, ignore, ignore, ignore, ignore),
    Blocked: (ignore, blocked, ignore, ignore, ignore, ignore, ignore),
    Launched: (ignore, ignore, launched, ignore, ignore, ignore, ignore),
    LaunchFailed: (ignore, ignore, launch_failed, ignore, ignore, ignore, ignore),
    Begun: (ignore, ignore, ignore, begun, ignore, ignore, ignore),
    Exited: (ignore, ignore, exited, exited, exited_stopping, ignore, ignore),
    Fired: (forgotten, ignore, ignore, lived_out, stop_overdue, wait_over, trial),
    Probed: (ignore, ignore, ignore, probed, ignore, ignore, ignore),
    Said: (ignore, ignore, ignore, said, extended, ignore, ignore),
    Exceeded: (ignore, ignore, ignore, exceeded, ignore, ignore, ignore),
    Rested: (ignore, ignore, ignore, rested, ignore, ignore, ignore),
    Restricted: (ignore, ignore, ignore, restricted, ignore, ignore, ignore),
    ContactLost: (ignore, ignore, ignore, contact_lost, ignore, ignore, ignore),
    ContactRegained: (ignore, ignore, ignore, contact_regained, ignore, ignore, ignore),
    MasterRestarted: (ignore, ignore, ignore, master_restarted, master_restarted, ignore, ignore),
    HostRestarted: (host_restarted,) * len(PHASES),
}

TRANSITIONS: dict[tuple[type[Phase], type[Event]], Transition] = {
    (phase, event): row[column] for event, row in _ROWS.items() for column, phase in enumerate(PHASES)
}
"""(phase, event) -> what happened. Total: every pair stands here, `ignore` included."""
