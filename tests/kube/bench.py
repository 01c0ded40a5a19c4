"""The kubernetes provider on a cluster: the scripted one, or a real one where KUBECONFIG leads to it."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from beeyard.adapters.host.launcher import LauncherClient
from beeyard.adapters.means import Means
from beeyard.adapters.providers.kubernetes.provider import KubernetesProvider
from beeyard.adapters.providers.kubernetes.tracking import Tracked
from beeyard.domain.messages import Exit
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.values import WorkerId
from beeyard.launcher.paths import Paths
from beeyard.ports.provider import Occurrence, Sight
from tests.contract.test_module_provider import FakeLauncher
from tests.fakes.invitations import FakeInvitations
from tests.fakes.notify import FakeNotices
from tests.fakes.secrets import FakeSecrets
from tests.kube.server import Server
from tests.yard import PATIENCE

IMAGE = os.environ.get("BEEYARD_TEST_IMAGE", "busybox:1.36")
"""What runs: it has a shell. Another name of it where a real cluster can't pull this one."""


PULLING = 300.0
"""Seconds that a real cluster may take for anything."""
WORKERS = ("w", "w1", "w2")


class PipedLauncher(FakeLauncher):
    """Has a state folder as well. Nobody copies from its pipes to any log."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.paths = Paths(str(folder))
        os.makedirs(self.paths.fifo)
        for worker in WORKERS:
            for stream in ("stdout", "stderr"):
                os.mkfifo(self.paths.worker_fifo(worker, stream))


class Bench:
    """A provider, what it told, and what its workers wrote. `server` is None on a real cluster."""

    def __init__(self, folder: Path, server: Server | None) -> None:
        self.folder = folder
        self.scripted = server
        self.patience = PATIENCE if server is not None else PULLING
        self.config = os.environ.get("KUBECONFIG", "")
        if server is not None:
            self.config = str(folder / "kubeconfig")
            Path(self.config).write_text(json.dumps(server.kubeconfig()))
        self.launcher = PipedLauncher(folder)
        self.secrets = FakeSecrets()
        self.invitations = FakeInvitations()
        self._open: dict[tuple[str, str], int] = {}
        self._text: dict[tuple[str, str], bytes] = {}
        self.open()

    def open(self) -> None:
        """Become the owner."""
        launcher = cast(LauncherClient, self.launcher)
        self.provider = KubernetesProvider(Means(launcher, self.secrets, FakeNotices(), self.invitations))
        self.seen: list[Occurrence] = []
        self._tasks = [asyncio.ensure_future(self.provider.serve()), asyncio.ensure_future(self._listen())]

    @property
    def server(self) -> Server:
        """The scripted one."""
        assert self.scripted is not None
        return self.scripted

    async def _listen(self) -> None:
        async for batch in self.provider.events():
            self.seen += batch

    async def vanished(self) -> None:
        """Nothing of ours is left, and what ended is cleared away."""
        async with asyncio.timeout(self.patience):
            while owned := await self.provider.list_owned():
                for one in owned:
                    await self.provider.destroy(one.worker, one.attempt)
                await asyncio.sleep(0.1)

    async def until(self, look: Callable[[], object], what: str) -> None:
        """Until it is true; a real cluster has to find a node, and to pull its image first."""
        end = asyncio.get_running_loop().time() + self.patience
        while not look():
            assert asyncio.get_running_loop().time() < end, f"never happened: {what}: {self.seen}"
            await asyncio.sleep(0.005)

    async def leave(self) -> None:
        """The owner died."""
        await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def another_owner(self) -> None:
        """And the next one knows nothing."""
        await self.leave()
        self.open()

    async def end(self) -> None:
        """On a real cluster nothing is left behind."""
        if self.scripted is None:
            for owned in await self.provider.list_owned():
                await self.provider.kill(owned.worker, owned.attempt)
            await self.vanished()
        await self.leave()
        while self._open:
            os.close(self._open.popitem()[1])

    def spec(
        self, script: str = "sleep 1000", name: str = "w", more: dict[str, Any] | None = None, **run: Any
    ) -> WorkerSpec:
        """A worker that runs this script."""
        section = {"image": IMAGE, "command": ["sh", "-c", script], "kubeconfig": self.config, **run}
        self._pipe(name, "stdout")
        self._pipe(name, "stderr")
        return WorkerSpec(id=WorkerId(name), provider="kubernetes", run=section, **(more or {}))

    async def runs(self, spec: WorkerSpec, attempt: int = 1) -> str:
        """Launched, and its container runs. Returns the name of its pod."""
        handle = await self.provider.launch(spec, attempt, {})
        tracked = self.tracked(spec.id, attempt)
        await self.until(lambda: tracked.writing is not None, f"{spec.id} runs")
        return tracked.pod or str(handle.state["name"])

    def tracked(self, worker: str = "w", attempt: int = 1) -> Tracked:
        """What the provider knows of an attempt."""
        found = self.provider._tracking.get(worker, attempt)
        assert found is not None
        return found

    def said(self) -> list[str]:
        """What was to be said of how any is."""
        return [one.reason for one in self.seen if one.kind == "said"]

    def contact(self) -> list[tuple[str, str]]:
        """How it was lost and found."""
        return [(one.kind, one.reason) for one in self.seen if one.kind in ("lost", "found")]

    async def exited(self, worker: str = "w", attempt: int = 1) -> Exit:
        """How it ended, once that was told."""

        def look() -> list[Exit]:
            return [one.exit for one in self.seen if (one.worker, one.attempt) == (worker, attempt) and one.exit]

        await self.until(look, f"{worker} {attempt} exited")
        return look()[0]

    async def sight(self, attempt: int = 1) -> Sight:
        """One look."""
        return await self.provider.inspect("w", attempt)

    def lines(self, worker: str = "w", stream: str = "stdout") -> list[str]:
        """What it wrote so far."""
        key = worker, stream
        try:
            while chunk := os.read(self._pipe(*key), 1 << 16):
                self._text[key] = self._text.get(key, b"") + chunk
        except BlockingIOError:
            pass
        return self._text.get(key, b"").decode().splitlines()

    def _pipe(self, worker: str, stream: str) -> int:
        if (worker, stream) not in self._open:
            path = self.launcher.paths.worker_fifo(worker, stream)
            self._open[worker, stream] = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        return self._open[worker, stream]
