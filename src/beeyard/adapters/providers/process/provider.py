"""Workers as processes of this host. The launcher is their parent; here its answers become facts, and specs orders."""

import asyncio
import contextlib
import os
import pwd
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from beeyard.adapters.host.launcher import LauncherClient
from beeyard.adapters.providers.process import identity
from beeyard.adapters.providers.process.environment import environment_of, ports_of
from beeyard.adapters.providers.process.section import ProcessSection
from beeyard.domain.errors import Problem, Rejected, Unavailable
from beeyard.domain.messages import Exit, Handle, Usage
from beeyard.domain.spec import StopStep, WorkerSpec
from beeyard.launcher import kernel
from beeyard.launcher.kernel import Identity
from beeyard.launcher.protocol import Message
from beeyard.ports.provider import Answer, Capabilities, Occurrence, Owned, Reading, Sight

HANDLE_VERSION = 1


class ProcessProvider:
    """Implements ports.provider.Provider over one launcher."""

    name = "process"
    section = ProcessSection

    def __init__(self, launcher: LauncherClient) -> None:
        self._launcher = launcher
        self._launcher.on_connect = self._connected
        self._launcher.on_lost = self._lost
        self._launcher.on_event = self._event
        self._living: dict[str, tuple[int, Handle, WorkerSpec]] = {}
        self._occurrences: asyncio.Queue[Occurrence] = asyncio.Queue()
        self._again: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        try:
            await self._launcher.run()
        finally:
            self._launcher.close()

    def capabilities(self) -> Capabilities:
        return Capabilities(
            whole_tree_kill=str(self._launcher.hello.get("means", "unknown")),
            user_switching=os.geteuid() == 0,
            exact_exits=True,
        )

    def check(self, spec: WorkerSpec) -> list[Problem]:
        section = _section(spec)
        problems = []
        program = section.executable_path
        if not os.path.isfile(program):
            problems.append(Problem("execution.executable_path", f"no file {program}", "an executable file"))
        elif not os.access(program, os.X_OK):
            problems.append(
                Problem(
                    "execution.executable_path", f"{program}, not executable", "an executable file", hint="chmod +x"
                )
            )
        if section.working_directory and not os.path.isdir(section.working_directory):
            problems.append(
                Problem("execution.working_directory", f"no folder {section.working_directory}", "an existing folder")
            )
        if (section.user or section.group) and os.geteuid() != 0 and section.user != pwd.getpwuid(os.geteuid()).pw_name:
            problems.append(
                Problem(
                    "execution.user", "another user than the master's", "the master's own user", hint="run it as root"
                )
            )
        return problems

    # --- starting and finding again ---------------------------------------------------------------------------------

    async def launch(self, spec: WorkerSpec, attempt: int, ports: Mapping[str, int]) -> Handle:
        section = _section(spec)
        if section.pid_file and (found := identity.from_pid_file(section.pid_file, section.executable_path)):
            report = await self._launcher.request(
                "adopt", worker=spec.id, attempt=attempt, pid=found[0], start=found[1]
            )
            if "gone" not in report:
                return self._lives(spec, attempt, report, ports)
        report = await self._launcher.request("spawn", **_order(spec, section, attempt, ports))
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
        return await self._launcher.request(
            "adopt",
            worker=spec.id,
            attempt=attempt,
            pid=state["pid"],
            start=state["start"],
            boot=state["boot"],
            namespace=state["namespace"],
            logs=_logs(spec),
        )

    def _lives(self, spec: WorkerSpec, attempt: int, report: Message, ports: Mapping[str, int]) -> Handle:
        hello = self._launcher.hello
        handle = Handle(
            provider=self.name,
            version=HANDLE_VERSION,
            state={
                "pid": report["pid"],
                "start": report["start"],
                "boot": hello["boot"],
                "namespace": hello["namespace"],
            },
            ports=dict(ports),
        )
        self._living[spec.id] = (attempt, handle, spec)
        if report.get("exit") is not None:
            # It ended before this answer: its event went to a predecessor, or comes again.
            self._ended(spec.id, attempt, report["exit"])
        return handle

    # --- ending -----------------------------------------------------------------------------------------------------

    async def terminate(self, worker: str, attempt: int, step: StopStep, number: int) -> None:
        await self._insist("signal", worker=worker, attempt=attempt, signal=step.signal, number=number)

    async def kill(self, worker: str, attempt: int) -> None:
        await self._insist("kill", worker=worker, attempt=attempt)

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
        if (
            known is not None
            and known[0] == attempt
            and kernel.alive(Identity(known[1].state["pid"], known[1].state["start"]))
        ):
            return Sight("running")
        for report in (await self._launcher.request("table"))["attempts"]:
            if (report["worker"], report["attempt"]) == (worker, attempt):
                return Sight("running") if report["exit"] is None else Sight("ended", exit_of(report["exit"]))
        return Sight("missing")

    async def list_owned(self) -> list[Owned]:
        reports = (await self._launcher.request("table"))["attempts"]
        hello = self._launcher.hello
        owned = []
        for report in reports:
            state = {key: report[key] for key in ("pid", "start")}
            state |= {"boot": hello["boot"], "namespace": hello["namespace"]}
            handle = Handle(self.name, HANDLE_VERSION, state)
            owned.append(Owned(report["worker"], report["attempt"], handle, report["exit"] is None))
        return owned

    async def usage(self, worker: str, attempt: int) -> Reading | None:
        known = self._living.get(worker)
        return identity.usage(known[1].state) if known is not None and known[0] == attempt else None

    async def exec(self, spec: WorkerSpec, command: tuple[str, ...], timeout: float) -> Answer:
        section = _section(spec)
        attempt, handle, _ = self._living.get(spec.id, (0, None, spec))
        order = _order(spec, section, attempt, handle.ports if handle else {})
        order["argv"] = identity.resolve(command, order["environment"])
        try:
            report = await self._launcher.request("run", timeout=timeout, **order)
        except Rejected as error:
            return Answer(None, str(error))
        return Answer(report.get("code"), report["output"], report["timed_out"])

    async def drain(self, worker: str) -> None:
        with contextlib.suppress(Rejected, Unavailable):
            await self._launcher.request("drain", worker=worker)

    # --- what happens -----------------------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[list[Occurrence]]:
        while True:
            batch = [await self._occurrences.get()]
            while not self._occurrences.empty():
                batch.append(self._occurrences.get_nowait())
            yield batch

    def _event(self, message: Message) -> None:
        if message.get("type") == "exited":
            self._ended(message["worker"], message["attempt"], message["exit"])

    def _ended(self, worker: str, attempt: int, report: Mapping[str, Any]) -> None:
        known = self._living.get(worker)
        if known is not None and known[0] == attempt:
            del self._living[worker]
        self._occurrences.put_nowait(Occurrence(worker, attempt, "exited", exit_of(report)))

    def _lost(self) -> None:
        for worker, (attempt, _, _) in self._living.items():
            self._occurrences.put_nowait(Occurrence(worker, attempt, "lost", reason="the launcher died"))

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
            self._occurrences.put_nowait(Occurrence(worker, attempt, "found"))
        else:
            self._ended(worker, attempt, report["exit"])


