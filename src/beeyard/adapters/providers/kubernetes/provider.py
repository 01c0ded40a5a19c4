"""Workers as pods of a cluster: created under names that tell whose they are, watched, and deleted to end them.

A pod that ended by itself stays until its exit was saved and it is destroyed. To stop one is to delete it: it can't be
started again, and how it ended is known to this master only, until then. `launch` returns when the cluster took the
pod: that it began is told later, why it still waits in words, and after its `start_timeout` it counts as ended. Knows
no process: the kubelet runs them, and ends all of a pod at once.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import Any

from beeyard.adapters.copying import Copying, Desk, quiet
from beeyard.adapters.ledger import Ledger
from beeyard.adapters.means import Means
from beeyard.adapters.occurrences import Occurrences
from beeyard.adapters.providers.kubernetes import checking, commands, ending, launching, output
from beeyard.adapters.providers.kubernetes.looking import Seen
from beeyard.adapters.providers.kubernetes.naming import name_of
from beeyard.adapters.providers.kubernetes.packaged import equipped
from beeyard.adapters.providers.kubernetes.place import Place
from beeyard.adapters.providers.kubernetes.places import Places
from beeyard.adapters.providers.kubernetes.section import KubernetesSection
from beeyard.adapters.providers.kubernetes.tracking import Tracked, Tracking, Workload
from beeyard.domain.errors import BeeyardError, Limited, NotFound, Problem, Rejected, Unavailable
from beeyard.domain.limits import Hold, held
from beeyard.domain.messages import Exit, Handle
from beeyard.domain.packages import Manifest
from beeyard.domain.plain import Mismatch, read
from beeyard.domain.secrets import references
from beeyard.domain.spec import StopStep, WorkerSpec
from beeyard.domain.supply import Equipment
from beeyard.domain.watching import Measure
from beeyard.ports.provider import Act, Answer, Capabilities, Occurrence, Owned, Purpose, Reading, Sight

HANDLE_VERSION = 1
AGAIN = 1.0
"""Seconds between two tries to launch while the cluster can't be reached."""
FIRST_WORDS = 1.0
"""Seconds that the end of a pod that just began waits until its output comes."""
LAST_WORDS = 10.0
"""Seconds that the output of a pod that ended may take until it is had."""

log = logging.getLogger("beeyard")


