"""Waking up: what was saved is compared with what there is, and the master goes on with what it owes.

What runs is believed before what is written. A worker whose record is older than its attempt, or lost, is taken over
by the attempt's number; what runs and is in no record is left alone and reported.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from beeyard.application.engine import Engine
from beeyard.application.supervisor import Supervisor
from beeyard.domain import lifecycle
from beeyard.domain.messages import ContactLost, ContactRegained, Exit, Exited, HostRestarted, MasterRestarted, Prepare
from beeyard.domain.worker import Running, Stopping, Worker
from beeyard.ports.clock import Clock
from beeyard.ports.host import Host
from beeyard.ports.provider import Occurrence, Owned, Provider

log = logging.getLogger("beeyard")


class Adoption:
    """Between one engine and what its providers run."""

    def __init__(self, engine: Engine, providers: Mapping[str, Provider], clock: Clock, host: Host) -> None:
        self._engine = engine
        self._providers = providers
        self._clock = clock
        self._host = host
        self._owned: dict[str, Owned] = {}

    async def wake(self, saved: Sequence[tuple[Worker, int]]) -> None:
        """Find what runs of what was saved, resume. Events may be listened to only after this."""
        records, supervisors = self._engine.records, self._engine.supervisors
        for provider in self._providers.values():
            self._owned |= {owned.worker: owned for owned in await provider.list_owned() if owned.alive}
        boot = self._host.boot_id()
        # Where something of ours runs there was no reboot, whatever the record says (a database from elsewhere).
        rebooted = records.facts.get("boot", boot) != boot and not self._owned
        records.fact("boot", boot)
        for worker, revision in saved:
            supervisors[worker.id] = Supervisor(worker if rebooted else self.claimed(worker), revision)
        self._engine.dependencies.rebuild()
        for orphan in self.orphans():
            log.warning("%s (attempt %d) runs and is in no record: left alone", orphan.worker, orphan.attempt)
        if rebooted:
            for name in supervisors:
                self._engine.post(name, HostRestarted())
        else:
            await asyncio.gather(*map(self._resume, list(supervisors.values())))

    def orphans(self) -> list[Owned]:
        """What runs under our mark and is no worker of ours."""
        return [owned for name, owned in self._owned.items() if name not in self._engine.supervisors]

    def claimed(self, worker: Worker) -> Worker:
        """The worker as it is, if it runs although its record does not say so."""
        owned = self._owned.get(worker.id)
        if owned is None or owned.attempt <= worker.attempt:
            return worker
        now = self._clock.now()
        running = Running(
            generation=worker.wanted.generation,
            attempt=owned.attempt,
            handle=owned.handle,
            since=now.mono,
            since_wall=now.wall,
            started="startup" not in worker.outfit.probes,
            ready_since=None if worker.outfit.probes else now.mono,
        )
        log.warning("%s: attempt %d runs and was not in the record: taken over", worker.id, owned.attempt)
        return replace(worker, phase=running, attempt=owned.attempt, ports=owned.handle.ports or worker.ports)

    def greet(self, name: str) -> None:
        """Go on with a worker that was just added, if it ran already."""
        supervisor = self._engine.supervisors.get(name)
        if supervisor and name in self._owned and isinstance(supervisor.worker.phase, Running | Stopping):
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
        sight = await provider.attach(worker.outfit, phase.attempt, phase.handle)
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

    def _occurred(self, provider: Provider, seen: Occurrence) -> None:
        supervisor = self._engine.supervisors.get(seen.worker)
        match seen.kind:
            case "exited" if supervisor is None or supervisor.attempt() != seen.attempt:
                # Saved long ago, by a master that died before it could say so; or of a worker nobody knows any more.
                self._owned.pop(seen.worker, None)
                self._engine.spawn(provider.destroy(seen.worker, seen.attempt))
            case "exited":
                self._owned.pop(seen.worker, None)
                self._engine.post(seen.worker, Exited(seen.attempt, seen.exit or Exit()))
            case "lost":
                self._engine.post(seen.worker, ContactLost(seen.attempt, seen.reason))
            case "found":
                self._engine.post(seen.worker, ContactRegained(seen.attempt))
