"""How a group goes over to another version of its package, and back: the next step from what its workers show. Pure:
moments are arguments, of a clock that never goes back.

A course says which build each worker is to run from (`assigned`), and is saved before anything is done by it. What is
to be done follows from it and from what the workers run (`orders`), so that whoever comes after a kill simply goes on.
The moments in it are good for one master only: the next one begins each wait anew (`woken`).

A single worker is a group of one. Where it goes blue-green, those that are to run the target are known from the start
(`green`) and were on standby: they are woken, and when all of them are well the others are put on standby. Nobody is
restarted. Refuses to know how a worker is moved, and where figures come from.
"""

from collections.abc import Sequence
from math import ceil

from msgspec.structs import replace

from beeyard.domain.course import Build, Course, Mark, Member, Order, Step
from beeyard.domain.rollout_plan import Rollout
from beeyard.domain.values import human_duration, instance_of


def assigned(course: Course, worker: str) -> Build:
    """What a worker of the group is to run from."""
    if course.green and course.stage not in ("done", "returned"):
        return course.target if worker in course.green else course.source
    if course.back:
        return course.source
    return course.target if course.stage in ("watching", "done") or worker in course.moved else course.source


def orders(course: Course, members: Sequence[Member]) -> list[Order]:
    """What is to be done so that each runs from what it is to, or is on standby; not what is on its way."""
    if course.over:
        return []
    needed, found = _needed(course, members), []
    for one in members:
        if one.rests:
            found += [Order(one.worker, "wake")] if one.worker in needed else []
        elif one.worker not in needed:
            found.append(Order(one.worker, "rest"))
        elif not one.off and not one.coming and one.digest != assigned(course, one.worker).digest:
            found.append(Order(one.worker, "renew"))
    return found


def asks(plan: Rollout, course: Course, members: Sequence[Member]) -> bool:
    """Whether those that went were well, and somebody's word is to be had before the rest goes."""
    return _unsaid(plan, course, members) and course.good >= sum(one.worker in course.moved for one in members)


def woken(course: Course, now: float) -> Course:
    """As another master goes on with it: it can't know how long nobody looked, so each wait begins anew."""
    return replace(course, progress=now, moved={name: replace(mark, at=now) for name, mark in course.moved.items()})


def step(plan: Rollout, course: Course, members: Sequence[Member], now: float, lost: str = "", hold: str = "") -> Step:
    """What is next.

    Args:
        members: those of the group that are to run, in their order.
        lost: why workers can't be given what they are to run from; empty: they can.
        hold: who has the rest stay where it is; empty: nobody.
    """
    if course.over:
        return Step(course, course.reason)
    there = [one for one in members if not one.off]
    if all(one.rests for one in there) and not lost and (course.green or not course.back):
        return Step(replace(course, idle=True), "none of its workers is to run")
    if course.idle:
        course = replace(woken(course, now), idle=False)
    if course.back:
        return _returning(plan, course, members, now, lost)
    course, everyone, members = _seen(_met(course, there, now), there, now), members, there
    if fault := lost or next(filter(None, (_fault(plan, course, one, now) for one in members)), ""):
        return _turned(course, fault, now, revert=plan.auto_revert)
    waits = [wait for one in members if (wait := _wait(plan, course, one, now))]
    good = sum(one.worker in course.moved for one in members) - len(waits)
    if good > course.good:
        course = replace(course, good=good, progress=now)
    held = bool(course.paused or hold) or asks(plan, course, members)
    if waits:
        late = course.progress + plan.deadline
        if not held and now >= late:
            fault = f"nothing went on for {human_duration(plan.deadline)}; it waited for {waits[0][1]}"
            return _turned(course, fault, now, revert=plan.auto_revert)
        until = min(at for at, _ in waits)
        return Step(course, waits[0][1], until if held else min(until, late))
    if course.paused:
        return Step(course, course.paused)
    if hold and course.stage == "moving" and (course.green or _left(course, members)):
        return Step(course, f"on hold: {hold}")
    if _unsaid(plan, course, members):
        return Step(course, f"somebody's word: beeyard rollout resume {instance_of(members[0].worker)}")
    if left := _left(course, members):
        sent = {one.worker: Mark(now, one.restarts) for one in left[: _size(plan, course, len(members))]}
        return step(plan, replace(course, moved=course.moved | sent, progress=now), everyone, now)
    if course.beside and (gone := set(course.green) - {one.worker for one in members}):
        late, text = course.progress + plan.deadline, f"{min(gone)} to be ready (it is not to run)"
        if now < late:
            return Step(course, text, late)
        return _turned(course, f"nothing went on for {human_duration(plan.deadline)}; it waited for {text}", now)
    if course.stage == "moving":
        return step(plan, replace(course, stage="watching", progress=now), everyone, now)
    if now < course.progress + plan.watch:
        return Step(course, f"all to be well for {human_duration(plan.watch)}", course.progress + plan.watch)
    if orders(course, everyone):
        return Step(course, "those of the version before to be on standby")
    return Step(replace(course, stage="done"))


def turned(course: Course, reason: str, now: float, *, revert: bool = True) -> Course:
    """It goes back, for this reason; or it ends where it is, if it may not, or if the way back is barred."""
    if course.beside:
        revert = True
    elif course.one_way:
        bar = f"{course.source.version} can't read what {course.target.version} wrote"
        return replace(course, stage="failed", reason=f"{reason}; {bar}: data epoch {course.source.epoch}")
    if not revert:
        return replace(course, stage="failed", reason=f"{reason}; auto_revert is off")
    return replace(course, stage="returning", back=True, intact=course.beside, reason=reason, paused="", progress=now)


