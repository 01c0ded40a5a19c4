"""What it takes for two versions of a worker to stand side by side: the two colours of a group that goes over
blue-green, and what one of them may not have without being in the way of the other. Pure.

Such a group has twice as many workers as run: the first half of them by number is one colour, the second the other. One
serves while the other one is on standby. Which of them it is the workers' own wishes say, so there is no second record
that could differ.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from beeyard.domain.course import Member, Order
from beeyard.domain.errors import Problem
from beeyard.domain.rollout_plan import Rollout
from beeyard.domain.values import number_of

EITHER = "both versions answer there while they stand side by side; with `port: auto` it is an endpoint of its own"


class Asking(Protocol):
    """What has to be known of a probe."""

    @property
    def means(self) -> str: ...

    @property
    def target(self) -> str: ...

    @property
    def endpoint(self) -> str: ...


class Address(Protocol):
    """Of an endpoint."""

    @property
    def protocol(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def listen(self) -> object | None: ...


class Spec(Protocol):
    """Of a worker."""

    @property
    def id(self) -> str: ...

    @property
    def rollout(self) -> Rollout | None: ...

    @property
    def scaling(self) -> object | None: ...

    @property
    def half(self) -> int: ...

    @property
    def endpoints(self) -> Mapping[str, Address]: ...

    @property
    def probes(self) -> Mapping[Any, Asking]: ...


def serving(half: int, members: Sequence[Member]) -> list[Member]:
    """The colour that serves: the one of which more are well, or else are not on standby."""
    first = [one for one in members if number_of(one.worker) <= half]
    second = [one for one in members if number_of(one.worker) > half]
    return second if _strength(second) > _strength(first) else first


def resting(half: int, members: Sequence[Member]) -> list[Member]:
    """The colour that does not."""
    found = [one.worker for one in serving(half, members)]
    return [one for one in members if one.worker not in found]


def straightened(half: int, members: Sequence[Member]) -> list[Order]:
    """What a group that is on no way is told, so that one colour serves and the other one does not; it is of another
    size, perhaps."""
    needed = serving(half, members)
    woken = [Order(one.worker, "wake") for one in needed if one.rests]
    if woken or not all(one.healthy for one in needed):
        return woken
    return [Order(one.worker, "rest") for one in resting(half, members) if not one.rests]


def clashes(spec: Spec) -> Iterator[Problem]:
    """Why two versions of this worker can't stand side by side, by the words of the worker file."""
    plan = spec.rollout
    if plan is None or plan.strategy != "blue-green":
        if spec.half:
            yield Problem("instances", f"{spec.half} beside as many on standby", "`rollout: {strategy: blue-green}`")
        return
    if spec.scaling is not None:
        hint = "how many run is said by a number, and as many are on standby"
        yield Problem("rollout.strategy", "blue-green in a group that scales", "another one", hint=hint)
    elif not 1 <= number_of(spec.id) <= 2 * spec.half:
        yield Problem("rollout.strategy", "blue-green without `instances`", "a group: `instances: 1` will do")
    shared = {name for name, endpoint in spec.endpoints.items() if endpoint.listen is not None}
    for name, endpoint in spec.endpoints.items():
        if endpoint.port and endpoint.listen is None:
            hint = "both versions run for a while: with `listen: true` they share one socket"
            yield Problem(f"endpoints.{name}.port", str(endpoint.port), "`auto`", hint=hint)
    for role, probe in spec.probes.items():
        if (name := asked_at(probe, spec.endpoints)) in shared:
            yield Problem(f"probes.{role}", f"{probe.means} at {name}", "notify, or another one", hint=EITHER)
    if plan.gate is not None:
        pages = (name for name, endpoint in spec.endpoints.items() if endpoint.protocol in ("http", "https"))
        if (name := plan.gate.endpoint or next(pages, "")) in shared:
            yield Problem("rollout.gate", f"asked at {name}", "another endpoint", hint=EITHER)


def asked_at(probe: Asking, endpoints: Mapping[str, Address]) -> str:
    """The endpoint at which a probe asks; empty: at none, or somewhere else."""
    target = probe.target or probe.endpoint
    if probe.means not in ("http", "tcp", "grpc") or "://" in target:
        return ""
    if probe.means == "http":
        pages = (name for name, endpoint in endpoints.items() if endpoint.protocol in ("http", "https"))
        return probe.endpoint or next(pages, "")
    return "" if target.rpartition(":")[2].isdecimal() else target


def _strength(members: Sequence[Member]) -> tuple[int, int]:
    return sum(one.healthy for one in members), sum(not one.rests for one in members)
