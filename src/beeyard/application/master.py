"""The master of one host: what can be asked of it, and its life from waking up to going down."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence, Set
from contextlib import asynccontextmanager, suppress
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from beeyard.application import views
from beeyard.application.adoption import Adoption
from beeyard.application.audit import ANCHOR, Audit
from beeyard.application.effects import Effects
from beeyard.application.endpoints import Endpoints
from beeyard.application.engine import Engine
from beeyard.application.enrolment import Enrolment
from beeyard.application.exiting import Exiting
from beeyard.application.feed import Feed
from beeyard.application.growing import Growths
from beeyard.application.idling import Idling
from beeyard.application.job_records import JobRecords
from beeyard.application.jobs import Jobs
from beeyard.application.limiting import Limiting
from beeyard.application.listening import LISTEN, Listening
from beeyard.application.obstacles import Obstacles, find
from beeyard.application.operation import Operation
from beeyard.application.orphans import Sweep
from beeyard.application.outlook import Outlook, ages, outlook
from beeyard.application.packages import readable
from beeyard.application.packages.health import Rounds
from beeyard.application.packages.installer import PACKAGES, Installer
from beeyard.application.packages.seed import PROGRAM, PackageCalls
from beeyard.application.packages.supplies import Supplies
from beeyard.application.packages.versions import ROLLOUTS, Versions
from beeyard.application.records import Records
from beeyard.application.rollouts import Rollouts
from beeyard.application.sampling import Sampling, history
from beeyard.application.scaling import SCALING, Scaler
from beeyard.application.secrets import Definitions
from beeyard.application.supervisor import CLOCK_SET, Supervisor
from beeyard.application.tokens import Tokens
from beeyard.application.updates import Updates
from beeyard.application.views import WorkerDetail
from beeyard.domain import aging, order
from beeyard.domain.errors import BeeyardError, NotFound, Refused
from beeyard.domain.health import Health
from beeyard.domain.master import MasterSpec, require_address
from beeyard.domain.messages import Asked, Respecified
from beeyard.domain.plan import Plan, Stage
from beeyard.domain.planning import diff
from beeyard.domain.sources import PackagesSpec
from beeyard.domain.spec import WorkerSpec, once
from beeyard.domain.values import instance_of
from beeyard.domain.worker import Down, Preparing, Running, Starting, Stopping, Worker, new
from beeyard.ports.clock import Clock
from beeyard.ports.host import Host
from beeyard.ports.journal import Journal
from beeyard.ports.logs import Logs
from beeyard.ports.notify import Notices
from beeyard.ports.package_manager import PackageManager
from beeyard.ports.prober import Prober
from beeyard.ports.provider import Act, Brings, Capabilities, Owned, Provider
from beeyard.ports.resolver import Resolver
from beeyard.ports.secrets import Secrets
from beeyard.ports.store import Store
from beeyard.sdk.endpoints import EndpointView

log = logging.getLogger("beeyard")

TURN = 60.0
"""Seconds that a worker about to be restarted goes on as it is, for what it needs to be there; then it waits down."""

_ACTS: Mapping[str, Act] = {"stop": "stop", "restart": "restart"}
"""Operation -> what it does to a worker that it may not be Beeyard's to do."""

FORCED = 5.0
"""Seconds that a shutdown waits for killed workers before it says which one blocks it."""


class Place(Struct, frozen=True):
    """Where this master is to be found, for those who ask."""

    master_pid: int
    state_dir: str
    socket: str
    launcher_pid: Callable[[], int | None]
    pump_pid: Callable[[], int | None]
    url: Callable[[], str | None] = lambda: None


