"""What all providers share that run workers within the master: an attempt is a thread there, and no process.

They end with the master, whatever becomes of it. One that can't be ended stays as it is, with where it hangs in its
note, and no other attempt of its worker begins beside it. Output goes through the launcher's pipes like everybody's.
What an attempt does in its thread is the matter of who makes it.
"""

import asyncio
import contextlib
import errno
import logging
import resource
import shutil
import signal
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from beeyard.adapters.apartments.attempt import Attempt, Order, hanging
from beeyard.adapters.apartments.outlets import Outlet
from beeyard.adapters.means import Means
from beeyard.adapters.occurrences import Occurrences
from beeyard.adapters.surroundings import OTHERS, told
from beeyard.domain.errors import Rejected, Unavailable
from beeyard.domain.limits import Hold
from beeyard.domain.messages import Exit, Handle
from beeyard.domain.secrets import Secret
from beeyard.domain.spec import StopStep, WorkerSpec
from beeyard.domain.watching import Measure
from beeyard.ports.notify import Word
from beeyard.ports.provider import Act, Answer, Occurrence, Owned, Purpose, Reading, Sight

HANDLE_VERSION = 1
EVICTIONS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between two tries to end one that does not: it may have caught the first."""
LEAVING = 10.0
"""Seconds that workers have to stop when their master ends."""

log = logging.getLogger("beeyard")


class Within(ABC):
    """The part of ports.provider.Provider that is the same for all; the launcher holds the pipes, and runs commands
    beside a worker."""

    name: str

    def __init__(self, means: Means) -> None:
        self._launcher = means.launcher
        self._secrets = means.secrets
        self._notices = means.notices
        self._launcher.on_greeted.append(self._greeted)
        self._attempts: dict[str, Attempt] = {}
        self._occurrences = Occurrences()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._roomy = False

    async def serve(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await self._leave()

    @abstractmethod
    def secrets(self, spec: WorkerSpec) -> dict[str, str]:
        """As in ports.provider."""

    @abstractmethod
    def make(self, order: Order, secrets: Mapping[str, Secret]) -> Attempt:
        """One that is not started yet."""

    # --- starting ---------------------------------------------------------------------------------------------------

    async def launch(self, spec: WorkerSpec, attempt: int, ports: Mapping[str, int]) -> Handle:
        if (known := self._known(spec, attempt)) is not None:
            return known
        secrets = {name: await self._secrets.fetch(name) for name in self.secrets(spec)}
        await self._pipes(spec)
        if (known := self._known(spec, attempt)) is not None:  # While we waited.
            return known
        made = self._made(spec, attempt, ports, secrets)
        try:
            await asyncio.to_thread(made.start)  # A new thread is waited for, and a thousand of them take their turns.
        except (OSError, RuntimeError) as error:
            del self._attempts[spec.id]
            raise _refused(spec, error) from None
        return made.handle

    def _known(self, spec: WorkerSpec, attempt: int) -> Handle | None:
        """Raises Rejected while another one lives."""
        known = self._attempts.get(spec.id)
        if known is not None and known.number == attempt:
            return known.handle
        if known is not None and known.exit is None:
            text = "attempt {attempt} of {worker} still runs"
            raise Rejected("worker_doubled", text, attempt=known.number, worker=spec.id)
        return None

    async def _pipes(self, spec: WorkerSpec) -> None:
        sizes = {"max_size": spec.logs.max_size, "max_files": spec.logs.max_files}
        try:
            await self._launcher.request("pipes", worker=spec.id, logs=sizes)
        except Rejected as error:
            if error.code == "launcher_unknown":
                text = "the launcher is of an older version and has no pipes for what runs within the master"
                raise Unavailable("launcher_too_old", text, hint="beeyard upgrade") from None
            raise

    def _made(self, spec: WorkerSpec, attempt: int, ports: Mapping[str, int], secrets: Mapping[str, Secret]) -> Attempt:
        self._make_room()
        out, err = (Outlet(self._launcher.worker_fifo(spec.id, stream)) for stream in ("stdout", "stderr"))
        handle = Handle(self.name, HANDLE_VERSION, {}, dict(ports))
        say = partial(self._notices.say, spec.id, attempt)
        made = self._attempts[spec.id] = self.make(Order(spec, attempt, handle, (out, err), say, self._ended), secrets)
        return made

    def _make_room(self) -> None:
        """Each has five descriptors of its own; the launcher allows its master all there are, other programs don't."""
        if not self._roomy:
            self._roomy = True
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    async def attach(self, spec: WorkerSpec, attempt: int, handle: Handle) -> Sight:
        return await self.inspect(spec.id, attempt)

    def _greeted(self) -> None:
        """A launcher answers, perhaps another one than before, that has no pipes yet."""
        for attempt in self._living():
            self._spawn(self._piped(attempt.spec))

    async def _piped(self, spec: WorkerSpec) -> None:
        with contextlib.suppress(Unavailable, Rejected):  # Gone again: the next one is asked.
            await self._pipes(spec)

    # --- ending -----------------------------------------------------------------------------------------------------

    def require_allowed(self, spec: WorkerSpec, act: Act) -> None:  # noqa: B027  # Nothing is to be done about it.
        """Whatever it is, it is ours."""

    async def terminate(
        self, worker: str, attempt: int, step: StopStep, number: int, purpose: Purpose = "stop"
    ) -> None:
        known = self._current(worker, attempt)
        if known is None or number <= known.asked:
            return
        if known.asked:
            known.cancel()
        else:
            known.stop()
        known.asked = number

    async def kill(self, worker: str, attempt: int) -> None:
        known = self._current(worker, attempt)
        if known is not None:
            self._spawn(self._evict(known))

    async def _evict(self, attempt: Attempt) -> None:
        attempt.condemn()
        attempt.cancel()
        for pause in EVICTIONS:
            attempt.evict()
            await asyncio.sleep(pause)
            if not attempt.alive():
                self._ended(attempt, Exit(signal=signal.SIGKILL))  # If it could not say so itself.
            if attempt.exit is not None:
                return
        where = attempt.stuck()
        log.warning("%s: attempt %d can't be ended: %s", attempt.spec.id, attempt.number, where)
        self._notices.say(attempt.spec.id, attempt.number, Word(status=hanging(where)))

    async def _leave(self) -> None:
        """The master ends: what runs within it is stopped first, and what does not stop is given up."""
        for attempt in self._living():
            attempt.stop()
        await self._empty(LEAVING)
        for attempt in self._living():
            attempt.cancel()
            attempt.evict()
        await self._empty(EVICTIONS[-1])
        for attempt in self._living():
            log.warning("%s ends with its master: %s", attempt.spec.id, attempt.stuck())
        for task in self._tasks:
            task.cancel()

    async def _empty(self, within: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._living():
                    self._changed.clear()
                    await self._changed.wait()

    def _ended(self, attempt: Attempt, exit: Exit) -> None:
        if attempt.over(exit):
            self._occurrences.tell(Occurrence(attempt.spec.id, attempt.number, "exited", exit))
            self._changed.set()

    async def destroy(self, worker: str, attempt: int) -> None:
        known = self._current(worker, attempt)
        if known is not None and known.exit is not None:
            del self._attempts[worker]

    async def release(self, worker: str) -> None:
        await self._launcher.request("release", worker=worker)

    # --- looking ----------------------------------------------------------------------------------------------------

    def _current(self, worker: str, attempt: int) -> Attempt | None:
        known = self._attempts.get(worker)
        return known if known is not None and known.number == attempt else None

    def _living(self) -> list[Attempt]:
        return [attempt for attempt in self._attempts.values() if attempt.exit is None]

    async def inspect(self, worker: str, attempt: int) -> Sight:
        known = self._current(worker, attempt)
        if known is None:
            return Sight("missing")
        return Sight("running") if known.exit is None else Sight("ended", known.exit)

    async def list_owned(self) -> list[Owned]:
        """None outlives the master that it was started by."""
        return []

    async def stirred(self) -> bool | None:
        return bool(self._living())

    async def usages(self, attempts: Sequence[tuple[str, int]]) -> list[Reading | None]:
        """CPU is that of its threads; memory is the whole process's, and nobody can tell whose."""
        cpus = self._cpus(attempts)
        return [None if cpu is None else Reading(cpu, None, 0) for cpu in cpus]

    async def measure(self, attempts: Sequence[tuple[str, int]]) -> list[Measure | None]:
        return [None if cpu is None else Measure(cpu, None, 0) for cpu in self._cpus(attempts)]

    def _cpus(self, attempts: Sequence[tuple[str, int]]) -> list[float | None]:
        known = [self._current(worker, attempt) for worker, attempt in attempts]
        return [one.cpu() if one is not None and one.exit is None else None for one in known]

    async def hold(self, worker: str, attempt: int, hold: Hold) -> Handle | None:
        """It is kept within nothing: see `check`."""
        known = self._current(worker, attempt)
        return known.handle if known is not None and known.exit is None else None

    async def exec(self, spec: WorkerSpec, command: tuple[str, ...], timeout: float) -> Answer:
        known = self._attempts.get(spec.id)
        attempt, ports = (known.number, known.handle.ports) if known is not None else (0, {})
        return await self._launcher.beside(
            timeout,
            worker=spec.id,
            attempt=attempt,
            argv=[shutil.which(command[0]) or command[0], *command[1:]],
            environment=told(spec, attempt, ports),
            without=sorted(self._secrets.withheld() | OTHERS),
        )

    async def drain(self, worker: str) -> None:
        with contextlib.suppress(Rejected, Unavailable):
            await self._launcher.request("drain", worker=worker)

    def events(self) -> AsyncIterator[list[Occurrence]]:
        return self._occurrences.batches()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _refused(spec: WorkerSpec, error: OSError | RuntimeError) -> Rejected:
    reason = (isinstance(error, OSError) and error.strerror) or str(error)
    hint = "raise the limit of open files" if isinstance(error, OSError) and error.errno == errno.EMFILE else ""
    text = "no thread for {worker}: {reason}"
    return Rejected("apartment_refused", text, worker=spec.id, reason=reason, hint=hint)
