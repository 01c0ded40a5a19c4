"""The ways a worker can run. A new one is one entry here and one file or package beside it.

One that is not ours is registered: by the program that has a master within it, or by whoever installs it, with an entry
point of the group `beeyard.providers`. Whatever reads a worker's `provider:` reads this table.
"""

import logging
import re
from importlib.metadata import entry_points
from typing import Protocol

from msgspec import Struct

from beeyard.adapters.means import Means
from beeyard.adapters.providers.docker.provider import DockerProvider
from beeyard.adapters.providers.kubernetes.provider import KubernetesProvider
from beeyard.adapters.providers.module.provider import ModuleProvider
from beeyard.adapters.providers.process.provider import ProcessProvider
from beeyard.adapters.providers.process.unmanaged import UnmanagedProvider
from beeyard.adapters.providers.wasm.provider import WasmProvider
from beeyard.domain.values import NAME, NAME_EXPECTED
from beeyard.ports.provider import Provider

GROUP = "beeyard.providers"
"""Of the entry points."""

log = logging.getLogger("beeyard")


class ProviderClass(Protocol):
    """What makes one. `name` is its word in the worker file; the types are those of a worker's section: as a rule, of a
    worker that runs from a package, and of one that runs a module; None where it can't run such."""

    @property
    def name(self) -> str: ...

    @property
    def section(self) -> type[Struct]: ...

    @property
    def packaged(self) -> type[Struct] | None: ...

    @property
    def hosted(self) -> type[Struct] | None: ...

    def __call__(self, means: Means) -> Provider: ...


PROVIDERS: dict[str, ProviderClass] = {
    provider.name: provider
    for provider in (
        ProcessProvider,
        ModuleProvider,
        WasmProvider,
        UnmanagedProvider,
        DockerProvider,
        KubernetesProvider,
    )
}
"""The word in the worker file -> the provider; the kinds `managed` and `integrated` are the provider `process`."""


def register_provider(provider: ProviderClass) -> None:
    """Let workers say `provider: NAME`, in every master that this program opens from now on. Harmless twice.

    Raises ValueError for a name that is no name, or is taken by another one.
    """
    name = provider.name
    if not re.match(NAME, name):
        raise ValueError(f"the name of a provider is {NAME_EXPECTED}: {name!r}")
    if PROVIDERS.setdefault(name, provider) is not provider:
        raise ValueError(f"there is a provider {name!r} already")


def _plugged() -> None:
    """Register what is installed. One that is broken takes no master down."""
    for point in entry_points(group=GROUP):
        try:
            register_provider(point.load())
        except Exception as error:
            log.warning("the provider %s of %s is not to be had: %s", point.name, point.value, error)


_plugged()
