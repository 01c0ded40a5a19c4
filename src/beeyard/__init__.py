"""Beeyard keeps workers running and says why they died.

    async with beeyard.Master.open("state") as master:
        await master.add_worker(spec)

Names load when they are first used, so that importing a part of Beeyard costs no more than that part.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beeyard.application.views import WorkerView as WorkerView
    from beeyard.bootstrap import Master as Master
    from beeyard.domain.errors import BeeyardError as BeeyardError
    from beeyard.domain.spec import Backoff as Backoff
    from beeyard.domain.spec import Endpoint as Endpoint
    from beeyard.domain.spec import LogSpec as LogSpec
    from beeyard.domain.spec import ProbeSpec as ProbeSpec
    from beeyard.domain.spec import RestartPolicy as RestartPolicy
    from beeyard.domain.spec import StopStep as StopStep
    from beeyard.domain.spec import WorkerSpec as WorkerSpec

_HOMES = {
    "Master": "bootstrap",
    "WorkerView": "application.views",
    "BeeyardError": "domain.errors",
    "Backoff": "domain.spec",
    "Endpoint": "domain.spec",
    "LogSpec": "domain.spec",
    "ProbeSpec": "domain.spec",
    "RestartPolicy": "domain.spec",
    "StopStep": "domain.spec",
    "WorkerSpec": "domain.spec",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'beeyard' has no attribute {name!r}")
    return getattr(import_module(f"beeyard.{_HOMES[name]}"), name)
