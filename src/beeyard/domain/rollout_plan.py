"""What a worker file says of the way to another version: `rollout:` of a worker. Decides no step of it."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from beeyard.domain.errors import Problem
from beeyard.domain.plain import nearest
from beeyard.domain.scaling import NAME, NAME_EXPECTED
from beeyard.domain.values import Duration
from beeyard.domain.windows import WINDOW, WINDOW_EXPECTED, Window

PATH = r"^/[^\x00-\x20\x7f]*(?!\n)$"
PATH_EXPECTED = "a path such as /metrics"

Strategy = Literal["all", "rolling", "canary", "blue-green"]

_Span = Annotated[Duration, Meta(ge=0, le=30 * 86400, description="a duration of at most 30d")]
_Period = Annotated[Duration, Meta(gt=0, le=30 * 86400, description="a duration above 0, at most 30d")]


class Gate(Struct, frozen=True, omit_defaults=True):
    """A figure in Prometheus' text form that is at most `most` where all is well. `http` is a path, asked of each
    worker at its `endpoint` (none: the first http one)."""

    http: Annotated[str, Meta(pattern=PATH, max_length=4096, description=PATH_EXPECTED)]
    name: Annotated[str, Meta(pattern=NAME, description=NAME_EXPECTED)]
    most: Annotated[float, Meta(ge=0, le=1e12, description="a number from 0")] = 0.0
    endpoint: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{0,64}(?!\n)$")] = ""


class Rollout(Struct, frozen=True, omit_defaults=True):
    """How a worker, or its group, goes over to another version.

    `batch` workers at a time where it is rolling; a canary begins with that `share` of them, and then is rolling;
    blue-green as many as run start beside them, and take over. Each has to be well for `min_healthy` before the next
    ones go, within `healthy_deadline`, and something has to go on at least every `deadline`. With `promote: manual`
    somebody has to say so before the rest of a canary goes, or they take over. When all have gone they are watched for
    a while. One that ends by itself more than `crashes` times, or that the `gate` finds fault with, is enough to take
    all back, if `auto_revert` says so. `windows`: when an update may begin by itself; with `hold` none does.
    """

    strategy: Strategy = "all"
    batch: Annotated[int, Meta(ge=1, le=1000, description="a whole number from 1 to 1000")] = 1
    share: Annotated[float, "percent", Meta(gt=0, le=100, description="a percentage such as 25%")] = 25.0
    min_healthy: _Span = Duration(10.0)
    healthy_deadline: _Period = Duration(300.0)
    deadline: _Period = Duration(600.0)
    watch: _Span = Duration(120.0)
    crashes: Annotated[int, Meta(ge=0, le=1000, description="a whole number from 0 to 1000")] = 0
    promote: Literal["auto", "manual"] = "auto"
    gate: Gate | None = None
    auto_revert: bool = True
    windows: Annotated[tuple[Window, ...], Meta(max_length=100)] = ()
    hold: bool = False


ORDINARY = Rollout()
"""Of a worker that says nothing of it."""


def unfit(plan: Rollout, package: str, endpoints: Mapping[str, str]) -> list[Problem]:
    """What of it does not go together, by the words of the worker file. `endpoints`: their protocols by name."""
    pages = [name for name, protocol in endpoints.items() if protocol in ("http", "https")]
    found = []
    if not package:
        found.append(Problem("rollout", "no `package`", "one: there are no versions to go over to"))
    for number, window in enumerate(plan.windows):
        if not re.match(WINDOW, window):
            found.append(Problem(f"rollout.windows[{number}]", window, WINDOW_EXPECTED))
    if plan.promote == "manual" and plan.strategy not in ("canary", "blue-green"):
        hint = "a canary waits for somebody's word after its share, blue-green before it takes over"
        found.append(Problem("rollout.promote", f"manual, and the strategy {plan.strategy}", "auto", hint=hint))
    if (gate := plan.gate) is None:
        return found
    if not re.match(PATH, gate.http):
        found.append(Problem("rollout.gate.http", gate.http, PATH_EXPECTED))
    if not re.match(NAME, gate.name):
        found.append(Problem("rollout.gate.name", gate.name, NAME_EXPECTED))
    if gate.endpoint and gate.endpoint not in pages:
        hint = nearest(gate.endpoint, pages)
        found.append(Problem("rollout.gate.endpoint", gate.endpoint, "the name of an http endpoint", hint=hint))
    elif not pages:
        found.append(Problem("rollout.gate", "no http endpoint", "one that tells the figure"))
    return found
