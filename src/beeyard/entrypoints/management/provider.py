"""One configured provider of a master: it makes workers, and looks after those that it made. Asks for what it does as
everybody does, by operations; of containers and pods it knows nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from beeyard.adapters.providers import PROVIDERS
from beeyard.application.master import Master
from beeyard.application.operation import EVERYTHING, Caller, Request
from beeyard.application.operations import BY_REQUEST
from beeyard.application.operations.add import Add
from beeyard.application.operations.info import Info
from beeyard.application.operations.ps import Ps
from beeyard.application.operations.remove import Remove
from beeyard.application.operations.stop import Stop
from beeyard.application.packages.seed import PROGRAM
from beeyard.domain.errors import Invalid, NotFound, Rejected
from beeyard.domain.limits import Limit, LimitName, Limits
from beeyard.domain.plain import nearest
from beeyard.domain.spec import StopStep, WorkerSpec
from beeyard.domain.values import Duration, WorkerId
from beeyard.entrypoints.http.async_client import AsyncClient
from beeyard.entrypoints.management.config import ProviderConfig, ProviderType
from beeyard.entrypoints.management.views import (
    ProviderCapabilities,
    ProvisionedWorker,
    WorkerCapabilities,
    WorkerStatus,
    status,
)

R = TypeVar("R")

GRACE = StopStep(wait=Duration(30.0))
"""How a worker is stopped, and how long it may take over that."""
PATIENCE = 90.0
"""Seconds until a worker that should end counts as stuck: longer than GRACE, with the kill after it."""

Ask = Callable[[Request[Any]], Awaitable[Any]]


class WorkerProvider:
    """Made by a ProviderFactory. Without `by` it has a client of its own, which `close` closes."""

    def __init__(self, by: Master | AsyncClient | None, config: ProviderConfig) -> None:
        self._by = AsyncClient() if by is None else by
        self._own = by is None
        self._config = config
        self._kind = str(config.provider_type)  # On the wire there are plain words only.
        self._took: list[float] = []

    @property
    def provider_type(self) -> ProviderType:
        """The word for it."""
        return ProviderType(self._kind)

    @property
    def name(self) -> str:
        """Its configuration's."""
        return self._config.name

    async def capabilities(self) -> ProviderCapabilities:
        """What it can do where the master runs. Raises Invalid: `no_such_provider`."""
        able = (await self._ask(Info())).capabilities
        kind = self._kind
        if kind not in able:
            hint = nearest(kind, list(able))
            raise Invalid("no_such_provider", "the master has no provider {provider}", provider=kind, hint=hint)
        here = PROVIDERS.get(kind)
        return ProviderCapabilities(
            supports_health_checks=True,
            supports_volumes=here is not None and "volumes" in here.section.__struct_fields__,
            max_workers=None,
            estimated_provision_time_ms=round(1000 * sum(self._took) / len(self._took)) if self._took else None,
            whole_tree_kill=str(able[kind]["whole_tree_kill"]),
            user_switching=bool(able[kind]["user_switching"]),
            exact_exits=bool(able[kind]["exact_exits"]),
        )

    async def create_worker(
        self,
        worker_id: str,
        image: str,
        cpu_cores: float,
        memory_mb: int,
        *,
        command: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        run: Mapping[str, Any] | None = None,
        timeout: float = 60.0,
        steady: float = 1.0,
    ) -> ProvisionedWorker:
        """Make a worker and start it; returns when it is up, or as it is after `timeout` seconds.

        Args:
            image: what to run; empty: that of the configuration.
            command: what to run in it, or without images the program and its arguments; empty: what the image says.
            run: more of its section, as a worker file has it: `volumes`, `ports`, `networks`, …
            steady: seconds that one has to go on after it was ready, to be up: one that only ends again is no worker.

        Raises:
            Invalid: what the provider can't do, or what is wrong with an argument.
            Refused: `worker_exists`.
            Rejected: `not_provisioned`, it did not start, or ended at once. Nothing of it is left.
            Unavailable: no master, or the store can't be written.
        """
        section = self._config.section(image, command, environment or {}, run or {})
        bounds: dict[LimitName, Limit] = {
            "cpu.max_cores": Limit(float(cpu_cores), "throttle"),
            "memory.max_rss": Limit(float(memory_mb * 1024**2), "immediate_kill"),
        }
        spec = WorkerSpec(
            WorkerId(worker_id),
            self._kind,
            section,
            stop=(GRACE,),
            limits=Limits(bounds),
            origin=self._origin(worker_id),
        )
        begun = time.monotonic()
        [view] = await self._ask(Add([spec], timeout=timeout))
        took, attempt = time.monotonic() - begun, view.attempt
        if status(view).is_available:
            await asyncio.sleep(steady)
            [view] = await self._ask(Ps([worker_id]))
        now = status(view)
        if now.state in ("exited", "dead") or view.attempt > attempt:
            await self.delete_worker(worker_id)
            reason = ": ".join(filter(None, (now.exit, now.detail))) or now.state
            hint = "it has to be a program that goes on running: say which with `command`" if not command else ""
            text = "{worker} did not come up: {reason}"
            raise Rejected("not_provisioned", text, worker=worker_id, reason=reason, hint=hint)
        if now.is_available:
            self._took.append(took)
        given = WorkerCapabilities(float(cpu_cores), memory_mb)
        shown = str(section.get("image", ""))
        return ProvisionedWorker(view.id, view.id, self._kind, shown, given, now)

    async def get_worker_status(self, worker_id: str) -> WorkerStatus:
        """Raises NotFound."""
        [view] = await self._ask(Ps([worker_id]))
        return status(view)

    async def stop_worker(self, worker_id: str, graceful: bool = True) -> None:
        """Stop it, and keep it, down; returns when it is. Without grace it is killed at once. Raises NotFound, and
        Rejected: `not_stopped`."""
        [view] = await self._ask(Stop([worker_id], force=not graceful, timeout=PATIENCE))
        if view.pid is not None or status(view).state == "stopping":
            raise Rejected("not_stopped", "{worker} did not stop in time", worker=worker_id)

    async def delete_worker(self, worker_id: str) -> None:
        """Stop it if it runs, and forget it with all that its provider keeps of it; its logs stay. Harmless twice."""
        try:
            await self._ask(Remove([worker_id], stop=True, timeout=PATIENCE))
        except NotFound:
            return

    async def list_workers(self) -> list[WorkerStatus]:
        """All that were made by this configuration, stopped ones as well."""
        views = await self._ask(Ps())
        return [status(view) for view in views if view.origin == self._origin(view.id)]

    async def close(self) -> None:
        """Let go of connections. Harmless twice."""
        if self._own and isinstance(self._by, AsyncClient):
            await self._by.close()

    def _origin(self, worker_id: str) -> str:
        """Of one worker alone: no file is of this origin, so that no `apply` drops it."""
        return f"provider {self._config.name}: {worker_id}"

    async def _ask(self, request: Request[R]) -> R:
        if isinstance(self._by, AsyncClient):
            return await self._by.ask(request)
        operation = BY_REQUEST[type(request)]
        reply: R = await self._by.jobs.ask(operation, request, Caller(PROGRAM, EVERYTHING))
        return reply


class ProviderFactory:
    """Makes providers that work over one master: the one in this program, that of a client, or else that of the default
    state folder."""

    def __init__(self, by: Master | AsyncClient | None = None) -> None:
        self._by = by

    async def create_provider(self, config: ProviderConfig) -> WorkerProvider:
        """Raises Invalid: `no_such_provider` or `provider_config`; Unavailable: no master answers."""
        config.section(config.image, (), {}, {})
        made = WorkerProvider(self._by, config)
        try:
            await made.capabilities()
        except BaseException:
            await made.close()
            raise
        return made