class KubernetesProvider:
    """Implements ports.provider.Provider; the launcher holds the pipes that the output goes into."""

    name = "kubernetes"
    section = KubernetesSection
    packaged = KubernetesSection
    hosted = None

    def __init__(self, means: Means) -> None:
        self._launcher = means.launcher
        self._secrets = means.secrets
        self._invitations = means.invitations
        self._ledger = Ledger(means.launcher.paths.pods)
        self._desk = Desk(means.launcher, self._ledger)
        self._orders = ending.Orders()
        self._occurrences = Occurrences()
        self._tasks: set[asyncio.Task[None]] = set()
        self._tracking = Tracking(self._occurrences, self._spawn, self._copy, self._taken_away)
        self._places = Places(
            means.launcher.paths.state, self._ledger, self._spawn, self._tracking.changed, self._tracking.contact
        )
        self._launcher.on_greeted.append(self._greeted)

    async def serve(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self._tracking.close()
            await self._orders.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._places.close()

    def capabilities(self) -> Capabilities:
        limits = {"memory": checking.HELD["memory"], "cores": checking.HELD["cores"]}
        means = "the kubelet, the whole pod"
        return Capabilities(
            means, user_switching=False, exact_exits=True, limits=limits, registers=True, elsewhere=True
        )

    def check(self, spec: WorkerSpec) -> list[Problem]:
        try:
            section = _section(spec)
        except Mismatch as mismatch:
            return mismatch.problems
        return checking.problems(spec, section)

    def equip(
        self, spec: WorkerSpec, manifest: Manifest, folder: str, needs: Mapping[str, str], image: str = ""
    ) -> Equipment:
        return equipped(_section(spec), manifest, needs, image)

    def secrets(self, spec: WorkerSpec) -> dict[str, str]:
        values = _section(spec).environment.items()
        return {name: f"run.environment.{variable}" for variable, value in values for name in references(value)}

    def require_allowed(self, spec: WorkerSpec, act: Act) -> None:
        """Whatever it is, it is ours."""

    def describe(self, spec: WorkerSpec) -> dict[str, str | bool]:
        section = _section(spec)
        found: dict[str, str | bool] = {"image": section.image} if section.image else {}
        current = self._tracking.latest(spec.id)
        if current is not None:
            found |= {"pod": f"{current.place.namespace}/{current.pod or current.name}"}
            found |= {"waits_for": current.said} if current.said else {}
        return found

    # --- starting and finding again ---------------------------------------------------------------------------------

    async def launch(self, spec: WorkerSpec, attempt: int, ports: Mapping[str, int]) -> Handle:
        fresh = self._ledger.page(spec.id, attempt) is None
        try:
            return await self._launched(spec, attempt, ports)
        except Limited as error:
            await asyncio.sleep(error.retry_after)
            raise
        except Unavailable:
            await asyncio.sleep(AGAIN)
            raise
        except Rejected:
            if fresh:  # Nothing was left, and nobody is to look there for it.
                self._ledger.drop(spec.id, attempt)
            raise

    async def _launched(self, spec: WorkerSpec, attempt: int, ports: Mapping[str, int]) -> Handle:
        section = _section(spec)
        place = await self._places.find(section.kubeconfig, section.context, section.namespace)
        order = await launching.order(spec, section, attempt, ports, self._places.owner)
        await self._desk.begin(spec, attempt, place.where)
        uid = await launching.make(place, order, self._secrets, self._invitations)
        tracked = self._track(spec, attempt, place, section.workload, order.name, uid)
        state = _state(place, section.workload, order.name, uid)
        if words := {field: means for field, means in checking.HELD.items() if getattr(held(spec.limits), field)}:
            state["held"] = words
        return Handle(self.name, HANDLE_VERSION, state, dict(ports), waits=not tracked.started)

    async def attach(self, spec: WorkerSpec, attempt: int, handle: Handle) -> Sight:
        """Where the cluster can't be reached it is taken as it was left, and told as lost until it is found."""
        state = handle.state
        place = await self._places.find(state["kubeconfig"], state["context"], state["namespace"])
        await self._desk.begin(spec, attempt, place.where)
        tracked = self._track(spec, attempt, place, state["workload"], state["name"], state["uid"])
        try:
            sight = await self.inspect(spec.id, attempt)
        except (Unavailable, Rejected) as error:
            self._tracking.tell(tracked, "lost", reason=error.advised)
            self._spawn(self._tracking.found(tracked))
            return Sight("running", waits=handle.waits)
        if sight.state == "missing":
            self._tracking.forget(tracked)
        return sight

    def _track(self, spec: WorkerSpec, attempt: int, place: Place, workload: Workload, name: str, uid: str) -> Tracked:
        tracked = Tracked(spec, attempt, place, workload, name, uid, name if workload == "pod" else "")
        return self._tracking.track(tracked, _section(spec).start_timeout)

    async def hold(self, worker: str, attempt: int, hold: Hold) -> Handle | None:
        """A pod keeps the limits that it was made with; the next one has the new ones."""
        return None

    # --- ending -----------------------------------------------------------------------------------------------------

    async def terminate(
        self, worker: str, attempt: int, step: StopStep, number: int, purpose: Purpose = "stop"
    ) -> None:
        tracked = self._tracking.get(worker, attempt)
        if tracked is not None and number <= tracked.asked:
            return
        await self._order_end(worker, attempt, lambda: max(ending.KILLING, int(step.wait)))
        if tracked is not None:
            tracked.asked = max(number, tracked.asked)

    async def kill(self, worker: str, attempt: int) -> None:
        """One that was killed before on a node that nobody hears of is taken away by force: else it would stay as it is
        for as long as its node is away."""
        tracked = self._tracking.get(worker, attempt)

        def grace() -> int:
            if tracked is None:
                return ending.KILLING
            tracked.forced = tracked.killed and tracked.lost
            return ending.FORCED if tracked.forced else ending.KILLING

        await self._order_end(worker, attempt, grace)
        if tracked is not None:
            tracked.killed = True

    async def _order_end(self, worker: str, attempt: int, grace: Callable[[], int]) -> None:
        """From the first try on it may be what ended it, also if nobody was told that it worked."""
        tracked = self._tracking.get(worker, attempt)

        def needless() -> bool:
            return tracked is not None and (tracked.exit is not None or self._tracking.get(*tracked.key) is not tracked)

        async def order() -> None:
            await self._end(worker, attempt, grace())

        if tracked is not None:
            before, tracked.ending = tracked.ending, True
        try:
            await self._orders.carry_out(worker, attempt, order, needless)
        except Rejected:
            if tracked is not None:
                tracked.ending = before
            raise

    async def _end(self, worker: str, attempt: int, grace: int) -> None:
        tracked = self._tracking.get(worker, attempt)
        if tracked is not None and tracked.started:  # What a pod wrote that is gone, nobody can tell any more.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(tracked.begun.wait(), FIRST_WORDS)
        for place in await self._where(worker, attempt):
            found = await ending.end(place, self._places.owner, worker, attempt, grace)
            if tracked is not None and not found and tracked.seen() is None:
                self._tracking.ended(tracked, Exit(note="it had no pod when it was to end"))

    async def _where(self, worker: str, attempt: int) -> list[Place]:
        """Where it runs, or anywhere if nobody remembers that."""
        if (tracked := self._tracking.get(worker, attempt)) is not None:
            return [tracked.place]
        page = self._ledger.page(worker, attempt)
        return [await self._places.find(**page.where)] if page and page.where else self._places.known()

    async def _taken_away(self, tracked: Tracked) -> None:
        with contextlib.suppress(BeeyardError):  # It is destroyed in the end, and asked for until then.
            await self._end(*tracked.key, ending.KILLING)

    async def destroy(self, worker: str, attempt: int) -> None:
        await self._orders.carry_out(worker, attempt, lambda: self._destroy(worker, attempt), lambda: False)

    async def _destroy(self, worker: str, attempt: int) -> None:
        tracked = self._tracking.get(worker, attempt)
        if tracked is not None and tracked.exit is None and (await self.inspect(worker, attempt)).state == "running":
            return
        if tracked is not None:
            await self._written(tracked)
        over = tracked is not None and tracked.exit is not None
        for place in await self._where(worker, attempt):
            await ending.clear(place, self._places.owner, worker, attempt, over)
        if tracked is not None:
            self._tracking.forget(tracked)
        self._ledger.drop(worker, attempt)

    async def release(self, worker: str) -> None:
        await self._launcher.request("release", worker=worker)

    # --- looking ----------------------------------------------------------------------------------------------------

    async def inspect(self, worker: str, attempt: int) -> Sight:
        tracked = self._tracking.get(worker, attempt)
        if tracked is None:
            return Sight("missing")
        if tracked.exit is not None:
            return Sight("ended", tracked.exit)
        for pod in (await tracked.place.pods(worker)).values():
            if pod.attempt == attempt:
                return Sight("ended", pod.exit) if pod.state == "ended" else Sight("running", waits=_waits(pod))
        if tracked.workload == "job":
            with contextlib.suppress(NotFound):
                await tracked.place.look("job", tracked.name)
                return Sight("running", waits=True)  # It has made no pod yet.
        return Sight("missing")

    async def list_owned(self) -> list[Owned]:
        """In every cluster and namespace where an attempt ran that is not forgotten. What ended and is going already
        was destroyed: the cluster takes its time over that."""
        found = []
        for place, pod in await self._places.pods():
            if pod.state != "ended" or not pod.going:
                name = name_of(self._places.owner, pod.worker, pod.attempt)
                state = _state(place, "pod" if pod.name == name else "job", name, pod.uid)
                handle = Handle(self.name, HANDLE_VERSION, state, waits=_waits(pod))
                found.append(Owned(pod.worker, pod.attempt, handle, pod.state != "ended", pod.created))
        return found

    def events(self) -> AsyncIterator[list[Occurrence]]:
        return self._occurrences.batches()

    async def stirred(self) -> bool | None:
        return None if any(self._tracking.living()) else False

    async def usages(self, attempts: Sequence[tuple[str, int]]) -> list[Reading | None]:
        """As the clusters' own metrics tell: how many processes there are, nobody there knows."""
        wanted = [self._tracking.get(*key) for key in attempts]
        places = {tracked.place for tracked in wanted if tracked is not None}
        known = {place: await place.metering.readings() for place in places}
        return [None if tracked is None else known[tracked.place].get(tracked.pod) for tracked in wanted]

    async def measure(self, attempts: Sequence[tuple[str, int]]) -> list[Measure | None]:
        """What limits are watched by would be a quarter of a minute old: the kubelet keeps them."""
        return [None] * len(attempts)

    async def exec(self, spec: WorkerSpec, command: tuple[str, ...], timeout: float) -> Answer:
        tracked = self._tracking.latest(spec.id)
        if tracked is None or not tracked.pod or tracked.exit is not None:
            return Answer(None, f"{spec.id} has no pod that runs")
        return await commands.run(tracked.place.api, tracked.place.pod_path(tracked.pod), command, timeout)

    # --- output -----------------------------------------------------------------------------------------------------

    async def drain(self, worker: str) -> None:
        tracked = self._tracking.latest(worker)
        if tracked is not None and tracked.exit is not None:
            await self._written(tracked)
        await self._desk.drain(worker)

    async def _copy(self, tracked: Tracked) -> None:
        """All that it writes."""
        place = tracked.place
        apart = await place.apart(tracked.pod)
        await output.copy(
            lambda stream, since: place.follow(tracked.pod, stream if apart else "", since),
            Copying(self._desk, *tracked.key),
            apart,
            tracked.begun,
            lambda: tracked.exit is not None,
            tracked.spec.id,
        )

    async def _written(self, tracked: Tracked) -> None:
        """Once all is had that it wrote, or soon."""
        if tracked.writing is not None and not await quiet(tracked.writing, LAST_WORDS):
            log.warning("%s: what attempt %d wrote last could not be copied", *tracked.key)
            tracked.writing.cancel()

    def _greeted(self) -> None:
        """A launcher answers, perhaps another one than before, that has no pipes yet."""
        for tracked in self._tracking.living():
            self._spawn(self._desk.piped(*tracked.key))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _section(spec: WorkerSpec) -> KubernetesSection:
    return read(spec.run, KubernetesSection, "run")


def _state(place: Place, workload: Workload, name: str, uid: str) -> dict[str, Any]:
    return {**place.where, "workload": workload, "name": name, "uid": uid}


def _waits(pod: Seen) -> bool:
    """Whether it has yet to begin."""
    return pod.state == "waiting"
