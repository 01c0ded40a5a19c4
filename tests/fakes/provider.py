"""A provider whose workers live in memory and die when a test says so. It outlives any number of masters."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from msgspec.structs import replace

from beeyard.domain.errors import BeeyardError, Problem, Refused, Unavailable
from beeyard.domain.limits import Hold, held
from beeyard.domain.messages import Exit, Handle
from beeyard.domain.packages import Manifest
from beeyard.domain.spec import StopStep, WorkerSpec
from beeyard.domain.supply import Equipment
from beeyard.domain.watching import Measure
from beeyard.ports.provider import Act, Answer, Bringing, Capabilities, Occurrence, Owned, Purpose, Reading, Sight


class Attempt:
    """One incarnation: it runs until it has an exit."""

    def __init__(self, worker: str, number: int, handle: Handle) -> None:
        self.worker = worker
        self.number = number
        self.handle = handle
        self.exit: Exit | None = None
        self.lost = False
        self.waits = handle.waits

    @property
    def pid(self) -> int:
        pid: int = self.handle.state["pid"]
        return pid


class FakeProvider:
    """Keeps every attempt until it is destroyed.

    Script it: `fail_next_launch`, `exit`, `lose`, `find`, `stubborn` (workers that ignore a stop), `reachable`,
    `within` (what it runs ends with the master), `elsewhere` (it runs on other hosts, without pids), `waiting`
    (workers whose attempts `begin` later), `brings` (what the launch of a worker waits for; count it in `told`),
    `problems`, `readings`, `measures`, `answers`, `forbidden` (what people may not ask), and `gates` (an unset
    event holds every call of that name). `calls` tells what was asked: the name, then worker and attempt where
    there are any, then what else was given; `purposes`, what each end was for.
    """

    name = "fake"

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.attempts: dict[tuple[str, int], Attempt] = {}
        self.ports: dict[tuple[str, int], dict[str, int]] = {}
        self.reachable = True
        self.within = False
        self.elsewhere = False
        self.waiting: set[str] = set()
        self.brings: dict[str, Bringing] = {}
        self.told = 0
        self.stubborn: set[str] = set()
        self.problems: list[Problem] = []
        self.readings: dict[str, Reading] = {}
        self.measures: dict[str, Measure] = {}
        self.forbidden: set[Act] = set()
        self.purposes: list[Purpose] = []
        self.stirs: bool | None = True
        self.answers: dict[tuple[str, ...], Answer | BeeyardError] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self._launch_errors: list[BeeyardError] = []
        self._next_pid = 1000
        self._queue: asyncio.Queue[list[Occurrence]] | None = None

    # --- the script -------------------------------------------------------------------------------------------------

    def fail_next_launch(self, error: BeeyardError) -> None:
        """The next launch of a new attempt raises this."""
        self._launch_errors.append(error)

    def forgive(self) -> None:
        """No launch fails any more."""
        self._launch_errors.clear()

    def exit(self, worker: str, exit: Exit | None = None, attempt: int | None = None) -> None:
        """The attempt, by default the newest that runs, ends: with code 0, if nothing else is said."""
        ended = self.newest(worker) if attempt is None else self.attempts[worker, attempt]
        assert ended.exit is None, f"{worker} attempt {ended.number} has ended already"
        ended.exit = exit or Exit(code=0)
        self._tell(Occurrence(worker, ended.number, "exited", ended.exit))

    def lose(self, worker: str, reason: str = "out of sight") -> None:
        """Contact is lost: the attempt goes on, but nobody can tell."""
        attempt = self.newest(worker)
        attempt.lost = True
        self._tell(Occurrence(worker, attempt.number, "lost", reason=reason))

    def find(self, worker: str) -> None:
        """The attempt is back in sight."""
        attempt = self.newest(worker)
        attempt.lost = False
        self._tell(Occurrence(worker, attempt.number, "found"))

    def begin(self, worker: str) -> None:
        """The attempt that waited runs."""
        attempt = self.newest(worker)
        attempt.waits = False
        self._tell(Occurrence(worker, attempt.number, "begun"))

    def newest(self, worker: str) -> Attempt:
        """The newest attempt that runs."""
        running = [a for a in self.attempts.values() if a.worker == worker and a.exit is None]
        assert running, f"{worker} does not run"
        return max(running, key=lambda a: a.number)

    def running(self) -> list[tuple[str, int]]:
        """Worker and attempt of all that runs, in the order they were launched."""
        return [key for key, attempt in self.attempts.items() if attempt.exit is None]

    def called(self, name: str) -> list[tuple[object, ...]]:
        """What was given to the calls of this name."""
        return [call[1:] for call in self.calls if call[0] == name]

    # --- the port ---------------------------------------------------------------------------------------------------

    def capabilities(self) -> Capabilities:
        return Capabilities(
            "in memory", user_switching=False, exact_exits=True, within=self.within, elsewhere=self.elsewhere
        )

    async def serve(self) -> None:
        self.calls.append(("serve",))
        await asyncio.Event().wait()

    def check(self, spec: WorkerSpec) -> list[Problem]:
        self.calls.append(("check", spec.id))
        return list(self.problems)

    def equip(
        self, spec: WorkerSpec, manifest: Manifest, folder: str, needs: Mapping[str, str], image: str = ""
    ) -> Equipment:
        return Equipment({**spec.run, "from": folder} | ({"with": dict(needs)} if needs else {}), spec.module)

    def coming(self, worker: str) -> Bringing | None:
        return self.brings.get(worker)

    def secrets(self, spec: WorkerSpec) -> dict[str, str]:
        return {name: f"run.{field}" for field, name in spec.run.get("secrets", {}).items()}

    async def launch(self, spec: WorkerSpec, attempt: int, ports: Mapping[str, int]) -> Handle:
        await self._called("launch", spec.id, attempt)
        known = self.attempts.get((spec.id, attempt))
        if known is None:
            if self._launch_errors:
                raise self._launch_errors.pop(0)
            self._next_pid += 1
            waits = spec.id in self.waiting
            handle = _held(Handle(self.name, 1, {"pid": self._next_pid}, dict(ports), waits=waits), held(spec.limits))
            known = self.attempts[spec.id, attempt] = Attempt(spec.id, attempt, handle)
            self.ports[spec.id, attempt] = dict(ports)
        return known.handle

    async def attach(self, spec: WorkerSpec, attempt: int, handle: Handle) -> Sight:
        await self._called("attach", spec.id, attempt)
        return self._sight(spec.id, attempt)

    def require_allowed(self, spec: WorkerSpec, act: Act) -> None:
        if act in self.forbidden:
            raise Refused("fake_forbidden", "{worker} is not to be touched", worker=spec.id)

    async def terminate(
        self, worker: str, attempt: int, step: StopStep, number: int, purpose: Purpose = "stop"
    ) -> None:
        self.purposes.append(purpose)
        await self._called("terminate", worker, attempt, step)
        if worker not in self.stubborn:
            self._end(worker, attempt, Exit(signal=step.signal))

    async def kill(self, worker: str, attempt: int) -> None:
        await self._called("kill", worker, attempt)
        self._end(worker, attempt, Exit(signal=9))

    async def destroy(self, worker: str, attempt: int) -> None:
        await self._called("destroy", worker, attempt)
        known = self.attempts.get((worker, attempt))
        assert known is None or known.exit is not None, f"{worker} attempt {attempt} still runs"
        self.attempts.pop((worker, attempt), None)

    async def inspect(self, worker: str, attempt: int) -> Sight:
        await self._called("inspect", worker, attempt)
        return self._sight(worker, attempt)

    async def list_owned(self) -> list[Owned]:
        await self._called("list_owned")
        return [Owned(a.worker, a.number, a.handle, a.exit is None) for a in self.attempts.values()]

    async def events(self) -> AsyncIterator[list[Occurrence]]:
        """For one reader at a time: the newest gets what happens."""
        queue = self._queue = asyncio.Queue[list[Occurrence]]()
        ended = [Occurrence(a.worker, a.number, "exited", a.exit) for a in self.attempts.values() if a.exit]
        if ended:
            queue.put_nowait(ended)
        while True:
            yield await queue.get()

    async def stirred(self) -> bool | None:
        return self.stirs

    async def usages(self, attempts: Sequence[tuple[str, int]]) -> list[Reading | None]:
        await self._called("usages", *attempts)
        ran = [self._sight(*attempt).state == "running" for attempt in attempts]
        none = Reading(cpu=0.0, rss=0, processes=1)
        return [self.readings.get(name, none) if runs else None for (name, _), runs in zip(attempts, ran, strict=True)]

    async def measure(self, attempts: Sequence[tuple[str, int]]) -> list[Measure | None]:
        await self._called("measure", *attempts)
        ran = [self._sight(*attempt).state == "running" for attempt in attempts]
        none = Measure(cpu=0.0, rss=0, processes=1)
        return [self.measures.get(name, none) if runs else None for (name, _), runs in zip(attempts, ran, strict=True)]

    async def hold(self, worker: str, attempt: int, hold: Hold) -> Handle | None:
        await self._called("hold", worker, attempt, hold)
        known = self.attempts.get((worker, attempt))
        if known is None or known.exit is not None:
            return None
        known.handle = _held(known.handle, hold)
        return known.handle

    def describe(self, spec: WorkerSpec) -> dict[str, str | bool]:
        return {"runs": "in memory"}

    async def exec(self, spec: WorkerSpec, command: tuple[str, ...], timeout: float) -> Answer:
        await self._called("exec", spec.id, command)
        answer = self.answers.get(command, Answer(0, ""))
        if isinstance(answer, BeeyardError):
            raise answer
        return answer

    async def drain(self, worker: str) -> None:
        await self._called("drain", worker)

    async def release(self, worker: str) -> None:
        await self._called("release", worker)

    # ----------------------------------------------------------------------------------------------------------------

    async def _called(self, name: str, *given: object) -> None:
        self.calls.append((name, *given))
        if name in self.gates:
            await self.gates[name].wait()
        if not self.reachable:
            raise Unavailable("fake_unreachable", "the fake provider can't be reached")

    def _sight(self, worker: str, attempt: int) -> Sight:
        known = self.attempts.get((worker, attempt))
        if known is None:
            return Sight("missing")
        if known.lost:
            raise Unavailable("fake_unreachable", "{worker} is out of sight", worker=worker)
        return Sight("running", waits=known.waits) if known.exit is None else Sight("ended", known.exit)

    def _end(self, worker: str, attempt: int, exit: Exit) -> None:
        known = self.attempts.get((worker, attempt))
        if known is not None and known.exit is None:
            self.exit(worker, exit, attempt)

    def _tell(self, occurrence: Occurrence) -> None:
        if self._queue is not None:
            self._queue.put_nowait([occurrence])


def _held(handle: Handle, hold: Hold) -> Handle:
    """It keeps everything."""
    state = {key: value for key, value in handle.state.items() if key != "held"}
    means = {field: "in memory" for field in hold.__struct_fields__ if getattr(hold, field) is not None}
    return replace(handle, state=state | ({"held": means} if means else {}))
