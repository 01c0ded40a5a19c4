"""The service: workers by the call, over one provider or several. Decides nothing about them."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Self

from beeyard.application.master import Master
from beeyard.domain.errors import Invalid
from beeyard.domain.plain import nearest
from beeyard.entrypoints.http.async_client import AsyncClient
from beeyard.entrypoints.management.config import ProviderConfig
from beeyard.entrypoints.management.provider import ProviderFactory, WorkerProvider
from beeyard.entrypoints.management.views import ProviderCapabilities, ProvisionedWorker, WorkerStatus


class WorkerManagementService:
    """Provisions workers by the first of its providers, or by the one that is named; all of one master."""

    def __init__(self, provider: WorkerProvider, *more: WorkerProvider) -> None:
        self._first = provider
        self._providers = {one.name: one for one in (provider, *more)}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of connections; the workers go on. Harmless twice."""
        for provider in self._providers.values():
            await provider.close()

    async def provision_worker(
        self,
        image: str,
        cpu_cores: float,
        memory_mb: int,
        *,
        command: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        run: Mapping[str, Any] | None = None,
        worker_id: str = "",
        provider: str = "",
        timeout: float = 60.0,
        steady: float = 1.0,
    ) -> ProvisionedWorker:
        """A worker that runs and is ready, with at most so many cores and so much memory.

        Args:
            worker_id: what it is called; empty: a name of its own.
            provider: the name of the configuration that makes it; empty: the first.

        The others, and what is raised, as in `WorkerProvider.create_worker`.
        """
        name = worker_id or f"worker-{uuid.uuid4()}"
        return await self._provider(provider).create_worker(
            name,
            image,
            cpu_cores,
            memory_mb,
            command=command,
            environment=environment,
            run=run,
            timeout=timeout,
            steady=steady,
        )

    async def stop_worker(self, worker_id: str, graceful: bool = True) -> None:
        """As `WorkerProvider.stop_worker`."""
        await self._first.stop_worker(worker_id, graceful)

    async def delete_worker(self, worker_id: str) -> None:
        """As `WorkerProvider.delete_worker`."""
        await self._first.delete_worker(worker_id)

    async def get_worker_status(self, worker_id: str) -> WorkerStatus:
        """Raises NotFound."""
        return await self._first.get_worker_status(worker_id)

    async def list_workers(self) -> list[WorkerStatus]:
        """All that these providers made, stopped ones as well."""
        return [found for provider in self._providers.values() for found in await provider.list_workers()]

    async def get_provider_capabilities(self, provider: str = "") -> ProviderCapabilities:
        """Of the first, or of the one named. Raises Invalid: `no_such_configuration`."""
        return await self._provider(provider).capabilities()

    def _provider(self, name: str) -> WorkerProvider:
        if not name:
            return self._first
        if name not in self._providers:
            text, hint = "no provider of this service is called {name}", nearest(name, list(self._providers))
            raise Invalid("no_such_configuration", text, name=name, hint=hint)
        return self._providers[name]


async def create_default_worker_management_service(
    by: Master | AsyncClient | None = None,
) -> WorkerManagementService:
    """Containers of the Docker Engine. `by` as in ProviderFactory. Raises Unavailable: no master answers."""
    return await _service(by, ProviderConfig.docker("docker-provider"))


async def create_kubernetes_worker_management_service(
    namespace: str, by: Master | AsyncClient | None = None
) -> WorkerManagementService:
    """Pods of this namespace. Likewise."""
    return await _service(by, ProviderConfig.kubernetes("k8s-provider").with_namespace(namespace))


async def _service(by: Master | AsyncClient | None, config: ProviderConfig) -> WorkerManagementService:
    return WorkerManagementService(await ProviderFactory(by).create_provider(config))
