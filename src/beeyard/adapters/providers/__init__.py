"""The ways a worker can run. A new one is one entry here and one file or package beside it."""

from beeyard.adapters.providers.process.provider import ProcessProvider

PROVIDERS = {provider.name: provider for provider in (ProcessProvider,)}
"""The word in the worker file -> the provider."""
