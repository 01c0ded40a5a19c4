"""What a provider is tested on: something that really runs its workers, and the means to hurt and to look into it."""

import asyncio
import contextlib
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from beeyard.adapters.host import launcher as client
from beeyard.adapters.means import Means
from beeyard.adapters.providers.docker.provider import DockerProvider
from beeyard.adapters.providers.process.provider import ProcessProvider
from beeyard.domain.messages import Exit, Handle
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.values import WorkerId
from beeyard.launcher import hierarchies
from beeyard.launcher.locks import holder
from beeyard.launcher.paths import Paths
from beeyard.ports.provider import Occurrence
from tests.contract.engines import docker, image
from tests.contract.launcher_ways import program
from tests.fakes.invitations import FakeInvitations
from tests.fakes.notify import FakeNotices
from tests.fakes.secrets import FakeSecrets
from tests.yard import PATIENCE, Yard

FILES = 1000
"""The soft limit of open files that the launcher is started with."""

T = TypeVar("T")


async def until(look: Callable[[], T], what: str = "") -> T:
    """What `look` gives once it is true."""
    end = time.monotonic() + PATIENCE
    while not (seen := look()):
        assert time.monotonic() < end, f"never happened: {what or look}"
        await asyncio.sleep(0.005)
    return seen


def made_of(paths: Paths) -> list[str]:
    """What was made for this state folder in any hierarchy, of either version."""
    found = hierarchies.find()
    folders = {*found.v1.values(), *([found.v2] if found.v2 is not None else [])}
    return [str(path) for folder in folders for path in Path(folder).glob(f"beeyard-{paths.identity}*")]


def cgroups(paths: Paths) -> list[Path]:
    """What was made for this state folder below our own cgroup."""
    with open("/proc/self/mountinfo") as file:
        mounts = [fields[4] for line in file if (fields := line.split())[fields.index("-") + 1] == "cgroup2"]
    own = next(line[3:].strip() for line in Path("/proc/self/cgroup").read_text().splitlines() if line[:3] == "0::")
    above = (mounts[0] + own.rstrip("/")).partition("/beeyard-")[0] if mounts else ""
    root = Path(above, f"beeyard-{paths.identity}")
    return [root, *root.glob("*@*")] if above and root.is_dir() else []


