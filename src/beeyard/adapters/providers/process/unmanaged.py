"""Processes of this host that somebody else runs: found and watched, never started, ended only where that is allowed.

The master holds a pidfd of each, so a signal can't go to another process that got its pid, and the launcher, whose
children they are not, need not be there. A process is known by boot, pid namespace, pid and start time; nothing is put
into it: no mark, no cgroup, no pipes. What may not be ended is let go: it runs on, and Beeyard stops watching it.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from beeyard.adapters.means import Means
from beeyard.adapters.occurrences import Occurrences
from beeyard.adapters.providers.process import discovery, identity
from beeyard.adapters.providers.process.counters import Counters
from beeyard.adapters.providers.process.measuring import Measuring
from beeyard.adapters.providers.process.unmanaged_section import KILL, UnmanagedSection
from beeyard.adapters.surroundings import OTHERS, told
from beeyard.domain.errors import Problem, Refused, Rejected, Unavailable
from beeyard.domain.limits import Hold
from beeyard.domain.messages import Exit, Handle
from beeyard.domain.packages import Manifest
from beeyard.domain.plain import Mismatch, read
from beeyard.domain.spec import StopStep, WorkerSpec
from beeyard.domain.supply import Equipment
from beeyard.domain.watching import Measure
from beeyard.launcher import kernel
from beeyard.launcher.kernel import Identity
from beeyard.ports.provider import Act, Answer, Capabilities, Occurrence, Owned, Purpose, Reading, Sight

HANDLE_VERSION = 1
UNREAPED = 2.0
"""Seconds that an ended process may be left by its parent until its end is told without a code."""
AGAIN = 0.02
SERVICE_TIME = 100.0
"""Seconds that a service manager may take; systemd's own limit of a stop is 90."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Watched(Struct, eq=False):
    """One that lives. `asked`: how many steps of a stop were taken; `order`: what the service manager does with it."""

    attempt: int
    spec: WorkerSpec
    handle: Handle
    pidfd: int
    asked: int = 0
    order: asyncio.Task[None] | None = None

    @property
    def identity(self) -> Identity:
        """The process."""
        return Identity(self.handle.state["pid"], self.handle.state["start"])


