"""By what each worker can be reached now: the endpoints of its spec, and what its module registered.

A worker that is not ready is reached by nothing. What a module registered is a lease: it is gone with the attempt, and
when its host has been silent for three periods, whatever else there is to know of the worker.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from beeyard.application.notified import Notified
from beeyard.application.supervisor import Supervisor
from beeyard.domain.errors import BeeyardError, Invalid, NotFound, Refused
from beeyard.domain.messages import Now
from beeyard.domain.plain import nearest
from beeyard.domain.spec import Endpoint, asking
from beeyard.domain.worker import Running, Worker, state
from beeyard.sdk import finding
from beeyard.sdk.endpoints import EndpointView, kind_of
from beeyard.sdk.errors import Unreachable
from beeyard.sdk.report import Offer

LEASE = 3
"""Periods of silence until what a module registered is taken back."""

_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where to reach from this host who listens on all addresses."""


def reached(worker: Worker, notified: Notified | None, now: Now) -> list[EndpointView]:
    """The worker's endpoints by name; of one name, what the module says counts."""
    phase = worker.phase
    if not isinstance(phase, Running) or phase.ready_since is None:
        return []
    since = round(phase.since_wall + phase.ready_since - phase.since, 3)
    found = {
        name: _view(worker.id, name, Offer(endpoint.protocol, address(endpoint, phase.handle.ports.get(name))), since)
        for name, endpoint in worker.outfit.endpoints.items()
        if phase.handle.ports.get(name, endpoint.port) or endpoint.unix
    }
    if notified is not None and notified.attempt == phase.attempt and notified.report is not None:
        period, timeout = asking(worker.outfit)
        if now.mono - notified.reported <= LEASE * (period + timeout):
            found |= {
                name: _view(worker.id, name, offer, since, module=True)
                for name, offer in notified.report.offers.items()
            }
    return [found[name] for name in sorted(found)]


def address(endpoint: Endpoint, port: int | None) -> str:
    """Where an endpoint of a spec is reached from this host: a URL, `host:port`, or `unix:` and a path."""
    if endpoint.unix:
        return f"unix:{endpoint.unix}"
    host = _EVERYWHERE.get(endpoint.host, endpoint.host)
    place = f"{f'[{host}]' if ':' in host else host}:{endpoint.port if port is None else port}"
    if endpoint.protocol not in ("http", "https"):
        return place
    path = endpoint.path if endpoint.path.startswith("/") or not endpoint.path else f"/{endpoint.path}"
    return f"{endpoint.protocol}://{place}{path}"


def _view(worker: str, name: str, offer: Offer, since: float, *, module: bool = False) -> EndpointView:
    return EndpointView(
        worker=worker,
        name=name,
        kind=kind_of(offer.protocol, offer.address),
        protocol=offer.protocol,
        address=offer.address,
        metadata=dict(offer.metadata),
        since=since,
        source="module" if module else "file",
    )


class Endpoints:
    """Those of one master's workers.

    Args:
        find: the worker of a name, or all instances of a group.
    """

    def __init__(self, find: Callable[[str], Sequence[Supervisor]], now: Callable[[], Now]) -> None:
        self._find = find
        self._now = now
        self._turns: dict[tuple[str, str], str] = {}

    def of(self, supervisors: Sequence[Supervisor]) -> Iterator[EndpointView]:
        """All that these can be reached by."""
        now = self._now()
        for supervisor in supervisors:
            yield from reached(supervisor.worker, supervisor.notified, now)

    def get(self, name: str, endpoint: str = "") -> EndpointView:
        """One endpoint; of a group, that of the next worker which is ready. Without its name, the only one there is.

        Raises:
            NotFound: no such worker, or no such endpoint.
            Refused: `worker_unreachable`, none is ready.
            Invalid: `endpoint_ambiguous`, it has several.
        """
        supervisors = self._find(name)
        found = list(self.of(supervisors))
        names = {view.name for view in found} | {one for s in supervisors for one in s.worker.outfit.endpoints}
        if not endpoint and len(names) > 1:
            text, hint = "{worker} has several endpoints: {names}", "name one of them"
            raise Invalid("endpoint_ambiguous", text, worker=name, names=", ".join(sorted(names)), hint=hint)
        asked = endpoint or next(iter(names), "")
        chosen = {view.worker: view for view in found if view.name == asked}
        if not chosen:
            raise _missing(name, asked, names, [supervisor.worker for supervisor in supervisors])
        return self._next((name, asked), chosen)

    @contextmanager
    def served(self, master: str) -> Iterator[None]:
        """Tell modules that run in this process, on whatever loop, while the block lasts. `master`: the socket by which
        they know theirs."""
        loop = asyncio.get_running_loop()

        async def look(worker: str) -> list[EndpointView]:
            return list(self.of(self._find(worker)))

        async def find(worker: str) -> list[EndpointView]:
            asked = look(worker)
            try:
                if asyncio.get_running_loop() is loop:
                    return await asked
                return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asked, loop))
            except BeeyardError as error:
                raise Unreachable(str(error), error.hint) from None

        end = finding.serve(master, find)
        try:
            yield
        finally:
            end()

    def _next(self, asked: tuple[str, str], chosen: Mapping[str, EndpointView]) -> EndpointView:
        """The one after the last that was given, in the order of the group."""
        workers, last = list(chosen), self._turns.get(asked, "")
        worker = workers[(workers.index(last) + 1) % len(workers) if last in chosen else 0]
        self._turns[asked] = worker
        return chosen[worker]


def _missing(name: str, asked: str, names: set[str], workers: Sequence[Worker]) -> NotFound | Refused:
    """Why there is none: nothing is ready, or nothing has that name."""
    if all(not isinstance(one.phase, Running) or one.phase.ready_since is None for one in workers):
        states = ", ".join(sorted({state(one) if state(one) != "running" else "not ready" for one in workers}))
        text, up = "{worker} can't be reached: it is {state}", any(one.wanted.up for one in workers)
        hint = f"beeyard why {name}" if up else f"beeyard start {name}"
        return Refused("worker_unreachable", text, worker=name, state=states, hint=hint)
    if not asked:
        text, hint = "{worker} has no endpoint", "`endpoints:` in the worker file names some, or its module does"
        return NotFound("no_such_endpoint", text, worker=name, hint=hint)
    text = "{worker} has no endpoint {name}"
    return NotFound("no_such_endpoint", text, worker=name, name=asked, hint=nearest(asked, sorted(names)))
