"""The only place where effects meet ports. Each one ends as an event, or has nothing to report."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from beeyard.application.heard import Heard
from beeyard.application.limiting import Limiting
from beeyard.application.notified import Notified
from beeyard.application.packages.supplies import Supplies
from beeyard.application.probing import Probing
from beeyard.application.sampling import last_minute
from beeyard.application.supervisor import Supervisor
from beeyard.application.waiting import pause
from beeyard.domain.errors import BeeyardError, NotFound, Unavailable
from beeyard.domain.limits import held
from beeyard.domain.messages import (
    Bury,
    CancelTimer,
    Destroy,
    Effect,
    Event,
    Fired,
    Forget,
    Handle,
    Kill,
    Launch,
    Launched,
    LaunchFailed,
    Lead,
    Prepare,
    Restrict,
    Restricted,
    SetTimer,
    Terminate,
    Unwatch,
    Watch,
)
from beeyard.domain.pressure import strain
from beeyard.domain.refusals import refusal
from beeyard.domain.spec import Endpoint, notifies
from beeyard.domain.worker import Death, Running, Stopping, Worker
from beeyard.ports.clock import Clock
from beeyard.ports.host import Host
from beeyard.ports.logs import Logs
from beeyard.ports.notify import Notices
from beeyard.ports.prober import Prober
from beeyard.ports.provider import Leads, Provider, Purpose

LAST_LINES = 20
"""Lines of output that a death record keeps."""
INDEXED = 0.05
"""Seconds by which a line may seem older than it is: the pump notes the time that often (launcher/pump.py)."""
EXEC_PROBES = 8
"""Probe commands that run at the same time on one host."""

log = logging.getLogger("beeyard")


class Effects:
    """Runs effects for one master. `post(worker, event)` brings events back; `bury(worker, death)` keeps a record;
    `part(worker, attempt)` is told of each that is no more.

    `spawn` runs what takes time, and logs what goes wrong in it: most orders have no answer, and what comes of them is
    seen as an exit, or by the next timer.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        prober: Prober,
        clock: Clock,
        host: Host,
        logs: Logs,
        notices: Notices,
        post: Callable[[str, Event], None],
        bury: Callable[[str, Death], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        roll: Callable[[], float],
        limiting: Limiting,
        supplies: Supplies,
        forget: Callable[[str], Coroutine[Any, Any, None]],
        part: Callable[[str, int], Coroutine[Any, Any, None]],
    ) -> None:
        self._providers = providers
        self._prober = prober
        self._clock = clock
        self._host = host
        self._logs = logs
        self._notices = notices
        self._post = post
        self._bury = bury
        self._spawn = spawn
        self._roll = roll
        self._limiting = limiting
        self._supplies = supplies
        self._forget = forget
        self._part = part
        self._execs = asyncio.Semaphore(EXEC_PROBES)
        self._graves: deque[tuple[str, Death, Provider]] = deque()

    def run(self, supervisor: Supervisor, effect: Effect, *, resumed: bool = False) -> None:
        """Start one effect; nothing is waited for. `resumed`: the attempt ran before this master did."""
        worker = supervisor.worker
        provider = self._providers[worker.provider]
        match effect:
            case Prepare():
                pass  # Answered within the turn: see Engine.prepare.
            case Launch(attempt=attempt):
                self._spawn(self._launch(worker, attempt, provider, resumed=resumed))
            case Terminate(attempt=attempt, step=step, number=number):
                if isinstance(worker.phase, Stopping):
                    self._listen(supervisor, attempt, worker.phase.handle)  # It may ask for more time.
                self._spawn(provider.terminate(worker.id, attempt, step, number, _purpose(worker)))
            case Kill(attempt=attempt):
                self._spawn(provider.kill(worker.id, attempt))
            case Destroy(attempt=attempt, provider=name):
                self._turn_away(supervisor)
                self._host.publish(worker.id, None, {})
                self._spawn(self._providers[name].destroy(worker.id, attempt))
                self._spawn(self._part(worker.id, attempt))
            case SetTimer(timer=timer, at=at, serial=serial):
                self._cancel(supervisor)
                fired = Fired(timer, serial)
                supervisor.timer = self._clock.call_at(at, lambda: self._post(worker.id, fired))
            case CancelTimer():
                self._cancel(supervisor)
            case Watch(attempt=attempt, handle=handle):
                self._unwatch(supervisor)
                self._limiting.begin(supervisor, attempt)
                self._listen(supervisor, attempt, handle)
                if worker.outfit.probes:
                    supervisor.probing = self._probing(supervisor, attempt, handle, provider, resumed=resumed)
                    supervisor.probing.start()
            case Lead(attempt=attempt, here=here):
                if isinstance(provider, Leads):
                    self._spawn(provider.lead(worker.id, attempt, here=here))
            case Restrict(attempt=attempt):
                self._limiting.begin(supervisor, attempt)
                self._spawn(self._restrict(worker, attempt, provider))
            case Unwatch():
                self._limiting.end(supervisor)
                self._unwatch(supervisor)
            case Forget():
                self._spawn(self._forget(worker.id))
            case Bury():
                if worker.death is not None:
                    usage = last_minute(supervisor, worker.death, self._clock.now())
                    self._graves.append((worker.id, replace(worker.death, usage=usage), provider))
                    if len(self._graves) == 1:
                        self._spawn(self._undertake())

    def release(self, supervisor: Supervisor) -> None:
        """Let go of everything live; the worker itself goes on."""
        self._cancel(supervisor)
        self._limiting.end(supervisor)
        self._unwatch(supervisor)
        self._turn_away(supervisor)

    def _listen(self, supervisor: Supervisor, attempt: int, handle: Handle) -> None:
        """Hear what the attempt says of itself, if it is to; harmless twice."""
        worker, pid = supervisor.worker, handle.state.get("pid")
        known = supervisor.notified is not None and supervisor.notified.attempt == attempt
        if known or not notifies(worker.outfit):
            return
        self._turn_away(supervisor)
        phase, startup = worker.phase, worker.outfit.probes.get("startup")
        by_word = startup is not None and startup.means == "notify"
        ready = isinstance(phase, Running) and (phase.ready_since is not None or (by_word and phase.started))
        module = worker.outfit.module
        start = module.start_timeout if module is not None else 0.0
        notified = Notified(attempt, self._clock, lambda event: self._post(worker.id, event), ready=ready, start=start)
        supervisor.notified = notified
        notified.ends = self._notices.hear(worker.id, attempt, pid, notified.take)

    def _turn_away(self, supervisor: Supervisor) -> None:
        if supervisor.notified is not None:
            supervisor.notified.end()
            supervisor.notified = None

    def _probing(
        self, supervisor: Supervisor, attempt: int, handle: Handle, provider: Provider, *, resumed: bool
    ) -> Probing:
        worker, phase = supervisor.worker, supervisor.worker.phase
        began = phase.since_wall if isinstance(phase, Running) else self._clock.now().wall
        return Probing(
            worker.outfit,
            attempt,
            handle,
            provider,
            self._prober,
            self._clock,
            self._roll,
            lambda event: self._post(worker.id, event),
            listen=lambda probe, tell: Heard(worker.id, probe, self._logs, handle, began, tell),
            strain=lambda: strain(self._host.pressure()),
            execs=self._execs,
            since=phase.since if isinstance(phase, Running) else None,
            resumed=resumed,
            started=isinstance(phase, Running) and phase.started,
            ready=isinstance(phase, Running) and phase.ready_since is not None,
            notified=supervisor.notified,
        )

    async def _launch(self, worker: Worker, attempt: int, provider: Provider, *, resumed: bool) -> None:
        """Until there is an answer: while the provider can't be reached nothing was started, so it is asked again."""
        ports: dict[str, int] = {}
        output: str | None = None
        in_force = replace(worker.outfit, limits=worker.limits)
        while True:
            try:
                ports = ports or self._ports(worker)
                # Once: it may run since the first try, or since an earlier master's, and have written something.
                if output is None:
                    output = "" if resumed else await self._end_of_output(worker, provider)
                with suppress(*([NotFound] if resumed else [])):  # Then it may run already, and nobody needs it.
                    await self._supplies.take(worker)
                handle = replace(await provider.launch(in_force, attempt, ports), output=output)
            except Unavailable as error:
                log.warning("%s: launch of attempt %d waits: %s", worker.id, attempt, error)
                await pause(self._clock, 0.2)
                continue
            except BeeyardError as error:
                refused = refusal(error)
                if refused.category == "executable_not_found":
                    self._supplies.doubt(worker)
                self._post(worker.id, LaunchFailed(attempt, str(error), refused))
                return
            except Exception as error:
                log.exception("%s: launch failed in an unforeseen way", worker.id)
                self._post(worker.id, LaunchFailed(attempt, f"error in Beeyard: {error!r}"))
                return
            self._host.publish(worker.id, handle.state.get("pid"), handle.ports)
            self._post(worker.id, Launched(attempt, handle))
            return

    async def _restrict(self, worker: Worker, attempt: int, provider: Provider) -> None:
        """Until there is an answer, as with a launch."""
        while True:
            try:
                handle = await provider.hold(worker.id, attempt, held(worker.limits))
            except Unavailable as error:
                log.warning("%s: its new limits wait: %s", worker.id, error)
                await pause(self._clock, 0.2)
                continue
            if handle is not None:
                self._post(worker.id, Restricted(attempt, handle))
            return

    async def _end_of_output(self, worker: Worker, provider: Provider) -> str:
        """Where in its log the next attempt begins, for those whose probes have to know."""
        if not any(probe.means == "log" for probe in worker.outfit.probes.values()):
            return ""
        await provider.drain(worker.id)
        return await self._logs.end(worker.id)

    def _ports(self, worker: Worker) -> dict[str, int]:
        """The port of each endpoint; one that the master chooses stays the same over restarts while it is free."""
        return {
            name: endpoint.port or self._chosen(endpoint, worker.ports.get(name, 0))
            for name, endpoint in worker.spec.endpoints.items()
            if not endpoint.unix
        }

    def _chosen(self, endpoint: Endpoint, last: int) -> int:
        """A free one. What we listen at ourselves is ours although it is not free."""
        return last if last and endpoint.listen else self._host.free_port(last)

    async def _undertake(self) -> None:
        """Last words of the dead, one after the other: a thousand at once must not keep the living waiting."""
        while self._graves:
            worker, death, provider = self._graves[0]
            try:
                await provider.drain(worker)
                lines = await self._logs.tail(worker, LAST_LINES, since=death.at - death.uptime - INDEXED)
                death = replace(death, lines=tuple(line.text for line in lines))
            except BeeyardError as error:
                log.warning("%s: the last lines could not be read: %s", worker, error)
            except Exception:
                log.exception("%s: the last lines could not be read", worker)
            if death.lines or death.usage:
                self._bury(worker, death)
            self._graves.popleft()

    def _cancel(self, supervisor: Supervisor) -> None:
        if supervisor.timer is not None:
            supervisor.timer.cancel()
            supervisor.timer = None

    def _unwatch(self, supervisor: Supervisor) -> None:
        if supervisor.probing is not None:
            supervisor.probing.stop()
            supervisor.probing = None


def _purpose(worker: Worker) -> Purpose:
    """What its end is for. As its record says, so that a master that wakes up in the middle goes on with the same."""
    phase = worker.phase
    respecified = isinstance(phase, Stopping) and phase.cause.kind == "respec"
    if worker.wanted.held or worker.wanted.leave or respecified:
        return "release"
    return "restart" if worker.wanted.up else "stop"