class Master(PackageCalls):
    """Supervises the workers of one host, while `running()` is entered."""

    def __init__(
        self,
        store: Store,
        providers: Mapping[str, Provider],
        prober: Prober,
        clock: Clock,
        host: Host,
        logs: Logs,
        notices: Notices,
        journal: Journal,
        place: Place,
        operations: Mapping[str, Operation],
        secrets: Secrets,
        managers: Mapping[str, PackageManager],
        resolver: Callable[[], Resolver],
        roll: Callable[[], float] = random.random,
    ) -> None:
        self.place = place
        self.finished = asyncio.Event()
        self.clock = clock
        self.host = host
        self.logs = logs
        self.store = store
        self.providers = providers
        self.feed = Feed(f"{int(clock.now().wall * 1000):x}")
        self.records = Records(store, clock, self.feed)
        self.supervisors = self.records.supervisors
        self._prober = prober
        self._notices = notices
        self.journal = journal
        self.audit = Audit(journal, clock)
        self.jobs = Jobs(self, operations, JobRecords(store, clock), self.audit, clock, self.feed)
        self.tokens = Tokens(store, clock)
        self.secrets = Definitions(store, secrets)
        self.listening = Listening()
        self._operations = operations
        self._engine = Engine(clock, self.records, roll, host, self.feed)
        self.enrolment = Enrolment(self.tokens, self.listening, notices, self._engine.post)
        self.packages = Installer(managers, resolver, host, clock, self.feed)
        self.versions = Versions(self.records, self._engine.stir)
        self.supplies = Supplies(
            self.packages,
            self.versions,
            lambda: (supervisor.worker for supervisor in self.supervisors.values()),
            providers,
            self.audit,
            clock,
            self._engine.look,
            self._engine.spawn,
        )
        self.packages.changed = self.supplies.retry
        self._rounds = Rounds(self.packages, self.audit, clock, self.feed)
        self._engine.dependencies.supply = self.supplies.of
        self._engine.effects = Effects(
            providers,
            prober,
            clock,
            host,
            logs,
            notices,
            self._engine.post,
            self._engine.bury,
            self._engine.spawn,
            roll,
            Limiting(providers, clock, self.feed, self._engine.post, self._engine.spawn),
            self.supplies,
            self._forget,
            self.enrolment.end,
        )
        self._bringing = {name: one for name, one in providers.items() if isinstance(one, Brings)}
        self._obstacles = Obstacles(
            self.supervisors, providers, self._engine.dependencies, self.secrets, self.listening
        )
        self._adoption = Adoption(self._engine, providers, clock, host)
        self.sweep = Sweep(self._adoption, providers, clock)
        self.growths = Growths(self.supervisors, host.own_memory, providers, clock, self.feed)
        self.sampling = Sampling(self.supervisors, providers, clock, Idling(self._engine.post))
        self.endpoints = Endpoints(self.find, clock.now)
        self.until = self._engine.until
        self.scaler = Scaler(self.records, prober, clock, self.feed, self.audit, self._engine.request)
        self.rollouts = Rollouts(
            self.records,
            self.versions,
            self.packages,
            prober,
            clock,
            self.feed,
            self.audit,
            self._engine.request,
            self._engine.saved,
            self._engine.until,
            self._engine.stir,
        )
        self.updates = Updates(
            self.supervisors, self.packages, self.versions, self.rollouts, self.audit, clock, self._engine.saved
        )
        self.exiting = Exiting(self, self._engine.spawn)
        self._engine.gave_up = self.exiting.gave_up
        self.ending = False
        self._applying = asyncio.Lock()
        self._offset = 0.0

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
                    await self.secrets.wake()
                    saved = await self.records.load()
                    await self.packages.wake(self.records.facts.get(PACKAGES))
                    await self.tokens.wake()
                    self.versions.wake(self.records.facts.get(ROLLOUTS), self.clock.now().mono)
                    self.listening.wake(self.records.facts.get(LISTEN))  # Launches that are resumed invite there.
                    await self._adoption.wake(saved)
                    self.audit.wake(self.records.facts.get(ANCHOR, ""))
                    await self.jobs.wake()
                    self.scaler.wake(self.records.facts.get(SCALING))
                    background += [tasks.create_task(self._adoption.listen(provider)) for provider in providers]
                    forever = (self.sampling, self.growths, self._rounds, self.scaler, self.rollouts, self.updates)
                    background += [tasks.create_task(task.run()) for task in forever]
                    turns = tasks.create_task(self._engine.turns())
                    self.exiting.wake()
                    with self.endpoints.served(self.place.socket):
                        yield self
                except Exception as error:
                    failure = error
                finally:
                    await self.conclude()
                    self._engine.rest()
                    if turns is not None:
                        await asyncio.wait({turns})
                    self._engine.close()
                    for task in background:
                        task.cancel()
            await self.records.flush()
        finally:
            await self._prober.close()
            await self._notices.close()
            await self.journal.close()
            await self.store.close()
        if failure is not None:
            raise failure

    async def conclude(self) -> None:
        """The master ends: who follows it gets what there is, who waits for a job its answer. Harmless twice."""
        self.ending = True
        self.feed.end()
        await self.jobs.close()

    async def shut_down(self, timeout: float) -> list[str]:
        """Stop every worker, dependents before what they need. What is wanted of each is kept for the next start.

        Returns:
            Workers that did not end even when killed, and won't with this master.
        """
        levels = order.levels({name: list(s.worker.spec.depends_on) for name, s in self.supervisors.items()})
        deadline = self.clock.now().mono + timeout
        for level in reversed(levels):
            await self._engine.request([(name, Asked("hold", "down")) for name in level])
            if not await self.until(partial(self.ended, level), deadline - self.clock.now().mono):
                await self._force(level)
        left = [name for name in self.supervisors if not self.ended([name])]
        return [name for name in left if not self._capabilities(name).within]

    async def _force(self, names: Sequence[str]) -> None:
        for name in names:
            supervisor = self.supervisors[name]
            if (attempt := supervisor.attempt()) is not None:
                # Not waited for: a provider out of reach must not hold up the others.
                self._engine.spawn(self._ended_now(supervisor.worker, attempt))
        await self.until(lambda: self.ended(names), FORCED)

    async def _ended_now(self, worker: Worker, attempt: int) -> None:
        provider, spec = self.providers[worker.provider], worker.spec
        if self.owned(spec.id):
            log.warning("%s did not end in time: killed", spec.id)
            await provider.kill(spec.id, attempt)
        else:
            await provider.terminate(spec.id, attempt, spec.stop[-1], len(spec.stop), "release")

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
        once(specs)
        for spec in specs:
            if spec.id in self.supervisors:
                raise Refused("worker_exists", "there is a worker {worker} already", worker=spec.id)
        self._obstacles.require_possible(specs)
        await self._admit(specs, by)

    async def _admit(self, specs: Sequence[WorkerSpec], by: str) -> None:
        for spec in specs:
            self.supervisors[spec.id] = Supervisor(self._adoption.claimed(new(spec)), 0)
        self._engine.regroup()
        try:
            await self._engine.request([(spec.id, Respecified(spec, by)) for spec in specs])
        except BeeyardError:
            for spec in specs:
                del self.supervisors[spec.id]
            self.records.undone([spec.id for spec in specs])
            self._engine.regroup()
            raise
        for spec in specs:
            self._adoption.greet(spec.id)

    async def start_worker(self, name: str, by: str = "", *, restored: bool = False) -> None:
        """Want a worker, or a group, up; a failed or waiting one starts at once with a fresh budget.

        `restored`: its data is as it was before, so that a version of a lower epoch may start. Raises Refused:
        `worker_busy`, while one lives that may write to it.
        """
        if restored:
            await self._engine.request(readable.restored(self.find(name), by))
        await self._ask(name, Asked("up", by))

    async def stop_worker(self, name: str, by: str = "", *, force: bool = False) -> None:
        """Want it down; `force`: killed at once. Raises Refused if it is not Beeyard's to stop, or to kill."""
        self._obstacles.require_allowed(self.find(name), "kill" if force else "stop")
        await self._ask(name, Asked("down", by, force=force))

    async def restart_worker(self, name: str, by: str = "") -> None:
        """Want it up anew: stopped as its spec says, then started. One that is down is started.

        Raises Refused if it is not Beeyard's to restart, or runs and would start from what can't read its data.
        """
        self._obstacles.require_allowed(self.find(name), "restart")
        await self.supplies.require_readable(one.worker for one in self.find(name) if one.attempt() is not None)
        await self._ask(name, Asked("restart", by))

    def require_allowed(self, names: Iterable[str], act: Act) -> None:
        """For all of these workers and groups, before any of them is touched. Raises NotFound, and Refused."""
        self._obstacles.require_allowed([found for name in names for found in self.find(name)], act)

    def owned(self, name: str) -> bool:
        """Whether the worker is run by Beeyard, not only watched."""
        return self._capabilities(name).owns

    def _capabilities(self, name: str) -> Capabilities:
        return self.providers[self.supervisors[name].worker.provider].capabilities()

    async def part_with(self, names: Sequence[str], by: str = "") -> None:
        """Before they are removed: what is Beeyard's is wanted down, what is not is let go."""
        await self._engine.request([(name, self._farewell(name, by)) for name in names])

    def _farewell(self, name: str, by: str) -> Asked:
        return Asked("down" if self.owned(name) else "leave", by)

    async def remove_worker(self, name: str, by: str = "") -> None:
        """Forget workers that are down; their logs stay. Raises Refused while one of them lives, or is needed."""
        await self.remove_workers([name])

    async def remove_workers(self, names: Sequence[str]) -> None:
        """All of these workers and groups, or none."""
        await self._remove(list(dict.fromkeys(found.worker.id for name in names for found in self.find(name))))

    async def apply(
        self, specs: Sequence[WorkerSpec], origin: str, by: str = "", master: MasterSpec | None = None
    ) -> Plan:
        """Make the workers as the file wishes them, changing only what changed; go on with what was held.

        Args:
            master: what the file says of the master itself; None leaves that as it is.
        """
        async with self._applying:
            return await self._apply(specs, origin, by, master)

    async def _apply(self, specs: Sequence[WorkerSpec], origin: str, by: str, master: MasterSpec | None) -> Plan:
        plan = self.plan(specs, origin, master)
        if master is not None:
            require_address(master.listen)
        wished: dict[str, WorkerSpec] = {spec.id: spec for spec in specs}
        changed = [*plan.restart, *plan.adjust]
        old = self.secrets.of(origin)
        new = old if master is None else master.secrets
        self.secrets.require(origin, new)
        self.rollouts.groups.require_size(specs)
        known = self.secrets.known(origin, new)
        listen = self.listening.wish if master is None else master.listen
        self._obstacles.require_possible([wished[name] for name in (*plan.add, *changed)], plan.remove, known, listen)
        if master is not None:
            self.packages.require_managers(master.packages)
            self._obstacles.require_secrets(master.packages, known)
        living = [self.supervisors[name] for name in plan.restart if self.supervisors[name].attempt() is not None]
        after = [replace(one.worker, spec=wished[one.worker.id]) for one in living]
        await self.supplies.require_readable(one for one in after if one.spec.enabled)
        self._obstacles.require_unused(self.secrets.known() - known, {*changed, *plan.remove})
        if master is not None:
            self.listening.want(master.listen)
            self.records.fact(LISTEN, self.listening.saved())
        # Those that the file drops go last: until then workers may need them that are about to change.
        await self.secrets.define(origin, old | new)
        if master is not None:
            self.use_packages(master.packages, origin)
        touched: set[str] = set()
        for stage in plan.order:
            await self._pass(stage, wished, touched, by)
            touched.update(stage.workers)
        await self.secrets.define(origin, new)
        await self.release(by)
        self.rollouts.regrouped()
        return plan

    def use_packages(self, spec: PackagesSpec, origin: str = PROGRAM) -> None:
        """Where packages come from, from now on; what could not be had before is tried again."""
        if self.packages.concerns(spec, origin) and spec != self.packages.spec:
            self.packages.want(spec, origin)
            self.records.fact(PACKAGES, self.packages.saved())
        self.supplies.retry()

    async def _pass(self, stage: Stage, wished: Mapping[str, WorkerSpec], touched: Set[str], by: str) -> None:
        """Do what one stage of a plan says; `touched` are the workers of those before it."""
        if stage.act == "remove":
            await self._remove([name for name in stage.workers if name in self.supervisors])
            return
        if stage.act == "restart":
            await self.until(lambda: not self._awaited(stage, wished, touched), TURN)
        fresh = [name for name in stage.workers if name not in self.supervisors and name in wished]
        await self._engine.request(
            [
                (name, Respecified(wished[name], by) if name in wished else self._farewell(name, by))
                for name in stage.workers
                if name not in fresh
            ]
        )
        if fresh:
            await self._admit([wished[name] for name in fresh], by)
        if stage.act == "stop":
            await self.until(lambda: self.ended(stage.workers), None)

    def _awaited(self, stage: Stage, wished: Mapping[str, WorkerSpec], touched: Set[str]) -> bool:
        """Whether one of a stage needs one of the touched that is not as it has to be, and may yet come to be so."""
        return any(
            need in touched
            and worker is not None
            and isinstance(worker.phase, Preparing | Starting | Running | Stopping)
            for name in stage.workers
            for need, _, worker in self._engine.dependencies.missing(wished[name])
        )

    async def release(self, by: str = "") -> None:
        """Start again what `shut_down` stopped."""
        held = [name for name, supervisor in self.supervisors.items() if supervisor.worker.wanted.held]
        await self._engine.request([(name, Asked("release", by)) for name in held])

    def plan(self, specs: Sequence[WorkerSpec], origin: str, master: MasterSpec | None = None) -> Plan:
        """What `apply` would do. Raises Invalid when two specs are of one worker, or need each other in a circle."""
        once(specs)
        packages = self.packages.spec
        if master is not None and not self.packages.concerns(master.packages, origin):
            packages = master.packages
        now = MasterSpec(self.listening.wish, self.secrets.of(origin), packages)
        seen = (supervisor.worker for supervisor in self.supervisors.values())
        return diff(specs, seen, origin, None if master is None else (now, master))

    async def _ask(self, name: str, event: Asked) -> None:
        event = replace(event, whole=name not in self.supervisors)
        await self._engine.request([(supervisor.worker.id, event) for supervisor in self.find(name)])

    async def _forget(self, name: str) -> None:
        """One that is done, if its time is over still; while another worker needs it, it stays."""

        def require_due() -> None:
            found = aging.due(self.find(name)[0].worker)
            if found is None or found[1] > self.clock.now().mono:
                raise Refused("worker_wanted", "{worker} is not to be forgotten yet", worker=name)

        async with self._applying:
            with suppress(NotFound, Refused):
                await self._remove([name], require_due, "removed: it was done for as long as its lifetime says")
                log.info("%s is removed: it was done for as long as its lifetime says", name)

    async def _remove(
        self, names: Sequence[str], check: Callable[[], None] = lambda: None, what: str = "removed"
    ) -> None:
        specs = [self.supervisors[name].worker.spec for name in names if name in self.supervisors]

        def require() -> None:
            check()
            self._obstacles.require_removable(names)

        await self._engine.remove(names, require, what)
        self.rollouts.regrouped()
        for spec in specs:
            try:
                await self.supplies.let_go(spec.id)
                await self.providers[spec.provider].release(spec.id)
            except BeeyardError as error:
                log.warning("%s is removed, but not all of it is released: %s", spec.id, error)

    # --- looking ----------------------------------------------------------------------------------------------------

    def find(self, name: str) -> list[Supervisor]:
        """The worker of this name, or all instances of the group. Raises NotFound, naming the nearest."""
        return find(self.supervisors, name)

    def ended(self, names: Iterable[str]) -> bool:
        """Whether all of these are down."""
        return all(isinstance(self.supervisors[name].worker.phase, Down) for name in names if name in self.supervisors)

    @property
    def version(self) -> int:
        """Grows with every change of any worker, while a package comes, and when the wall clock is set, by which it is
        told since when."""
        now = self.clock.now()
        if abs(now.wall - now.mono - self._offset) > CLOCK_SET / 2:  # Half: a view may be as old as the other half.
            self._offset = now.wall - now.mono
            self._engine.version += 1
        return self._engine.version + self.packages.told + sum(one.told for one in self._bringing.values())

    def view(self, supervisor: Supervisor) -> views.WorkerView:
        """A worker as `ps` shows it, and how far its package is that it waits for, or what its launch does."""
        view, worker = supervisor.view(self.clock.now()), supervisor.worker
        if view.state == "standby":
            why = self.rollouts.groups.standby if worker.spec.half else self.scaler.resting
            return replace(view, note=why(self._engine.version).get(instance_of(view.id), view.note))
        if (status := self.supplies.progress(worker)) is not None:
            return replace(view, note=status.coming, progress=status.progress)
        bringing = self._bringing.get(worker.spec.provider) if isinstance(worker.phase, Starting) else None
        coming = bringing.coming(worker.id) if bringing is not None else None
        return view if coming is None else replace(view, note=coming.text, progress=coming.share)

    def detail(self, supervisor: Supervisor) -> WorkerDetail:
        """All there is to tell of one worker."""
        worker, now = supervisor.worker, self.clock.now()
        samples, _ = history(supervisor, now)
        report = supervisor.notified.report if supervisor.notified is not None else None
        return WorkerDetail(
            worker=self.view(supervisor),
            spec=worker.spec,
            health=worker.health,
            failures=len(worker.failures),
            last_attempt_at=views.last_attempt_at(worker, now),
            usage=samples[-1] if samples and supervisor.attempt() is not None else None,
            runs=self.providers[worker.spec.provider].describe(worker.outfit),
            waits_for=self.outlook(supervisor).waits_for,
            needed_by=sorted(self._engine.dependencies.on(worker.id)),
            probes={} if supervisor.probing is None else supervisor.probing.views(),
            limits=views.limits(worker, {} if supervisor.watched is None else supervisor.watched.values),
            module=None if report is None else views.module(report, self._shared(worker)),
            grows=self.growths.of(supervisor),
            supply=views.supply(worker),
            ages=ages(worker, now),
            scaling=None if worker.spec.scaling is None else self.scaler.view(worker.id),
            refused={name: text for name in self._operations if (text := self._obstacle(name, worker.id))},
        )

    def _shared(self, worker: Worker) -> int | None:
        within = self.providers[worker.spec.provider].capabilities().within
        return self.host.own_memory() if within else None

    def outlook(self, supervisor: Supervisor) -> Outlook:
        """What a worker waits for, and what happens next."""
        away = "" if self.place.launcher_pid() is not None else "the launcher, which is being started again"
        missing = self._engine.dependencies.missing(supervisor.worker.spec)
        return outlook(supervisor, missing, self.clock.now(), away)

    def is_worker_operation_allowed(self, name: str, operation: str) -> bool:
        """Whether this could be asked of a worker now. Raises NotFound."""
        return not any(self._obstacle(operation, supervisor.worker.id) for supervisor in self.find(name))

    def get_worker_health(self, name: str) -> Health:
        """What the probes say of one worker. Raises NotFound."""
        return self.find(name)[0].worker.health

    def get_worker_endpoint(self, worker: str, name: str = "") -> EndpointView:
        """Where to reach a worker; of a group, those that are ready take turns.

        Raises:
            NotFound: no such worker, or no such endpoint.
            Refused: `worker_unreachable`, it is not ready.
            Invalid: `endpoint_ambiguous`, it has several and none was named.
        """
        return self.endpoints.get(worker, name)

    def _obstacle(self, operation: str, name: str) -> str:
        """Why this can't be asked of a worker now; empty when it can."""
        try:
            if self._operations[operation].changes:
                self.records.require_writable()
            if operation == "remove" and self.owned(name):
                self._obstacles.require_removable([name])
            if act := _ACTS.get(operation):
                self._obstacles.require_allowed(self.find(name), act)
        except BeeyardError as error:
            return str(error)
        return ""

    def orphans(self) -> list[Owned]:
        """What ran under our mark when that was last looked at, and is no worker of ours."""
        return self._adoption.orphans()

    def get_worker_state_with_diagnostics(self, name: str) -> views.WorkerView:
        """One worker as `ps` shows it. Raises NotFound."""
        return self.view(self.find(name)[0])

    def get_all_worker_states_with_diagnostics(self) -> list[views.WorkerView]:
        """All workers, in the order in which they were added."""
        return [self.view(supervisor) for supervisor in self.supervisors.values()]
