"""Workers as containers of Docker Engines: which engine each is on, and who there does what is asked.

The engine keeps a container, running or ended, until it is told to forget it: so an exit waits there for whoever owns
it next, and nothing is removed but by `destroy`. What a container writes is copied into the worker's own log files,
which stay when it is gone.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial

from msgspec import convert

from beeyard.adapters import modules
from beeyard.adapters.copying import Desk
from beeyard.adapters.ledger import Ledger
from beeyard.adapters.means import Means
from beeyard.adapters.occurrences import Occurrences
from beeyard.adapters.providers.docker import beside, checking, holding, looking
from beeyard.adapters.providers.docker.container import name
from beeyard.adapters.providers.docker.ending import ended, exit_of
from beeyard.adapters.providers.docker.engine import absent
from beeyard.adapters.providers.docker.known import PROVIDER, Key, Known
from beeyard.adapters.providers.docker.packaged import equipped
from beeyard.adapters.providers.docker.place import Place
from beeyard.adapters.providers.docker.section import DockerSection, PackagedDocker, section_type
from beeyard.adapters.providers.docker.where import Where
from beeyard.adapters.surroundings import invited
from beeyard.domain.errors import NotFound, Problem, Unavailable
from beeyard.domain.limits import Hold
from beeyard.domain.messages import Handle
from beeyard.domain.packages import Manifest
from beeyard.domain.plain import Mismatch, read
from beeyard.domain.secrets import references
from beeyard.domain.spec import StopStep, WorkerSpec
from beeyard.domain.supply import Equipment
from beeyard.domain.watching import Measure
from beeyard.ports.provider import Act, Answer, Bringing, Capabilities, Occurrence, Owned, Purpose, Reading, Sight

log = logging.getLogger("beeyard")


class DockerProvider:
    """Implements ports.provider.Provider. The library is imported with the first worker, and need not be there."""

    name = PROVIDER
    section = DockerSection
    packaged = PackagedDocker
    hosted = None

    def __init__(self, means: Means) -> None:
        self._launcher = means.launcher
        self._secrets = means.secrets
        self._invitations = means.invitations
        self._owner = means.launcher.paths.identity
        self._ledger = Ledger(means.launcher.paths.containers)
        self._desk = Desk(means.launcher, self._ledger)
        self._occurrences = Occurrences()
        self._places: dict[Where, Place] = {}
        self._group: asyncio.TaskGroup | None = None
        self._launcher.on_greeted.append(self._greeted)

    async def serve(self) -> None:
        """An engine is asked for nothing before the first worker that is for it, of this master or of one before."""
        if self._ledger.begun():
            for page in self._ledger.pages():
                self._at(convert(page.where, Where))
        async with asyncio.TaskGroup() as self._group:
            for place in self._places.values():
                self._group.create_task(place.serve())
            await asyncio.Event().wait()  # More places may come.

    def capabilities(self) -> Capabilities:
        means = "the container as a whole, by the Docker Engine"
        return Capabilities(
            means, user_switching=True, exact_exits=False, limits=holding.CAPABLE, registers=True, elsewhere=True
        )

    def check(self, spec: WorkerSpec) -> list[Problem]:
        try:
            section = _section(spec)
        except Mismatch as mismatch:
            return mismatch.problems
        return [*absent(section.where), *checking.unfit(spec, section)]

    def equip(
        self, spec: WorkerSpec, manifest: Manifest, folder: str, needs: Mapping[str, str], image: str = ""
    ) -> Equipment:
        return equipped(spec, _section(spec), manifest, folder, needs, image)

    def secrets(self, spec: WorkerSpec) -> dict[str, str]:
        values = _section(spec).environment.items()
        own = {secret: f"run.environment.{variable}" for variable, value in values for secret in references(value)}
        return own | modules.secrets_of(spec)

    # --- starting and finding again ---------------------------------------------------------------------------------

    async def launch(self, spec: WorkerSpec, attempt: int, ports: Mapping[str, int]) -> Handle:
        section = _section(spec)
        place = self._at(section.where)
        secrets = {secret: await self._secrets.fetch(secret) for secret in self.secrets(spec)}
        invite = partial(invited, spec, attempt, self._invitations)
        notices = self._launcher.paths.notify_folder if place.engine.here and not spec.register else ""
        return await place.starting.launch(spec, section, attempt, ports, secrets, notices, invite)

    async def attach(self, spec: WorkerSpec, attempt: int, handle: Handle) -> Sight:
        """Raises Unavailable when the engine can't be asked; what becomes of the attempt is then told by events."""
        key = (spec.id, attempt)
        known = await (self._of(key) or self._at(_section(spec).where)).following.sought(key, handle)
        if known is None:
            return Sight("missing")
        return Sight("running") if known.lives else Sight("ended", known.exit)

    async def hold(self, worker: str, attempt: int, hold: Hold) -> Handle | None:
        place = self._of((worker, attempt))
        return None if place is None else await place.starting.hold(worker, attempt, hold)

    # --- ending -----------------------------------------------------------------------------------------------------

    def require_allowed(self, spec: WorkerSpec, act: Act) -> None:
        """Whatever it is, it is ours."""

    async def terminate(
        self, worker: str, attempt: int, step: StopStep, number: int, purpose: Purpose = "stop"
    ) -> None:
        if (place := self._of((worker, attempt))) is not None:
            await place.stopping.terminate(worker, attempt, step, number)

    async def kill(self, worker: str, attempt: int) -> None:
        if (place := self._of((worker, attempt))) is not None:
            await place.stopping.signal((worker, attempt), signal.SIGKILL)

    async def destroy(self, worker: str, attempt: int) -> None:
        if (place := self._of((worker, attempt))) is not None:
            await place.stopping.destroy(worker, attempt)

    async def release(self, worker: str) -> None:
        await self._launcher.request("release", worker=worker)

    # --- looking ----------------------------------------------------------------------------------------------------

    async def inspect(self, worker: str, attempt: int) -> Sight:
        if (place := self._of((worker, attempt))) is None:
            return Sight("missing")
        await place.following.ready()
        known = place.following.known.get((worker, attempt))
        called = name(self._owner, worker, attempt) if known is None else known.id  # Anybody may rename it.
        try:
            found = await place.engine.ask("GET", f"containers/{called}/json")
        except NotFound:
            return Sight("missing")
        state = found["State"]
        if ended(state):
            return Sight("ended", exit_of(state))
        return Sight("missing" if state["Status"] == "created" else "running")

    async def list_owned(self) -> list[Owned]:
        """Of all engines that answer. One that does not is told of, and hides none of another one; if none does, that
        is raised."""
        places = list(self._places.values())
        errors = [error for error in await asyncio.gather(*map(_away, places)) if error is not None]
        if errors and len(errors) == len(places):
            raise errors[0]
        return [Owned(*key, known.handle, known.lives, known.since) for _, key, known in self._all()]

    async def stirred(self) -> bool | None:
        return None if any(known.lives for _, _, known in self._all()) else False

    async def usages(self, attempts: Sequence[Key]) -> list[Reading | None]:
        measures = await self.measure(attempts)
        return [None if seen is None else Reading(seen.cpu, seen.rss, seen.processes) for seen in measures]

    async def measure(self, attempts: Sequence[Key]) -> list[Measure | None]:
        living = {key: (place, known) for place, key, known in self._all() if known.lives}
        return await asyncio.gather(*(_measured(living.get(key)) for key in attempts))

    def describe(self, spec: WorkerSpec) -> dict[str, str | bool]:
        section = _section(spec)
        command = " ".join((*section.entrypoint, *section.command))
        return {
            **({"image": section.image} if section.image else {}),
            **({"command": command} if command else {}),
            **({"engine": str(section.where)} if section.where.plain else {}),
        }

    async def exec(self, spec: WorkerSpec, command: tuple[str, ...], timeout: float) -> Answer:
        for place, (worker, _), known in self._all():
            if worker == spec.id and known.lives:
                return await beside.run(place.engine, known.id, command, timeout)
        return Answer(None, f"{spec.id} does not run: a command needs its container")

    async def drain(self, worker: str) -> None:
        for place, (other, _), known in list(self._all()):
            if other == worker:
                await looking.caught_up(place.engine, known)
        await self._desk.drain(worker)

    def events(self) -> AsyncIterator[list[Occurrence]]:
        return self._occurrences.batches()

    @property
    def told(self) -> int:
        """Grows with every step of any pull."""
        return sum(place.pulling.told for place in self._places.values())

    def coming(self, worker: str) -> Bringing | None:
        """The image that it waits for."""
        return next(filter(None, (place.pulling.coming(worker) for place in self._places.values())), None)

    # --- places -----------------------------------------------------------------------------------------------------

    def _at(self, where: Where) -> Place:
        place = self._places.get(where)
        if place is None:
            place = self._places[where] = Place(where, self._owner, self._desk, self._occurrences)
            if self._group is not None:
                self._group.create_task(place.serve())
        return place

    def _of(self, key: Key) -> Place | None:
        """Where it was started, whatever its spec says by now; None if it never was, or is forgotten."""
        for place in self._places.values():
            if key in place.following.known:
                return place
        page = self._ledger.page(*key)
        return None if page is None else self._at(convert(page.where, Where))

    def _all(self) -> Iterator[tuple[Place, Key, Known]]:
        for place in self._places.values():
            for key, known in place.following.known.items():
                yield place, key, known

    def _greeted(self) -> None:
        """A launcher answers, perhaps another one than before, that has no pipes yet."""
        for place in self._places.values():
            place.following.piped()


async def _away(place: Place) -> Unavailable | None:
    try:
        await place.following.ready()
    except Unavailable as error:
        named = str(place.engine.where) or "the usual place"
        log.warning("what runs on the Docker Engine at %s is not known yet: %s", named, error.advised)
        return error
    return None


async def _measured(one: tuple[Place, Known] | None) -> Measure | None:
    return None if one is None else await looking.measure(one[0].engine, one[1])


def _section(spec: WorkerSpec) -> DockerSection:
    return read(spec.run, section_type(spec.package), "run")
