"""The ways a worker can run. A new one is one entry here and one file or package beside it."""

from beeyard.adapters.providers.module.provider import ModuleProvider
from beeyard.adapters.providers.process.provider import ProcessProvider
from beeyard.adapters.providers.process.unmanaged import UnmanagedProvider
from beeyard.adapters.providers.wasm.provider import WasmProvider

PROVIDERS = {provider.name: provider for provider in (ProcessProvider, ModuleProvider, WasmProvider, UnmanagedProvider)}
"""The word in the worker file -> the provider; the kinds `managed` and `integrated` are the provider `process`."""
