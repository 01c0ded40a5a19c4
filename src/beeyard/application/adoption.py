"""Waking up: what was saved is compared with what there is, and the master goes on with what it owes.

What runs is believed before what is written. A worker whose record is older than its attempt, or lost, is taken over
by the attempt's number; what is in no record is left alone and reported (application/orphans.py).
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from beeyard.application.engine import Engine
from beeyard.application.supervisor import Supervisor
from beeyard.domain import lifecycle
from beeyard.domain.errors import BeeyardError, Unavailable
from beeyard.domain.messages import (
    Begun,
    ContactLost,
    ContactRegained,
    Exit,
    Exited,
    Handle,
    HostRestarted,
    MasterRestarted,
    Prepare,
    Said,
)
from beeyard.domain.worker import Running, Starting, Stopping, Worker
from beeyard.ports.clock import Clock
from beeyard.ports.host import Host
from beeyard.ports.provider import Occurrence, Owned, Provider

log = logging.getLogger("beeyard")

Key = tuple[str, str]
"""(provider, worker)"""


class Adoption:
    """Between one engine and what its providers run."""

    def __init__(self, engine: Engine, providers: Mapping[str, Provider], clock: Clock, host: Host) -> None:
        self._engine = engine
        self._providers = providers
        self._clock = clock
        self._host = host
        self._owned: dict[Key, Owned] = {}

    async def wake(self, saved: Sequence[tuple[Worker, int]]) -> None:
        """Find what runs of what was saved, resume. Events may be listened to only after this."""
        records, supervisors = self._engine.records, self._engine.supervisors
        found, unreachable = await self._ask()
        self._take(found)
        for name, reason in unreachable.items():  # Its workers are told as lost; the others are not to wait for it.
            log.warning("what the provider %s runs is not known yet: %s", name, reason)
        boot = self._host.boot_id()
        # Where something of ours runs here there was no reboot, whatever the record says (a database from elsewhere).
        here = any(not self._is_elsewhere(provider, one.handle) for (provider, _), one in self._owned.items())
        rebooted = records.facts.get("boot", boot) != boot and not here
        records.fact("boot", boot)
        for worker, revision in saved:
            worker = self.claimed(worker)
            if rebooted and self._outlives(worker):
                worker = lifecycle.host_left(worker, self._clock.now())
            supervisors[worker.id] = Supervisor(worker, revision)
        self._engine.dependencies.rebuild()
        for orphan in self.orphans():
            log.warning("%s (attempt %d) runs and is in no record: left alone", orphan.worker, orphan.attempt)
        resumed = []
        for name, supervisor in supervisors.items():
            if rebooted and not self._outlives(supervisor.worker):
                self._engine.post(name, HostRestarted())
            else:
                resumed.append(supervisor)
        await asyncio.gather(*map(self._resume, resumed))

    def _outlives(self, worker: Worker) -> bool:
        """Whether its attempt goes on where it is when this host boots."""
        match worker.phase:
            case Starting():
                return worker.provider in self._providers and self._providers[worker.provider].capabilities().elsewhere
            case Running(handle=handle) | Stopping(handle=handle):
                return self._is_elsewhere(worker.provider, handle)
        return False

    def _is_elsewhere(self, provider: str, handle: Handle) -> bool:
        known = self._providers.get(provider)
        return known is not None and known.capabilities().elsewhere and "pid" not in handle.state

    def orphans(self) -> list[Owned]:
        """What ran under our mark when that was last looked at, and is no worker of ours."""
        return [owned for key, owned in self._owned.items() if self.is_orphan(*key)]

    def is_orphan(self, provider: str, worker: str) -> bool:
        """Whether no worker of ours is run, or about to be, by this provider under this name."""
        supervisor = self._engine.supervisors.get(worker)
        return supervisor is None or provider not in (supervisor.worker.provider, supervisor.worker.spec.provider)

    def is_unknown(self, worker: str) -> bool:
        """Whether no worker of ours has this name, whoever runs it."""
        return worker not in self._engine.supervisors

    async def look(self) -> tuple[list[tuple[str, Owned]], dict[str, str]]:
        """Every orphan, ended ones as well, each with its provider; and the providers that could not be asked, with the
        reason. Their orphans stay those of the last look."""
        found, unreachable = await self._ask()
        self._owned = {
            key: owned for key, owned in self._owned.items() if key[0] in unreachable and self.is_orphan(*key)
        }
        orphans = [(name, owned) for name, owned in found if self.is_orphan(name, owned.worker)]
        self._take(orphans)
        return orphans, unreachable

    async def _ask(self) -> tuple[list[tuple[str, Owned]], dict[str, str]]:
        """All that the providers have, and those that could not be asked."""
        answers = await asyncio.gather(*map(_owned, self._providers.values()))
        found: list[tuple[str, Owned]] = []
        unreachable: dict[str, str] = {}
        for name, answer in zip(self._providers, answers, strict=True):
            if isinstance(answer, BeeyardError):
                unreachable[name] = answer.advised
            else:
                found += [(name, owned) for owned in answer]
        return found, unreachable

    def _take(self, found: Sequence[tuple[str, Owned]]) -> None:
        """Remember what runs: of several attempts of one name the newest."""
        for name, owned in sorted(found, key=lambda one: one[1].attempt):
            if owned.alive:
                self._owned[name, owned.worker] = owned

    def claimed(self, worker: Worker) -> Worker:
        """The worker as it is, if it runs although its record does not say so."""
        known = [self._owned.get((provider, worker.id)) for provider in {worker.provider, worker.spec.provider}]
        owned = max(filter(None, known), key=lambda one: one.attempt, default=None)
        if owned is None or owned.attempt <= worker.attempt:
            return worker
        now = self._clock.now()
        running = lifecycle.taken_up(worker, worker.wanted.generation, owned.attempt, owned.handle, now)
        log.warning("%s: attempt %d runs and was not in the record: taken over", worker.id, owned.attempt)
        return replace(worker, phase=running, attempt=owned.attempt, ports=owned.handle.ports or worker.ports)

    def greet(self, name: str) -> None:
        """Go on with a worker that was just added, if it ran already."""
        supervisor = self._engine.supervisors.get(name)
        if supervisor is None or not isinstance(supervisor.worker.phase, Running | Stopping):
            return
        if (supervisor.worker.provider, name) in self._owned:
            self._engine.spawn(self._resume(supervisor))

    async def listen(self, provider: Provider) -> None:
        """What happens from now on, as events."""
        async for batch in provider.events():
            for occurrence in batch:
                self._occurred(provider, occurrence)

    async def _resume(self, supervisor: Supervisor) -> None:
        worker, phase = supervisor.worker, supervisor.worker.phase
        if isinstance(phase, Running | Stopping):
            await self.attach(supervisor)
        for effect in lifecycle.resume(worker, self._clock.now()):
            if isinstance(effect, Prepare):
                self._engine.look(worker.id)
            else:
                self._engine.effects.run(supervisor, effect, resumed=True)

    async def attach(self, supervisor: Supervisor) -> None:
        """Look for an attempt that a record says is alive."""
        worker, phase = supervisor.worker, supervisor.worker.phase
        assert isinstance(phase, Running | Stopping)
        provider = self._providers[worker.provider]
        try:
            sight = await provider.attach(worker.outfit, phase.attempt, phase.handle)
        except Unavailable as error:
            self._engine.post(worker.id, ContactLost(phase.attempt, error.advised))
            return
        match sight.state:
            case "ended":
                self._engine.post(worker.id, Exited(phase.attempt, sight.exit or Exit()))
            case "missing" if provider.capabilities().within:
                self._engine.post(worker.id, MasterRestarted(phase.attempt))
            case "missing":
                gone = Exit(note="it ended while nobody was there to see it")
                self._engine.post(worker.id, Exited(phase.attempt, gone))
            case "running":
                self._host.publish(worker.id, phase.handle.state.get("pid"), phase.handle.ports)
                self._engine.post(worker.id, ContactRegained(phase.attempt))
                if not sight.waits:
                    self._engine.post(worker.id, Begun(phase.attempt))

    def _occurred(self, provider: Provider, seen: Occurrence) -> None:
        orphan = self.is_orphan(provider.name, seen.worker)
        supervisor = None if orphan else self._engine.supervisors[seen.worker]
        if seen.kind == "exited":
            self._owned.pop((provider.name, seen.worker), None)
        match seen.kind:
            case "exited" if supervisor is None or supervisor.attempt() != seen.attempt:
                # Saved long ago, by a master that died before it could say so; or of a worker nobody knows any more.
                self._engine.spawn(provider.destroy(seen.worker, seen.attempt))
            case "exited":
                self._engine.post(seen.worker, Exited(seen.attempt, seen.exit or Exit()))
            case _ if orphan:
                pass  # Perhaps a worker of ours has its name.
            case "begun":
                self._engine.post(seen.worker, Begun(seen.attempt))
            case "lost":
                self._engine.post(seen.worker, ContactLost(seen.attempt, seen.reason))
            case "found":
                self._engine.post(seen.worker, ContactRegained(seen.attempt))
            case "said":
                self._engine.post(seen.worker, Said(seen.attempt, seen.reason))


async def _owned(provider: Provider) -> list[Owned] | BeeyardError:
    try:
        return await provider.list_owned()
    except BeeyardError as error:
        return error
