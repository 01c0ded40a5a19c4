"""Workers as processes of this host. The launcher is their parent; here its answers become facts, and specs orders."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from beeyard.adapters import modules
from beeyard.adapters.means import Means
from beeyard.adapters.occurrences import Occurrences
from beeyard.adapters.providers.process import holding, hosted, identity, integrated, listening, looking
from beeyard.adapters.providers.process.checking import problems
from beeyard.adapters.providers.process.counters import Counters
from beeyard.adapters.providers.process.environment import (
    as_started,
    environment_of,
    malformed,
    ports_of,
    secrets_of,
)
from beeyard.adapters.providers.process.measuring import Measuring
from beeyard.adapters.providers.process.packaged import equipped
from beeyard.adapters.providers.process.section import HostedSection, PackagedSection, ProcessSection, section_type
from beeyard.adapters.surroundings import OTHERS, asked, invited, told
from beeyard.domain.errors import Problem, Rejected, Unavailable
from beeyard.domain.limits import Hold, held
from beeyard.domain.messages import Exit, Handle, Usage
from beeyard.domain.packages import Manifest
from beeyard.domain.secrets import Secret
from beeyard.domain.spec import StopStep, WorkerSpec
from beeyard.domain.supply import Equipment
from beeyard.domain.watching import Measure
from beeyard.launcher import kernel
from beeyard.launcher.kernel import Identity
from beeyard.launcher.protocol import Message
from beeyard.ports.provider import Act, Answer, Capabilities, Occurrence, Owned, Purpose, Reading, Sight
from beeyard.sdk.terms import SWAP

HANDLE_VERSION = 1


class ProcessProvider:
    """Implements ports.provider.Provider over one launcher."""

    name = "process"
    section = ProcessSection
    packaged = PackagedSection
    hosted = HostedSection

    def __init__(self, means: Means) -> None:
        self._launcher = means.launcher
        self._secrets = means.secrets
        self._invitations = means.invitations
        self._launcher.on_connect = self._connected
        self._launcher.on_lost = self._lost
        self._launcher.on_event = self._event
        self._living: dict[str, tuple[int, Handle, WorkerSpec]] = {}
        self._leading: dict[str, int] = {}
        self._occurrences = Occurrences()
        self._again: set[asyncio.Task[None]] = set()
        self._counters = Counters()
        self._reading = asyncio.Lock()
        self._measuring = Measuring()
        self._looking = asyncio.Lock()

    async def serve(self) -> None:
        try:
            await self._launcher.run()
        finally:
            self._launcher.close()
            self._counters.forget()

    def capabilities(self) -> Capabilities:
        return Capabilities(
            whole_tree_kill=str(self._launcher.hello.get("means", "unknown")),
            user_switching=os.geteuid() == 0,
            exact_exits=True,
            registers=True,
            listens=True,
            limits=holding.words(holding.EVERYTHING, {"held": self._launcher.hello.get("holds", {})}),
        )

    def check(self, spec: WorkerSpec) -> list[Problem]:
        if found := problems(spec):
            return found
        section = _section(spec)
        if spec.module is not None:
            return [*malformed(section), *hosted.problems(spec, section)]
        return [*malformed(section), *integrated.problems(section, spec.endpoints), *listening.problems(section, spec)]

    def equip(
        self, spec: WorkerSpec, manifest: Manifest, folder: str, needs: Mapping[str, str], image: str = ""
    ) -> Equipment:
        return equipped(spec, cast(PackagedSection, _section(spec)), manifest, folder, needs)

    def secrets(self, spec: WorkerSpec) -> dict[str, str]:
        own = {name: f"run.environment.{variable}" for name, variable in secrets_of(_section(spec)).items()}
        return own | modules.secrets_of(spec)

    # --- starting and finding again ---------------------------------------------------------------------------------

    async def launch(self, spec: WorkerSpec, attempt: int, ports: Mapping[str, int]) -> Handle:
        section = _section(spec)
        if section.pid_file and (found := identity.from_pid_file(section.pid_file, section.executable_path)):
            report = await self._launcher.request(
                "adopt", worker=spec.id, attempt=attempt, pid=found[0], start=found[1]
            )
            if "gone" not in report:
                ports = {**ports, **integrated.port_given(section, report["pid"])}
                handle = self._lives(spec, attempt, report, ports)
                hold = held(spec.limits)
                return (await self.hold(spec.id, attempt, hold) if hold != Hold() else None) or handle
        try:
            sockets, ports = await self._listening(spec, ports)
            order = await self._order(spec, section, attempt, ports) | sockets
        except Rejected:
            # It may run already; then it matters no more that it could not be started again.
            if (known := await self._report(spec.id, attempt)) is None:
                raise
            report = {**known, "known": True}
        else:
            report = await self._launcher.request("spawn", **order)
        if report.get("known"):
            # A master that died before it could save the handle started it, with ports of its own choice.
            ports = {**ports, **ports_of(report["pid"], ports)}
        return self._lives(spec, attempt, report, ports)

    async def attach(self, spec: WorkerSpec, attempt: int, handle: Handle) -> Sight:
        report = await self._adopt(spec, attempt, handle)
        if report.get("gone"):
            return Sight("missing")
        if report["exit"] is not None:
            return Sight("ended", exit_of(report["exit"]))
        self._living[spec.id] = (attempt, handle, spec)
        return Sight("running")

    async def _adopt(self, spec: WorkerSpec, attempt: int, handle: Handle) -> Message:
        state = handle.state
        try:
            sockets = await listening.wishes(spec, handle.ports)
        except Rejected:
            sockets = []  # It has what it was given.
        return await self._launcher.request(
            "adopt",
            worker=spec.id,
            attempt=attempt,
            pid=state["pid"],
            start=state["start"],
            boot=state["boot"],
            namespace=state["namespace"],
            logs=_logs(spec),
            sockets=sockets,
        )

    async def _listening(self, spec: WorkerSpec, ports: Mapping[str, int]) -> tuple[dict[str, Any], Mapping[str, int]]:
        """Have its sockets opened, if it is to get some. Returns what its order says of them, and all its ports."""
        wishes = await listening.wishes(spec, ports)
        if not wishes:
            return {}, ports
        answer = await self._launcher.request("listen", worker=spec.id, sockets=wishes)
        ports = {**ports, **answer["ports"]}
        return {"sockets": await listening.wishes(spec, ports)}, ports

    def _lives(self, spec: WorkerSpec, attempt: int, report: Message, ports: Mapping[str, int]) -> Handle:
        means = holding.words(held(spec.limits), report)
        handle = Handle(
            provider=self.name,
            version=HANDLE_VERSION,
            state=self._state(report) | ({"held": means} if means else {}),
            ports=dict(ports),
        )
        self._living[spec.id] = (attempt, handle, spec)
        if report.get("exit") is not None:
            # It ended before this answer: its event went to a predecessor, or comes again.
            self._ended(spec.id, attempt, report["exit"])
        else:
            integrated.announce(_section(spec), report["pid"], ports)
        return handle

    def _state(self, report: Message) -> dict[str, Any]:
        """By what the very process is found again."""
        hello = self._launcher.hello
        own = {"pid": report["pid"], "start": report["start"]}
        return own | {"boot": hello["boot"], "namespace": hello["namespace"]}

    async def hold(self, worker: str, attempt: int, hold: Hold) -> Handle | None:
        known = self._living.get(worker)
        if known is None or known[0] != attempt:
            return None
        _, handle, spec = known
        try:
            order = {"hold": {}, **holding.ordered(hold, {})}
            report = await self._launcher.request("hold", worker=worker, attempt=attempt, **order)
        except Rejected as error:
            report = {"held": dict.fromkeys(order["hold"], f"{holding.REFUSED}{error}")}
        if report.get("gone"):
            return None
        state = {key: value for key, value in handle.state.items() if key != "held"}
        if means := holding.words(hold, report):
            state["held"] = means
        handle = replace(handle, state=state)
        if self._living.get(worker) == known:
            self._living[worker] = (attempt, handle, spec)
        return handle

    # --- ending -----------------------------------------------------------------------------------------------------

    def require_allowed(self, spec: WorkerSpec, act: Act) -> None:
        """Whatever it is, it is ours."""

    async def terminate(
        self, worker: str, attempt: int, step: StopStep, number: int, purpose: Purpose = "stop"
    ) -> None:
        self._leading.pop(worker, None)
        order = {"signal": step.signal, "number": number, "wait": float(step.wait)}
        await self._insist("signal", worker=worker, attempt=attempt, **order)

    async def kill(self, worker: str, attempt: int) -> None:
        self._leading.pop(worker, None)
        await self._insist("kill", worker=worker, attempt=attempt)

    async def lead(self, worker: str, attempt: int, *, here: bool) -> None:
        """A launcher that followed one which knew has to be told again: `_regain`."""
        if here:
            self._leading[worker] = attempt
        elif self._leading.get(worker) == attempt:
            del self._leading[worker]
        with contextlib.suppress(Rejected):  # One that is older than we are: it has one socket for all.
            await self._insist("lead", worker=worker, attempt=attempt, here=here)

    async def swap(self, worker: str, attempt: int) -> None:
        """To the host alone: the signal would end what else is in its group."""
        known = self._living.get(worker)
        if known is not None and known[0] == attempt:
            pidfd = kernel.open_process(_identity(known[1]))
            if pidfd is not None:
                try:
                    signal.pidfd_send_signal(pidfd, SWAP)
                except ProcessLookupError:
                    pass
                finally:
                    os.close(pidfd)

    async def _insist(self, kind: str, **fields: Any) -> None:
        """Until a launcher has answered: one that died before may not have heard. Only for what may be said twice."""
        while True:
            with contextlib.suppress(Unavailable):
                await self._launcher.request(kind, **fields)
                return

    async def destroy(self, worker: str, attempt: int) -> None:
        self._launcher.send({"type": "forget", "worker": worker, "attempt": attempt})

    async def release(self, worker: str) -> None:
        await self._launcher.request("release", worker=worker)

    # --- looking ----------------------------------------------------------------------------------------------------

    async def inspect(self, worker: str, attempt: int) -> Sight:
        known = self._living.get(worker)
        if known is not None and known[0] == attempt and kernel.alive(_identity(known[1])):
            return Sight("running")
        report = await self._report(worker, attempt)
        if report is None:
            return Sight("missing")
        return Sight("running") if report["exit"] is None else Sight("ended", exit_of(report["exit"]))

    async def _report(self, worker: str, attempt: int) -> Message | None:
        """What the launcher's table says of an attempt."""
        for report in (await self._launcher.request("table"))["attempts"]:
            if (report["worker"], report["attempt"]) == (worker, attempt):
                return cast(Message, report)
        return None

    async def list_owned(self) -> list[Owned]:
        reports = (await self._launcher.request("table"))["attempts"]
        owned = []
        for report in reports:
            state = self._state(report) | ({"held": report["held"]} if report.get("held") else {})
            handle = Handle(self.name, HANDLE_VERSION, state)
            since = looking.born(report["start"]) if report["start"] else None
            owned.append(Owned(report["worker"], report["attempt"], handle, report["exit"] is None, since))
        return owned

    async def stirred(self) -> bool | None:
        async with self._reading:
            if self._living:
                return await asyncio.to_thread(self._counters.stirred)
            self._counters.forget()
            return False

    async def usages(self, attempts: Sequence[tuple[str, int]]) -> list[Reading | None]:
        leaders = self._leaders(attempts)
        found: list[Reading | None] = []
        async with self._reading:
            # In a thread: the kernel makes who reads a cgroup's list wait while another is born into one.
            parts = self._counters.read(leaders, time.monotonic())
            while (part := await asyncio.to_thread(next, parts, None)) is not None:
                found += part
        return found

    async def measure(self, attempts: Sequence[tuple[str, int]]) -> list[Measure | None]:
        leaders = self._leaders(attempts)
        found: list[Measure | None] = []
        async with self._looking:
            parts = self._measuring.read(leaders, {_identity(handle) for _, handle, _ in self._living.values()})
            while (part := await asyncio.to_thread(next, parts, None)) is not None:
                found += part
        return found

    def _leaders(self, attempts: Sequence[tuple[str, int]]) -> list[Identity | None]:
        """None for an attempt that does not run."""
        return [
            _identity(known[1]) if (known := self._living.get(worker)) is not None and known[0] == attempt else None
            for worker, attempt in attempts
        ]

    def describe(self, spec: WorkerSpec) -> dict[str, str | bool]:
        if spec.module is not None:
            return hosted.described(spec, _section(spec))
        program = _section(spec).executable_path
        return {"executable_path": program, "executable_exists": os.path.isfile(program)}

    async def exec(self, spec: WorkerSpec, command: tuple[str, ...], timeout: float) -> Answer:
        section = _section(spec)
        attempt, handle, _ = self._living.get(spec.id, (0, None, spec))
        if handle is not None:
            section = as_started(section, handle.state["pid"])
        order = await self._order(spec, section, attempt, handle.ports if handle else {}, beside=True)
        order["argv"] = identity.resolve(command, order["environment"])
        return await self._launcher.beside(timeout, **order)

    async def drain(self, worker: str) -> None:
        with contextlib.suppress(Rejected, Unavailable):
            await self._launcher.request("drain", worker=worker)

    async def _order(
        self, spec: WorkerSpec, section: ProcessSection, attempt: int, ports: Mapping[str, int], *, beside: bool = False
    ) -> dict[str, Any]:
        """The order, secrets in place. Raises Rejected when one can't be had; Unavailable `beside` a worker, which is
        not to blame for that."""
        names = [*secrets_of(section), *(() if beside else modules.secrets_of(spec))]
        try:
            secrets = {name: await self._secrets.fetch(name) for name in names}
        except Rejected as error:
            if beside:
                raise Unavailable(error.code, "{text}", text=str(error)) from None
            raise
        order = _order(spec, section, attempt, ports, secrets)
        master = self._launcher.master_socket
        order["environment"] |= told(spec, attempt, ports, master) | asked(spec, self._launcher.notify_socket)
        if not beside:
            order["environment"] |= await invited(spec, attempt, self._invitations)
        if spec.module is not None and not beside:
            order["environment"] |= hosted.terms_of(spec, attempt, ports, secrets, master)
        return order | {"without": sorted(self._secrets.withheld() | OTHERS)}

    # --- what happens -----------------------------------------------------------------------------------------------

    def events(self) -> AsyncIterator[list[Occurrence]]:
        return self._occurrences.batches()

    def _event(self, message: Message) -> None:
        if message.get("type") == "exited":
            self._ended(message["worker"], message["attempt"], message["exit"])

    def _ended(self, worker: str, attempt: int, report: Mapping[str, Any]) -> None:
        known = self._living.get(worker)
        if known is not None and known[0] == attempt:
            del self._living[worker]
            self._leading.pop(worker, None)
            integrated.withdraw(_section(known[2]))
        self._occurrences.tell(Occurrence(worker, attempt, "exited", exit_of(report)))

    def _lost(self) -> None:
        for worker, (attempt, _, _) in self._living.items():
            self._occurrences.tell(Occurrence(worker, attempt, "lost", reason="the launcher died"))

    def _connected(self, hello: Message) -> None:
        """A launcher answers: what it says ended has ended; what we know to live, it has to take over."""
        for report in hello["attempts"]:
            if report["exit"] is not None:
                self._ended(report["worker"], report["attempt"], report["exit"])
        for worker, (attempt, handle, spec) in self._living.items():
            task = asyncio.get_running_loop().create_task(self._regain(worker, attempt, handle, spec))
            self._again.add(task)
            task.add_done_callback(self._again.discard)

    async def _regain(self, worker: str, attempt: int, handle: Handle, spec: WorkerSpec) -> None:
        try:
            report = await self._adopt(spec, attempt, handle)
        except (Unavailable, Rejected):
            return  # Gone again: the next connection asks once more.
        if report.get("gone"):
            self._ended(worker, attempt, {"note": "it ended while no launcher was there to see it"})
        elif report["exit"] is None:
            self._occurrences.tell(Occurrence(worker, attempt, "found"))
            if self._leading.get(worker) == attempt:
                await self.lead(worker, attempt, here=True)
        else:
            self._ended(worker, attempt, report["exit"])


