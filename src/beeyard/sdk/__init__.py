"""What authors of modules import, and all that runs one: a service written once, for the master or for a process.

    from beeyard.sdk import Context, Module

    class Echo(Module[EchoConfig]):
        config_type = EchoConfig

        async def start(self) -> None:
            ...  # Returns once it is ready.

Needs nothing of the rest of Beeyard, and beyond the standard library only msgspec.
Names load when they are first used: what only reads a report needs no event loop.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from beeyard.sdk.notify import notify  # At once, for its module has the same name.

if TYPE_CHECKING:
    from beeyard.sdk.context import Context
    from beeyard.sdk.contracts import thread_safe
    from beeyard.sdk.errors import Failed, Interrupted, ServiceError, Unreachable
    from beeyard.sdk.gateways import register_gateway
    from beeyard.sdk.loading import register_native_module_factory
    from beeyard.sdk.module import Factory, Module
    from beeyard.sdk.report import Info, Offer, Report

_HOMES = {
    "Context": "context",
    "Factory": "module",
    "Failed": "errors",
    "Info": "report",
    "Interrupted": "errors",
    "Module": "module",
    "Offer": "report",
    "Report": "report",
    "ServiceError": "errors",
    "Unreachable": "errors",
    "register_gateway": "gateways",
    "register_native_module_factory": "loading",
    "thread_safe": "contracts",
}

__all__ = [
    "Context",
    "Factory",
    "Failed",
    "Info",
    "Interrupted",
    "Module",
    "Offer",
    "Report",
    "ServiceError",
    "Unreachable",
    "notify",
    "register_gateway",
    "register_native_module_factory",
    "thread_safe",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'beeyard.sdk' has no attribute {name!r}")
    return getattr(import_module(f"beeyard.sdk.{_HOMES[name]}"), name)