class ProcessBench:
    """The process provider over a real launcher, its workers shell scripts."""

    def __init__(self, paths: Paths, way: str) -> None:
        self.paths = paths
        self.way = way
        self.yard = Yard(Path(paths.state))
        self.seen: list[Occurrence] = []

    async def open(self) -> None:
        """Become the owner; the launcher is started if there is none."""
        client.launcher_argv = lambda paths, master: [*program(self.way, "launcher", paths), "--", *master]
        self.client = client.LauncherClient(self.paths)
        self.secrets = FakeSecrets()
        self.provider = ProcessProvider(Means(self.client, self.secrets, FakeNotices(), FakeInvitations()))
        self.seen = []
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))
        try:
            self._tasks = [asyncio.ensure_future(self.provider.serve()), asyncio.ensure_future(self._listen())]
            await asyncio.wait_for(self.client.wait_connected(), PATIENCE)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    async def leave(self) -> None:
        """The owner is gone, as after its death: what runs its workers goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def another_owner(self) -> None:
        """The owner died and the next one is here, knowing nothing."""
        await self.leave()
        await self.open()

    async def hurt(self) -> None:
        """Kill what runs the workers, and wait until there is another."""
        old = self.client.pid()
        assert old is not None
        os.kill(old, signal.SIGKILL)
        await until(lambda: self.client.pid() not in (None, old), "another launcher")
        os.waitpid(old, 0)

    async def end(self) -> None:
        """Leave nothing behind, and see that nothing is."""
        launcher = self.client.pid()
        await self.leave()
        for _ in range(1000):  # What was just started shows its mark a moment later, and its end is seen later still.
            for pid in self.yard.marked():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if await client.quit_launcher(self.paths):
                break
            await asyncio.sleep(0.01)
        await until(lambda: not holder(self.paths.pump_lock) and not holder(self.paths.launcher_lock), "an end")
        if launcher is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(launcher, 0)
        assert made_of(self.paths) == []

    def spec(self, script: str, name: str = "worker", **run: Any) -> WorkerSpec:
        """A worker that runs this script."""
        section = {"executable_path": "/bin/sh", "args": ["-c", script], **run}
        return WorkerSpec(id=WorkerId(name), provider="process", run=section)

    def program(self, *argv: str, name: str = "worker", **run: Any) -> WorkerSpec:
        """A worker that is this program."""
        return WorkerSpec(
            id=WorkerId(name), provider="process", run={"executable_path": argv[0], "args": argv[1:], **run}
        )

    async def launch(self, spec: WorkerSpec, attempt: int = 1, **ports: int) -> Handle:
        """As the master would."""
        return await self.provider.launch(spec, attempt, ports)

    async def ready(self, spec: WorkerSpec, attempt: int = 1, **ports: int) -> Handle:
        """Launch a script that says `up` when it is."""
        before = self.lines(spec.id).count("up")
        handle = await self.launch(spec, attempt, **ports)
        await until(lambda: self.lines(spec.id).count("up") > before, f"up; {self.lines(spec.id)}")
        return handle

    async def exited(self, worker: str = "worker", attempt: int = 1) -> Exit:
        """How it ended, once its owner was told."""

        def look() -> list[Occurrence]:
            return [o for o in self.seen if (o.worker, o.attempt, o.kind) == (worker, attempt, "exited")]

        exit = (await until(look, f"{worker} {attempt} exited: {self.seen}"))[0].exit
        assert exit is not None
        return exit

    def lines(self, worker: str = "worker", stream: str = "stdout") -> list[str]:
        """What it wrote, as far as it is on file."""
        return self.yard.log(worker, stream).decode().splitlines()

    def alive(self) -> list[int]:
        """All processes that any worker here started."""
        return self.yard.marked()

    async def _listen(self) -> None:
        async for batch in self.provider.events():
            self.seen += batch


class DockerBench(ProcessBench):
    """The docker provider over a real engine; its workers run in an image of nothing but busybox."""

    async def open(self) -> None:
        """Become the owner; the launcher, which has the pipes, is started if there is none."""
        client.launcher_argv = lambda paths, master: [*program("marked", "launcher", paths), "--", *master]
        self.client = client.LauncherClient(self.paths)
        self.secrets = FakeSecrets()
        self.docker = DockerProvider(Means(self.client, self.secrets, FakeNotices(), FakeInvitations()))
        self.provider = cast(ProcessProvider, self.docker)
        self.seen = []
        works = (self.client.run(), self.docker.serve(), self._listen())
        self._tasks = [asyncio.ensure_future(work) for work in works]
        await asyncio.wait_for(self.client.wait_connected(), PATIENCE)

    async def leave(self) -> None:
        """The owner is gone, as after its death."""
        await super().leave()
        self.client.close()

    async def end(self) -> None:
        """Leave nothing behind."""
        for line in docker("ps", "-aq", "--filter", f"label=beeyard.owner={self.paths.identity}").split():
            docker("rm", "-f", line)
        await super().end()

    def spec(self, script: str, name: str = "worker", **run: Any) -> WorkerSpec:
        """A worker that runs this script."""
        return self.program("/bin/sh", "-c", script, name=name, **run)

    def program(self, *argv: str, name: str = "worker", **run: Any) -> WorkerSpec:
        """A worker that is this program."""
        return WorkerSpec(id=WorkerId(name), provider="docker", run={"image": image(), "command": argv, **run})

    def alive(self) -> list[int]:
        """The first process of each container that runs."""
        found = docker("ps", "-q", "--filter", f"label=beeyard.owner={self.paths.identity}").split()
        return [int(docker("inspect", "-f", "{{.State.Pid}}", one)) for one in found]


BENCHES: dict[str, tuple[type[ProcessBench], tuple[str, ...]]] = {
    "process": (ProcessBench, ("born", "entered", "marked")),
    "module": (ProcessBench, ()),
    "wasm": (ProcessBench, ()),
    "unmanaged": (ProcessBench, ()),
    "docker": (DockerBench, ()),
    "kubernetes": (ProcessBench, ()),
}
"""Provider -> its bench, and the ways in which that can run workers: none for what is no process (see
test_module_provider.py, test_wasm_provider.py, test_docker_provider.py), and for processes that somebody else runs (see
test_unmanaged.py)."""


@contextlib.asynccontextmanager
async def bench(name: str, way: str, state: Path) -> AsyncIterator[ProcessBench]:
    """One provider on its bench."""
    paths = Paths(str(state))
    made = BENCHES[name][0](paths, way)
    real = client.launcher_argv
    try:
        await made.open()
        yield made
    finally:
        try:
            await made.end()
        finally:
            client.launcher_argv = real
            made.yard.end()