class UnmanagedProvider:
    """Implements ports.provider.Provider; the launcher only runs commands for it."""

    name = "unmanaged"
    section = UnmanagedSection
    packaged = None
    hosted = None

    def __init__(self, means: Means) -> None:
        self._launcher = means.launcher
        self._secrets = means.secrets
        self._watched: dict[str, Watched] = {}
        self._occurrences = Occurrences()
        self._tasks: set[asyncio.Task[None]] = set()
        self._counters, self._reading = Counters(), asyncio.Lock()
        self._measuring, self._looking = Measuring(), asyncio.Lock()

    async def serve(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for task in self._tasks:
                task.cancel()
            for worker in list(self._watched):
                self._forget(worker)
            self._counters.forget()

    def capabilities(self) -> Capabilities:
        means = "none: only the process itself, where that is allowed"
        return Capabilities(means, user_switching=False, exact_exits=False, owns=False)

    def check(self, spec: WorkerSpec) -> list[Problem]:
        try:
            section = read(spec.run, UnmanagedSection, "run")
        except Mismatch as mismatch:
            return mismatch.problems
        wrong = [replace(problem, path=f"run.{problem.path}") for problem in section.problems()]
        if spec.package:
            wrong.append(Problem("package", spec.package, "no package: it is found, not started"))
        return [*wrong, *section.unfit(spec)]

    def equip(
        self, spec: WorkerSpec, manifest: Manifest, folder: str, needs: Mapping[str, str], image: str = ""
    ) -> Equipment:
        text = "{worker} is found, not started: it can't run from {package}"
        raise Refused("package_not_for", text, worker=spec.id, package=manifest.name, hint="drop its `package:`")

    def secrets(self, spec: WorkerSpec) -> dict[str, str]:
        return {}

    def require_allowed(self, spec: WorkerSpec, act: Act) -> None:
        section = _section(spec)
        if act != "restart" and not section.control.can_terminate:
            hint = "set control.can_terminate: true; or let it go with enabled: false, or remove"
        elif act == "kill" and not section.control.allows(KILL):
            hint = "name SIGKILL among its control.allowed_signals, or stop it without force"
        elif act == "restart" and not section.control.can_restart:
            hint = "set control.can_restart: true"
        elif act == "restart" and not section.may_end():
            hint = "name its service_manager, or set control.can_terminate: true if others start it again"
        else:
            return
        text = "{worker} is not Beeyard's own: it may not be {done}"
        done = {"stop": "stopped", "restart": "restarted", "kill": "killed"}[act]
        raise Refused("worker_unmanaged", text, worker=spec.id, done=done, hint=hint)

    # --- finding and finding again ----------------------------------------------------------------------------------

    async def launch(self, spec: WorkerSpec, attempt: int, ports: Mapping[str, int]) -> Handle:
        known = self._watched.get(spec.id)
        if known is not None and known.attempt == attempt:
            return known.handle
        found = await asyncio.to_thread(discovery.find, _section(spec).discovery)
        state = {
            "pid": found.pid,
            "start": found.start,
            "boot": kernel.boot_id(),
            "namespace": kernel.pid_namespace(),
        }
        handle = Handle(self.name, HANDLE_VERSION, state, dict(ports))
        if not self._watch(spec, attempt, handle):
            raise Rejected("process_not_found", "process {pid} ended when it was just found", pid=found.pid)
        return handle

    async def attach(self, spec: WorkerSpec, attempt: int, handle: Handle) -> Sight:
        here = (handle.state["boot"], handle.state["namespace"]) == (kernel.boot_id(), kernel.pid_namespace())
        return Sight("running") if here and self._watch(spec, attempt, handle) else Sight("missing")

    def _watch(self, spec: WorkerSpec, attempt: int, handle: Handle) -> bool:
        """False when it is gone."""
        watched = Watched(attempt, spec, handle, -1)
        pidfd = kernel.open_process(watched.identity)
        if pidfd is None:
            return False
        watched.pidfd = pidfd
        self._forget(spec.id)
        self._watched[spec.id] = watched
        asyncio.get_running_loop().add_reader(pidfd, self._ended, spec.id, watched)
        return True

    # --- ending -----------------------------------------------------------------------------------------------------

    async def terminate(
        self, worker: str, attempt: int, step: StopStep, number: int, purpose: Purpose = "stop"
    ) -> None:
        watched = self._current(worker, attempt)
        if watched is None or (number <= watched.asked and purpose != "release"):
            return
        watched.asked = number
        section = _section(watched.spec)
        renews = purpose == "restart" and section.may_renew()
        if purpose == "release" or not (renews or section.control.can_terminate):
            self._let_go(worker, watched)
        elif section.service and (renews or purpose == "stop"):
            if watched.order is None:
                verb = "restart" if renews else "stop"
                watched.order = self._spawn(self._order(watched, verb, section.service))
        else:
            self._send(watched, step.signal)

    async def kill(self, worker: str, attempt: int) -> None:
        watched = self._current(worker, attempt)
        if watched is not None:
            self._send(watched, KILL)

    def _send(self, watched: Watched, signo: int) -> None:
        """To this process alone, and only what is allowed."""
        name = signal.Signals(signo).name
        if not _section(watched.spec).control.allows(signo):
            _log.warning("%s: %s is not among its allowed_signals, so it is not sent", watched.spec.id, name)
            return
        try:
            signal.pidfd_send_signal(watched.pidfd, signo)
        except ProcessLookupError:
            return
        except OSError as error:
            text = "{signal} could not be sent to process {pid}: {reason}"
            raise Rejected(
                "signal_failed", text, signal=name, pid=watched.identity.pid, reason=error.strerror
            ) from None

    async def _order(self, watched: Watched, verb: str, service: str) -> None:
        """Have the service manager do it; its end is seen as any other's."""
        argv = [shutil.which("systemctl") or "systemctl", verb, service]
        worker = watched.spec.id
        try:
            answer = await self._run(worker, watched.attempt, argv, {}, SERVICE_TIME)
        except Unavailable as error:
            _log.warning("%s: systemctl %s %s: %s", worker, verb, service, error)
            return
        if answer.code != 0:
            said = answer.output.strip() or ("no end in time" if answer.timed_out else f"exit code {answer.code}")
            _log.warning("%s: systemctl %s %s: %s", worker, verb, service, said)

    def _let_go(self, worker: str, watched: Watched) -> None:
        self._forget(worker)
        self._occurrences.tell(Occurrence(worker, watched.attempt, "exited", Exit(left=True)))

    def _ended(self, worker: str, watched: Watched) -> None:
        """Its pidfd became readable."""
        asyncio.get_running_loop().remove_reader(watched.pidfd)
        self._spawn(self._conclude(worker, watched))

    async def _conclude(self, worker: str, watched: Watched) -> None:
        """Until its parent has reaped it, who may not read /proc has to wait for the code; and whoever looks for it
        again while a service manager is at it would come too soon."""
        pid, end = watched.identity.pid, asyncio.get_running_loop().time() + UNREAPED
        while (status := kernel.exit_status(watched.pidfd, pid)) is None and kernel.stat(pid) is not None:
            if asyncio.get_running_loop().time() >= end:
                break
            await asyncio.sleep(AGAIN)
        if watched.order is not None:
            await asyncio.wait({watched.order})
        if self._current(worker, watched.attempt) is not watched:
            return
        self._forget(worker)
        told = kernel.ending(status)
        exit = Exit(told.get("code"), told.get("signal"), told.get("core", False), note=told.get("note", ""))
        self._occurrences.tell(Occurrence(worker, watched.attempt, "exited", exit))

    def _forget(self, worker: str) -> None:
        watched = self._watched.pop(worker, None)
        if watched is not None:
            with contextlib.suppress(RuntimeError):  # The loop is closed already.
                asyncio.get_running_loop().remove_reader(watched.pidfd)
            os.close(watched.pidfd)

    async def destroy(self, worker: str, attempt: int) -> None:
        """Nothing is kept of one that ended."""

    async def release(self, worker: str) -> None:
        """Nothing is kept for the next one."""

    # --- looking ----------------------------------------------------------------------------------------------------

    def _current(self, worker: str, attempt: int) -> Watched | None:
        watched = self._watched.get(worker)
        return watched if watched is not None and watched.attempt == attempt else None

    async def inspect(self, worker: str, attempt: int) -> Sight:
        watched = self._current(worker, attempt)
        return Sight("running" if watched is not None and kernel.alive(watched.identity) else "missing")

    async def list_owned(self) -> list[Owned]:
        return []

    async def stirred(self) -> bool | None:
        return None if self._watched else False

    async def usages(self, attempts: Sequence[tuple[str, int]]) -> list[Reading | None]:
        async with self._reading:
            return await _gathered(self._counters.read(self._leaders(attempts), time.monotonic()))

    async def measure(self, attempts: Sequence[tuple[str, int]]) -> list[Measure | None]:
        async with self._looking:
            living = {watched.identity for watched in self._watched.values()}
            return await _gathered(self._measuring.read(self._leaders(attempts), living))

    def _leaders(self, attempts: Sequence[tuple[str, int]]) -> list[Identity | None]:
        watched = [self._current(worker, attempt) for worker, attempt in attempts]
        return [one.identity if one is not None else None for one in watched]

    async def hold(self, worker: str, attempt: int, hold: Hold) -> Handle | None:
        """It is watched, not kept within anything."""
        watched = self._current(worker, attempt)
        return watched.handle if watched is not None else None

    def describe(self, spec: WorkerSpec) -> dict[str, str | bool]:
        watched = self._watched.get(spec.id)
        looks: dict[str, str | bool] = {"looks_for": discovery.described(_section(spec).discovery)}
        return looks | ({"found": discovery.command_line(watched.identity.pid)} if watched is not None else {})

    async def exec(self, spec: WorkerSpec, command: tuple[str, ...], timeout: float) -> Answer:
        watched = self._watched.get(spec.id)
        attempt, ports = (watched.attempt, watched.handle.ports) if watched is not None else (0, {})
        environment = told(spec, attempt, ports)
        return await self._run(spec.id, attempt, identity.resolve(command, environment), environment, timeout)

    async def _run(
        self, worker: str, attempt: int, argv: Sequence[str], environment: Mapping[str, str], timeout: float
    ) -> Answer:
        return await self._launcher.beside(
            timeout,
            worker=worker,
            attempt=attempt,
            argv=argv,
            environment=environment,
            without=sorted(self._secrets.withheld() | OTHERS),
        )

    async def drain(self, worker: str) -> None:
        """What it writes does not come to us."""

    def events(self) -> AsyncIterator[list[Occurrence]]:
        return self._occurrences.batches()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _gathered(parts: Iterator[list[T]]) -> list[T]:
    """All of a reading, a part at a time in a thread."""
    found: list[T] = []
    while (part := await asyncio.to_thread(next, parts, None)) is not None:
        found += part
    return found


def _section(spec: WorkerSpec) -> UnmanagedSection:
    """Also of a spec that another version checked and saved."""
    try:
        return msgspec.convert(spec.run, UnmanagedSection)
    except msgspec.ValidationError as error:
        raise Rejected("section_invalid", "{worker}: {reason}", worker=spec.id, reason=str(error)) from None
