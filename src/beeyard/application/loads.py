"""What the instances of a group bear now: CPU by their curves, a metric by asking for it. Decides nothing.

Only instances that are ready tell anything: what one uses while it starts is no load, and one that waits for its next
start is not idle.
"""

import asyncio
from collections.abc import Sequence

from beeyard.application.probing import http_address
from beeyard.application.supervisor import Supervisor
from beeyard.domain.errors import BeeyardError
from beeyard.domain.metric import total
from beeyard.domain.rollout_plan import Gate
from beeyard.domain.scaling import Load, Metric, Scaling
from beeyard.domain.spec import ProbeSpec
from beeyard.domain.worker import Running, Worker
from beeyard.ports.prober import Prober

OLDEST = 35.0
"""Seconds for which a reading of CPU stands where none came later: idle workers are read that seldom (`sampling`)."""
TIMEOUT = 2.0
"""Seconds in which a metric has to be told."""


async def load(scaling: Scaling, group: Sequence[Supervisor], prober: Prober, at: float) -> Load | None:
    """What they bear; None where nobody could tell anything.

    Args:
        group: those that are to run, whether they do or not.
    """
    if scaling.metric is None:
        return _cpu(scaling, group, at)
    metric = scaling.metric
    if not metric.each:
        value = await _asked(metric, metric.http, prober)
        return None if value is None else Load(value / metric.target, text=_text(metric, value))
    found = await asyncio.gather(*(told(metric, supervisor.worker, prober) for supervisor in group))
    values = [value for value in found if value is not None]
    if not values:
        return None
    return Load(sum(values) / metric.target, len(found) - len(values), _text(metric, sum(values)))


def _cpu(scaling: Scaling, group: Sequence[Supervisor], at: float) -> Load | None:
    found = [_used(supervisor, scaling.up, at) for supervisor in group]
    used = [percent for percent in found if percent is not None]
    if not used or scaling.cpu is None:
        return None
    text = f"cpu {sum(used) / len(used):.0f} % of {scaling.cpu:g} %"
    return Load(sum(used) / scaling.cpu, len(found) - len(used), text)


def _used(supervisor: Supervisor, lately: float, at: float) -> float | None:
    """The mean of the last readings, in percent of what it may use; of older ones only the last."""
    phase, curve = supervisor.worker.phase, supervisor.curve
    if not isinstance(phase, Running) or phase.ready_since is None or curve is None:
        return None
    known = [point for point in curve.points(max(phase.ready_since, at - OLDEST)) if point.cpu is not None]
    recent = [point for point in known if point.at >= at - lately] or known[-1:]
    if not recent:
        return None
    return 100 * sum(point.cpu or 0.0 for point in recent) / len(recent) / _cores(supervisor.worker)


def _cores(worker: Worker) -> float:
    """How many it may use; one, where nothing is said."""
    bounds = worker.limits.bounds
    given = [bounds["cpu.max_cores"].bound] if "cpu.max_cores" in bounds else []
    given += [bounds["cpu.max_percent"].bound / 100] if "cpu.max_percent" in bounds else []
    return min(given, default=1.0)


async def told(metric: Metric | Gate, worker: Worker, prober: Prober) -> float | None:
    """The figure that one worker tells of itself; None where it tells none."""
    phase = worker.phase
    if not isinstance(phase, Running) or phase.ready_since is None:
        return None
    probe = ProbeSpec("http", target=metric.http, endpoint=metric.endpoint)
    try:
        url = http_address(worker.outfit.endpoints, phase.handle.ports, probe)
    except BeeyardError:
        return None
    return await _asked(metric, url, prober)


async def _asked(metric: Metric | Gate, url: str, prober: Prober) -> float | None:
    page = await prober.read(url, TIMEOUT)
    return None if page.text is None else total(page.text, metric.name)


def _text(metric: Metric, value: float) -> str:
    return f"{metric.name} {value:g}, {metric.target:g} for each"