def exit_of(report: Mapping[str, Any]) -> Exit:
    """The launcher's words for an end as ours."""
    usage = Usage(report.get("cpu", 0.0), report.get("max_rss", 0)) if "cpu" in report else None
    return Exit(
        code=report.get("code"),
        signal=report.get("signal"),
        core=report.get("core", False),
        leftovers=report.get("leftovers", 0),
        usage=usage,
        note=report.get("note", ""),
    )


def _section(spec: WorkerSpec) -> ProcessSection:
    return msgspec.convert(spec.run, ProcessSection)


def _logs(spec: WorkerSpec) -> dict[str, int]:
    return {"max_size": spec.logs.max_size, "max_files": spec.logs.max_files}


def _order(spec: WorkerSpec, section: ProcessSection, attempt: int, ports: Mapping[str, int]) -> dict[str, Any]:
    order: dict[str, Any] = {
        "worker": spec.id,
        "attempt": attempt,
        "argv": [section.executable_path, *section.args],
        "environment": environment_of(section, ports),
        "logs": _logs(spec),
    }
    if section.working_directory:
        order["folder"] = section.working_directory
    if section.umask is not None:
        order["umask"] = section.umask
    if section.nice:
        order["nice"] = section.nice
    if section.rlimits:
        order["limits"] = section.rlimits
    order |= identity.credentials(section.user, section.group)
    return order