def exit_of(report: Mapping[str, Any]) -> Exit:
    """The launcher's words for an end as ours."""
    usage = Usage(report.get("cpu", 0.0), report.get("max_rss", 0)) if "cpu" in report else None
    return Exit(
        code=report.get("code"),
        signal=report.get("signal"),
        core=report.get("core", False),
        oom=report.get("oom", False),
        leftovers=report.get("leftovers", 0),
        usage=usage,
        note=report.get("note", "") or _killed(report),
    )


def _killed(report: Mapping[str, Any]) -> str:
    """What the kernel did to others than the leader."""
    number = report.get("oom_kills", 0) - report.get("oom", False)
    return f"the kernel killed {number} of its processes: out of memory" if number > 0 else ""


def _identity(handle: Handle) -> Identity:
    return Identity(handle.state["pid"], handle.state["start"])


def _section(spec: WorkerSpec) -> ProcessSection:
    """Also of a spec that another version checked and saved."""
    try:
        return msgspec.convert(spec.run, section_type(spec))
    except msgspec.ValidationError as error:
        raise Rejected("section_invalid", "{worker}: {reason}", worker=spec.id, reason=str(error)) from None


def _logs(spec: WorkerSpec) -> dict[str, int]:
    return {"max_size": spec.logs.max_size, "max_files": spec.logs.max_files}


def _order(
    spec: WorkerSpec, section: ProcessSection, attempt: int, ports: Mapping[str, int], secrets: Mapping[str, Secret]
) -> dict[str, Any]:
    order: dict[str, Any] = {
        "worker": spec.id,
        "attempt": attempt,
        "argv": hosted.command(spec, section) if spec.module is not None else integrated.command(section, ports),
        "environment": environment_of(section, secrets),
        "logs": _logs(spec),
    }
    if section.working_directory:
        order["folder"] = section.working_directory
    if section.umask is not None:
        order["umask"] = section.umask
    if section.nice:
        order["nice"] = section.nice
    order |= holding.ordered(held(spec.limits), section.rlimits)
    order |= identity.credentials(section.user, section.group)
    return order
