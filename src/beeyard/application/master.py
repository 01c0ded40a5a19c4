"""The master of one host: what can be asked of it, and its life from waking up to going down."""

import asyncio
import difflib
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from beeyard.application import views
from beeyard.application.adoption import Adoption
from beeyard.application.effects import Effects
from beeyard.application.engine import Engine
from beeyard.application.records import Records
from beeyard.application.supervisor import Supervisor
from beeyard.domain import order
from beeyard.domain.errors import BeeyardError, Invalid, NotFound, Refused
from beeyard.domain.messages import Asked, Respecified
from beeyard.domain.plan import Plan, diff
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.values import instance_of
from beeyard.domain.worker import Down, new
from beeyard.ports.clock import Clock
from beeyard.ports.host import Host
from beeyard.ports.logs import Logs
from beeyard.ports.prober import Prober
from beeyard.ports.provider import Owned, Provider
from beeyard.ports.store import Store

log = logging.getLogger("beeyard")

FORCED = 5.0
"""Seconds that a shutdown waits for killed workers before it says which one blocks it."""


class Place(Struct, frozen=True):
    """Where this master is to be found, for those who ask."""

    master_pid: int
    state_dir: str
    socket: str
    launcher_pid: Callable[[], int | None]
    pump_pid: Callable[[], int | None]