def _turned(course: Course, reason: str, now: float, *, revert: bool = True) -> Step:
    """There may be nobody who has to be told anything: it is looked at again at once."""
    return Step(turned(course, reason, now, revert=revert), until=now)


def _returning(plan: Rollout, course: Course, members: Sequence[Member], now: float, lost: str) -> Step:
    old = [one for one in members if one.worker not in course.green and not one.off]
    unwell = [one for one in old if not _well(course, one)]
    if course.green and not course.intact and not old and any(not one.off for one in members):
        return Step(
            replace(course, stage="failed", reason=f"{course.reason}; nobody of {course.source.version} is to run")
        )
    if course.intact or not unwell:
        if orders(course, members):
            return Step(course, "those of the version that is left to be on standby")
        return Step(replace(course, stage="returned"))
    if lost:
        return Step(replace(course, stage="failed", reason=f"{course.reason}; {lost}"))
    until, text = course.progress + plan.healthy_deadline, _to_be_well(unwell[0])
    if now >= until:
        return Step(replace(course, stage="failed", reason=f"{course.reason}; then it waited in vain for {text}"))
    return Step(course, text, until)


def _met(course: Course, members: Sequence[Member], now: float) -> Course:
    """With those among the sent who run the target though nobody sent them: they did before it began, or came up on it
    because the source could not be had."""
    runs = [one for one in _left(course, members) if not one.coming and one.digest == course.target.digest]
    sent = {one.worker: Mark(now, one.restarts) for one in runs if not one.rests}
    return replace(course, moved=course.moved | sent, progress=now) if sent else course


def _seen(course: Course, members: Sequence[Member], now: float) -> Course:
    """With what is now known of those that were sent."""
    found = {one.worker: _well(course, one) for one in members if one.worker in course.moved}
    changed = {name: well for name, well in found.items() if well != course.moved[name].well}
    if not changed:
        return course
    marks = {name: replace(course.moved[name], at=now, well=well) for name, well in changed.items()}
    return replace(course, moved=course.moved | marks)


def _fault(plan: Rollout, course: Course, one: Member, now: float) -> str:
    """Why the version can't stay, by what this worker shows; empty: it can."""
    mark = course.moved.get(one.worker)
    if mark is None:
        return ""
    if one.fault and mark.well:
        return f"{one.worker}: {one.fault}"
    there = not one.coming and one.digest == assigned(course, one.worker).digest
    ends = one.restarts - mark.restarts + (one.ended and there)
    if ends > plan.crashes:
        return f"{one.worker} ended {'' if ends == 1 else f'{ends} times'}".rstrip() + _because(one)
    if not mark.well and now >= mark.at + plan.healthy_deadline:
        return f"{one.worker} was not ready within {human_duration(plan.healthy_deadline)}{_because(one)}"
    return ""


def _wait(plan: Rollout, course: Course, one: Member, now: float) -> tuple[float, str] | None:
    """Until when at most, and for what, the next ones have to wait because of this worker."""
    mark = course.moved.get(one.worker)
    if mark is None:
        return None
    if not mark.well:
        return mark.at + plan.healthy_deadline, _to_be_well(one)
    until = mark.at + plan.min_healthy
    return (until, f"{one.worker} to be well for {human_duration(plan.min_healthy)}") if now < until else None


def _needed(course: Course, members: Sequence[Member]) -> set[str]:
    """Who is to run now. On the way back the new ones serve until the old ones do, if any of them can."""
    found = {one.worker for one in members}
    if not course.green:
        return found
    old = found - set(course.green)
    if course.stage == "moving":
        return old | (found & course.moved.keys())
    if course.stage == "watching":
        return found - old
    asked = [one for one in members if one.worker in old and not one.off]
    again = course.intact or (bool(asked) and all(_well(course, one) for one in asked))
    serve = any(one.healthy for one in members if one.worker in course.green)
    return found if serve and not again else old


def _unsaid(plan: Rollout, course: Course, members: Sequence[Member]) -> bool:
    """Whether the rest may not go before somebody says so."""
    if plan.promote != "manual" or course.promoted or course.stage != "moving" or not course.moved:
        return False
    return bool(course.green or _left(course, members))


def _left(course: Course, members: Sequence[Member]) -> list[Member]:
    """Those that have not gone, and are to."""
    go = [one for one in members if not course.green or one.worker in course.green]
    return [one for one in go if one.worker not in course.moved]


def _well(course: Course, one: Member) -> bool:
    return one.healthy and not one.coming and one.digest == assigned(course, one.worker).digest


def _to_be_well(one: Member) -> str:
    return f"{one.worker} to be ready{f' ({one.trouble})' if one.trouble else ''}"


def _because(one: Member) -> str:
    return f": {one.trouble}" if one.trouble else ""


def _size(plan: Rollout, course: Course, count: int) -> int:
    """How many go next."""
    if plan.strategy in ("all", "blue-green"):
        return count
    if plan.strategy == "canary" and not course.moved:
        return max(1, min(ceil(count * plan.share / 100), count - 1))
    return plan.batch
