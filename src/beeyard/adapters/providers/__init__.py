"""The ways a worker can run. A new one is one entry here and one file or package beside it."""

from beeyard.adapters.providers.process.provider import ProcessProvider
from beeyard.adapters.providers.process.unmanaged import UnmanagedProvider

PROVIDERS = {provider.name: provider for provider in (ProcessProvider, UnmanagedProvider)}
"""The word in the worker file -> the provider; the kinds `managed` and `integrated` are the provider `process`."""
