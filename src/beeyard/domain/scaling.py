"""How many instances of a group are to run: its settings, and the decision by what they bear. Pure: moments are
arguments, of a clock that never goes back.

As Kubernetes' HorizontalPodAutoscaler decides: what all bear together, divided by what one is to bear, is how many are
needed, and within TOLERANCE of that nothing changes. An instance of which nothing is known bears nothing when more are
to be started, and its full share when some are to be stopped: so none is started for one that crashes again and again,
and none is stopped because figures are missing. More are started once the lowest answer of the last `up` seconds asks
for them, some stopped once the highest of the last `down` seconds does, and `cool_down` lies between two changes.

Refuses to know where figures come from, and which instance is started or stopped.
"""

import re
from collections.abc import Mapping
from math import ceil
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from beeyard.domain.errors import Problem
from beeyard.domain.plain import nearest
from beeyard.domain.values import Duration, number_of

TOLERANCE = 0.1
"""By how much of it what they bear may differ from what they are to bear, without any change."""
MOST = 1000
"""Instances of one group."""
_EXACT = 1e-9
"""What is left of a whole number by the arithmetic of floats is no reason for another instance."""

Number = Annotated[int, Meta(ge=1, le=MOST, description="a whole number from 1 to 1000")]
Percent = Annotated[float, "percent", Meta(gt=0, le=10_000, description="a percentage above 0, such as 70%")]
Window = Annotated[Duration, Meta(ge=0, le=3600, description="a duration of at most 1h")]
HTTP = r"^(/|https?://)[^\x00-\x20\x7f]*(?!\n)$"
HTTP_EXPECTED = "a path such as /metrics, or a URL"
NAME = r"^[A-Za-z_:][A-Za-z0-9_:]{0,255}(?!\n)$"
NAME_EXPECTED = "the name of a metric"


class Metric(Struct, frozen=True, omit_defaults=True):
    """A figure in Prometheus' text form. `http` is a path, asked of each instance at its `endpoint` (none: the first
    http one), or a URL that tells it of all of them; `target` is how much of it one instance is to bear."""

    http: Annotated[str, Meta(pattern=HTTP, max_length=4096, description=HTTP_EXPECTED)]
    name: Annotated[str, Meta(pattern=NAME, description=NAME_EXPECTED)]
    target: Annotated[float, Meta(gt=0, le=1e12, description="a number above 0")]
    endpoint: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{0,64}(?!\n)$")] = ""

    @property
    def each(self) -> bool:
        """Whether each instance is asked."""
        return self.http.startswith("/")


class Scaling(Struct, frozen=True, omit_defaults=True):
    """From `min` to `max` instances, `spares` of them beyond the need. `cpu` is how much one is to use, in percent of
    its limit, or of one core where it has none; or else a `metric` decides."""

    min: Number
    max: Number
    spares: Annotated[int, Meta(ge=0, le=MOST, description="a whole number from 0 to 1000")] = 0
    cpu: Percent | None = None
    metric: Metric | None = None
    up: Window = Duration(15.0)
    down: Window = Duration(300.0)
    cool_down: Window = Duration(60.0)

    @property
    def least(self) -> int:
        """How many run whatever they bear."""
        return min(self.max, max(self.min, 1 + self.spares))


class Load(Struct, frozen=True):
    """What the instances bear together, counted in shares of one; `missing` of those that are to run are not counted,
    because nothing is known of them. `text` says it in words."""

    total: float
    missing: int = 0
    text: str = ""


class Past(Struct, frozen=True):
    """What is remembered of a group: since when it is looked at, how many each look asked for, the last change."""

    since: float
    looks: tuple[tuple[float, int], ...] = ()
    changed: float | None = None


def decide(scaling: Scaling, running: int, load: Load | None, at: float, past: Past) -> tuple[int, Past]:
    """How many are to run, and what to remember.

    Args:
        running: how many are to run so far.
        load: None where nothing at all is known.
    """
    oldest = at - max(scaling.up, scaling.down)
    looks = [*(look for look in past.looks if look[0] >= oldest), (at, needed(scaling, running, load))]
    past = replace(past, looks=tuple(looks))
    if not scaling.least <= running <= scaling.max:
        return _bounded(scaling, running), past
    if past.changed is not None and at - past.changed < scaling.cool_down:
        return running, past
    fewest = min(asked for when, asked in looks if when >= at - scaling.up)
    if fewest > running and at - past.since >= scaling.up:
        return fewest, past
    most = max(asked for when, asked in looks if when >= at - scaling.down)
    if most < running and at - past.since >= scaling.down:
        return most, past
    return running, past


def needed(scaling: Scaling, running: int, load: Load | None) -> int:
    """How many this one look asks for."""
    if load is None:
        return _bounded(scaling, running)
    bearing = max(1, running - scaling.spares)
    shares = running
    if load.total > bearing * (1 + TOLERANCE):
        shares = ceil(load.total - _EXACT) + scaling.spares
    elif load.total + load.missing < bearing * (1 - TOLERANCE):
        shares = ceil(load.total + load.missing - _EXACT) + scaling.spares
    return _bounded(scaling, shares)


def unfit(scaling: Scaling, worker: str, endpoints: Mapping[str, str]) -> list[Problem]:
    """What of it does not go together, by the words of the worker file. `endpoints`: their protocols by name."""
    pages = [name for name, protocol in endpoints.items() if protocol in ("http", "https")]
    found = []
    if not number_of(worker):
        found.append(Problem("instances", f"the worker {worker}", "an instance of a group, such as web.1"))
    if scaling.min > scaling.max:
        found.append(Problem("instances.min", str(scaling.min), f"at most max, which is {scaling.max}"))
    if scaling.spares >= scaling.max:
        found.append(Problem("instances.spares", str(scaling.spares), f"less than max, which is {scaling.max}"))
    if scaling.cpu is not None and scaling.metric is not None:
        found.append(Problem("instances.metric", "cpu and metric", "one of them"))
    if scaling.cpu is None and scaling.metric is None and scaling.max > scaling.min:
        hint = "by what should it be decided how many are to run?"
        found.append(Problem("instances", "neither cpu nor metric", "one of them", hint=hint))
    if (metric := scaling.metric) is None:
        return found
    if not re.match(NAME, metric.name):
        found.append(Problem("instances.metric.name", metric.name, NAME_EXPECTED))
    if not re.match(HTTP, metric.http):
        found.append(Problem("instances.metric.http", metric.http, HTTP_EXPECTED))
    if metric.each:
        expected = "the name of an http endpoint"
        if metric.endpoint and metric.endpoint not in pages:
            hint = nearest(metric.endpoint, pages)
            found.append(Problem("instances.metric.endpoint", metric.endpoint, expected, hint=hint))
        elif not pages:
            found.append(Problem("instances.metric.http", f"{metric.http}, and no http endpoint", "one, or a URL"))
    return found


def _bounded(scaling: Scaling, number: int) -> int:
    return min(scaling.max, max(scaling.least, number))