class Master:
    """Supervises the workers of one host, while `running()` is entered."""

    def __init__(
        self,
        store: Store,
        providers: Mapping[str, Provider],
        prober: Prober,
        clock: Clock,
        host: Host,
        logs: Logs,
        place: Place,
        roll: Callable[[], float] = random.random,
    ) -> None:
        self.place = place
        self.finished = asyncio.Event()
        self.clock = clock
        self.host = host
        self.logs = logs
        self.store = store
        self.providers = providers
        self.records = Records(store, clock)
        self.supervisors = self.records.supervisors
        self._prober = prober
        self._engine = Engine(clock, self.records, roll)
        self._engine.effects = Effects(
            providers, prober, clock, host, logs, self._engine.post, self._engine.bury, self._engine.spawn, roll
        )
        self._adoption = Adoption(self._engine, providers, clock, host)
        self.until = self._engine.until

    # --- life -------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Master"]:
        """Take over what runs and supervise until the block ends; the workers go on after it."""
        failure: Exception | None = None  # Kept out of the task group, which would wrap it.
        try:
            async with asyncio.TaskGroup() as tasks:
                self._engine.open(tasks)
                providers = self.providers.values()
                background = [tasks.create_task(provider.serve()) for provider in providers]
                turns: asyncio.Task[None] | None = None
                try:
                    await self._adoption.wake()
                    background += [tasks.create_task(self._adoption.listen(provider)) for provider in providers]
                    turns = tasks.create_task(self._engine.turns())
                    yield self
                except Exception as error:
                    failure = error
                finally:
                    self._engine.rest()
                    if turns is not None:
                        await asyncio.wait({turns})
                    self._engine.close()
                    for task in background:
                        task.cancel()
            await self.records.flush()
        finally:
            await self._prober.close()
            await self.store.close()
        if failure is not None:
            raise failure

    async def shut_down(self, timeout: float) -> list[str]:
        """Stop every worker, dependents before what they need. What is wanted of each is kept for the next start.

        Returns:
            Workers that did not end even when killed.
        """
        levels = order.levels({name: list(s.worker.spec.depends_on) for name, s in self.supervisors.items()})
        deadline = self.clock.now().mono + timeout
        for level in reversed(levels):
            await self._engine.request([(name, Asked("hold", "down")) for name in level])
            if not await self.until(partial(self.ended, level), deadline - self.clock.now().mono):
                await self._force(level)
        return [name for name in self.supervisors if not self.ended([name])]

    async def _force(self, names: Sequence[str]) -> None:
        for name in names:
            supervisor = self.supervisors[name]
            if (attempt := supervisor.attempt()) is not None:
                log.warning("%s did not end in time: killed", name)
                # Not waited for: a provider out of reach must not hold up the others.
                self._engine.spawn(self.providers[supervisor.worker.spec.provider].kill(name, attempt))
        await self.until(lambda: self.ended(names), FORCED)

    # --- requests ---------------------------------------------------------------------------------------------------

    async def add_worker(self, spec: WorkerSpec, by: str = "") -> None:
        """Know a worker, and start it if its spec is enabled. Raises as `add_workers` does."""
        await self.add_workers([spec], by)

    async def add_workers(self, specs: Sequence[WorkerSpec], by: str = "") -> None:
        """All or none.

        Raises:
            Refused: `worker_exists`.
            Invalid: a dependency nobody knows, a cycle, a spec that its provider can't run.
        """
        for spec in specs:
            if spec.id in self.supervisors:
                raise Refused("worker_exists", "there is a worker {worker} already", worker=spec.id)
        self._check(specs)
        for spec in specs:
            self.supervisors[spec.id] = Supervisor(self._adoption.claimed(new(spec)), 0)
        self._engine.dependencies.rebuild()
        try:
            await self._engine.request([(spec.id, Respecified(spec, by)) for spec in specs])
        except BeeyardError:
            for spec in specs:
                del self.supervisors[spec.id]
            self.records.undone([spec.id for spec in specs])
            self._engine.dependencies.rebuild()
            raise
        for spec in specs:
            self._adoption.greet(spec.id)

    async def start_worker(self, name: str, by: str = "") -> None:
        """Want a worker, or a group, up; a failed or waiting one starts at once with a fresh budget."""
        await self._ask(name, Asked("up", by))

    async def stop_worker(self, name: str, by: str = "") -> None:
        """Want it down."""
        await self._ask(name, Asked("down", by))

    async def restart_worker(self, name: str, by: str = "") -> None:
        """Want it up anew: stopped as its spec says, then started. One that is down is started."""
        await self._ask(name, Asked("restart", by))

    async def remove_worker(self, name: str, by: str = "") -> None:
        """Forget workers that are down; their logs stay. Raises Refused while one of them lives, or is needed."""
        await self.remove_workers([name])

    async def remove_workers(self, names: Sequence[str]) -> None:
        """All of these workers and groups, or none."""
        await self._remove(list(dict.fromkeys(found.worker.id for name in names for found in self.find(name))))

    async def apply(self, specs: Sequence[WorkerSpec], origin: str, by: str = "") -> Plan:
        """Make the workers as the file wishes them, changing only what changed; go on with what was held."""
        plan = self.plan(specs, origin)
        wished: dict[str, WorkerSpec] = {spec.id: spec for spec in specs}
        self._check([wished[name] for name in (*plan.add, *plan.restart, *plan.adjust)], without=plan.remove)
        changed = [*plan.restart, *plan.adjust]
        await self._engine.request([(name, Respecified(wished[name], by)) for name in changed])
        self._engine.dependencies.rebuild()
        if plan.remove:
            await self._engine.request([(name, Asked("down", by)) for name in plan.remove])
            await self.until(lambda: self.ended(plan.remove), None)
            await self._remove([name for name in plan.remove if name in self.supervisors])
        await self.add_workers([wished[name] for name in plan.add], by)
        await self.release(by)
        return plan

    async def release(self, by: str = "") -> None:
        """Start again what `shut_down` stopped."""
        held = [name for name, supervisor in self.supervisors.items() if supervisor.worker.wanted.held]
        await self._engine.request([(name, Asked("release", by)) for name in held])

    def plan(self, specs: Sequence[WorkerSpec], origin: str) -> Plan:
        """What `apply` would do."""
        return diff(specs, (supervisor.worker for supervisor in self.supervisors.values()), origin)

    async def _ask(self, name: str, event: Asked) -> None:
        await self._engine.request([(supervisor.worker.id, event) for supervisor in self.find(name)])

    async def _remove(self, names: Sequence[str]) -> None:
        specs = [self.supervisors[name].worker.spec for name in names]
        await self._engine.remove(names, lambda: self._require_removable(names))
        for spec in specs:
            try:
                await self.providers[spec.provider].release(spec.id)
            except BeeyardError as error:
                log.warning("%s is removed, but not all of it is released: %s", spec.id, error)

    def _require_removable(self, names: Sequence[str]) -> None:
        for name in names:
            if name not in self.supervisors:
                raise self._missing(name)
            self.supervisors[name].require_down("removed")
            if needed := [other for other in self._engine.dependencies.on(name) if other not in names]:
                raise Refused(
                    "worker_needed",
                    "{worker} can't be removed: {others} depend on it",
                    worker=name,
                    others=", ".join(needed),
                    hint="remove those first, or change their depends_on",
                )

    def _check(self, specs: Sequence[WorkerSpec], without: Sequence[str] = ()) -> None:
        """Refuse early what can't work. Raises Invalid with everything found."""
        wished: dict[str, WorkerSpec] = {spec.id: spec for spec in specs}
        stay = {name: s.worker.spec for name, s in self.supervisors.items() if name not in without}
        known = stay | wished
        problems = []
        for spec in specs:
            provider = self.providers.get(spec.provider)
            if provider is None:
                raise Invalid("unknown_provider", "no provider {name} here", name=spec.provider)
            problems += [replace(found, path=f"{spec.id}.{found.path}") for found in provider.check(spec)]
        for spec in known.values():
            for need in spec.depends_on:
                if need not in known and (spec.id in wished or need in without):
                    text = "{worker} depends on {need}, which is no worker"
                    raise Invalid("unknown_dependency", text, worker=spec.id, need=need)
        if problems:
            raise Invalid("spec_invalid", "{text}", text="\n".join(map(str, problems)), problems=problems)
        order.levels({name: list(spec.depends_on) for name, spec in known.items()})

    # --- looking ----------------------------------------------------------------------------------------------------

    def find(self, name: str) -> list[Supervisor]:
        """The worker of this name, or all instances of the group. Raises NotFound, naming the nearest."""
        if name in self.supervisors:
            return [self.supervisors[name]]
        if group := [s for s in self.supervisors.values() if instance_of(s.worker.id) == name]:
            return group
        raise self._missing(name)

    def _missing(self, name: str) -> NotFound:
        names = [*self.supervisors, *map(instance_of, self.supervisors)]
        near = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]}?" if near else "beeyard ps lists all"
        return NotFound("no_such_worker", "there is no worker {worker}", worker=name, hint=hint)

    def ended(self, names: Iterable[str]) -> bool:
        """Whether all of these are down."""
        return all(isinstance(self.supervisors[name].worker.phase, Down) for name in names if name in self.supervisors)

    def orphans(self) -> list[Owned]:
        """What runs under our mark and is no worker of ours."""
        return self._adoption.orphans()

    def get_worker_state_with_diagnostics(self, name: str) -> views.WorkerView:
        """One worker as `ps` shows it. Raises NotFound."""
        return views.view(self.find(name)[0].worker, self.clock.now())

    def get_all_worker_states_with_diagnostics(self) -> list[views.WorkerView]:
        """All workers, in the order in which they were added."""
        now = self.clock.now()
        return [views.view(supervisor.worker, now) for supervisor in self.supervisors.values()]
