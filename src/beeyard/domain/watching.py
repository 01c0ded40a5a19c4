"""From measures to what is done about them: warnings, excesses, ends. Pure; one `Watch` an attempt.

A level is told once when it has lasted for the spike tolerance, and is over only after the value went down by a good
margin: a value that dances around its bound fills no log. A policy that ends the attempt is carried out when the
excess has lasted as long as the worker's limits say, and never within the grace of a start.
"""

from collections.abc import Mapping

from msgspec import Struct

from beeyard.domain.limits import ENDINGS, Ending, Limit, LimitName, Limits, Severity, amount
from beeyard.domain.values import human_duration

EMERGENCY = 1.5
"""Times the bound from which an excess is an emergency."""
EASED = 0.95
"""Times a threshold below which a level is over."""

_LEVELS: tuple[Severity, ...] = ("warning", "critical", "emergency")
_RANK: dict[Severity | None, int] = {None: 0, "warning": 1, "critical": 2, "emergency": 3}


class Measure(Struct, frozen=True, gc=False):
    """What an attempt and all it started use. None where that can't be told.

    Seconds of CPU, bytes read and written, and operations so far; `rss` and `swap` in bytes and `processes` now;
    `virtual` bytes and open `descriptors` of that process which has most of them.
    """

    cpu: float
    rss: int | None
    processes: int
    virtual: int | None = None
    swap: int | None = None
    read_bytes: int | None = None
    write_bytes: int | None = None
    read_ops: int | None = None
    write_ops: int | None = None
    descriptors: int | None = None


class Excess(Struct, frozen=True, gc=False):
    """`level` was reached by one limit, None: it is within again. `act`: what the policy does about it now."""

    limit: LimitName
    level: Severity | None
    text: str
    act: Ending | None = None


class _Over(Struct, frozen=True, gc=False):
    """One limit that is at a level: since when at this one or above, since when over its bound, what was told of it."""

    level: Severity
    since: float
    over_since: float | None
    told: Severity | None = None
    acted: bool = False


class Watch(Struct, frozen=True):
    """What is remembered of one attempt between two measures: the last one, its moment, and what is at a level."""

    at: float = 0.0
    last: Measure | None = None
    over: dict[LimitName, _Over] = {}


def watch(limits: Limits, seen: Watch, measure: Measure, at: float, grace_until: float) -> tuple[Watch, list[Excess]]:
    """Take one measure.

    Args:
        at: its moment, on a clock that never goes back.
        grace_until: no policy ends the attempt before.

    Returns:
        What to remember, and what there is to tell or to do; of several ends only the first.
    """
    values = usage(seen, measure, at)
    over: dict[LimitName, _Over] = {}
    found: list[Excess] = []
    acting = False
    for name, limit in limits.watched.items():
        value = values.get(name)
        before = seen.over.get(name)
        if value is None:
            if before is not None:
                over[name] = before
            continue
        now = _judged(limits, name, limit, before, value, at)
        if now is None:
            if before is not None and before.told is not None:
                found.append(Excess(name, None, f"{name}: down to {amount(name, value)}"))
            continue
        lasted = at - now.since
        if now.told != now.level and lasted >= limits.spike:
            now = _Over(now.level, now.since, now.over_since, now.level, now.acted)
            found.append(Excess(name, now.level, _text(limits, name, limit, now.level, value)))
        due = max(limits.spike, limits.sustained)
        ends = limit.policy in ENDINGS and now.over_since is not None and not now.acted
        if ends and not acting and now.over_since is not None and at - now.over_since >= due and at >= grace_until:
            acting = True
            now = _Over(now.level, now.since, now.over_since, now.level, acted=True)
            found = [excess for excess in found if excess.limit != name]
            text = _text(limits, name, limit, now.level, value, at - (now.over_since or at))
            found.append(Excess(name, now.level, text, limit.policy))  # type: ignore[arg-type]
        over[name] = now
    return Watch(at, measure, over), found


def usage(seen: Watch, measure: Measure, at: float) -> Mapping[LimitName, float | None]:
    """What each limit bounds, as it is now; None where it can't be told, or not yet."""
    last, lasted = seen.last, at - seen.at

    def rate(now: float | None, before: float | None) -> float | None:
        return (now - before) / lasted if now is not None and before is not None and lasted > 0 else None

    cores = rate(measure.cpu, last.cpu) if last else None
    return {
        "memory.max_rss": measure.rss,
        "memory.max_virtual": measure.virtual,
        "memory.max_swap": measure.swap,
        "cpu.max_cores": cores,
        "cpu.max_percent": None if cores is None else cores * 100,
        "cpu.max_time": measure.cpu,
        "io.max_read_bps": rate(measure.read_bytes, last.read_bytes) if last else None,
        "io.max_write_bps": rate(measure.write_bytes, last.write_bytes) if last else None,
        "io.max_read_ops": rate(measure.read_ops, last.read_ops) if last else None,
        "io.max_write_ops": rate(measure.write_ops, last.write_ops) if last else None,
        "process.max_processes": measure.processes,
        "process.max_child_processes": measure.processes - 1,
        "process.max_file_descriptors": measure.descriptors,
    }


def _judged(
    limits: Limits, name: LimitName, limit: Limit, before: _Over | None, value: float, at: float
) -> _Over | None:
    """The level it is at now, None below all of them; since when goes on while it stays there."""
    level = _level(limit, value)
    if before is not None:  # From each level that it was at or above it goes only by the margin.
        left = (known for known in _LEVELS if _RANK[known] <= _RANK[before.level] and _near(limit, known, value))
        level = max((level, *left), key=_RANK.__getitem__)
    if level is None:
        return None
    over = _RANK[level] >= _RANK["critical"]
    if before is None:
        return _Over(level, at, at if over else None)
    since = before.since if _RANK[level] <= _RANK[before.level] else at
    over_since = (before.over_since if before.over_since is not None else at) if over else None
    return _Over(level, since, over_since, before.told, before.acted)


def _level(limit: Limit, value: float) -> Severity | None:
    if value >= limit.bound * EMERGENCY:
        return "emergency"
    if value >= limit.bound:
        return "critical"
    return "warning" if limit.warning and value >= limit.bound * limit.warning / 100 else None


def _near(limit: Limit, level: Severity, value: float) -> bool:
    """Whether it has not yet gone down by the margin. A limit that warns of nothing has no such level."""
    share = {"warning": limit.warning / 100, "critical": 1.0, "emergency": EMERGENCY}[level]
    return share > 0 and value >= limit.bound * share * EASED


def _text(
    limits: Limits, name: LimitName, limit: Limit, level: Severity, value: float, lasted: float | None = None
) -> str:
    """`memory.max_rss: 530 MB of 512 MB (critical), restart`."""
    text = f"{name}: {amount(name, value)} of {amount(name, limit.bound)} ({level})"
    if limit.policy in ENDINGS and level != "warning":
        if lasted is None:
            due = max(limits.spike, limits.sustained)
            text += f", {limit.policy} if it lasts {human_duration(due)}" if due else f", {limit.policy}"
        else:
            text += f" for {human_duration(lasted)}, {limit.policy}" if lasted else f", {limit.policy}"
    return text
