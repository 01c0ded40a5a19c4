"""Where records can be kept. A line in STORES is all that a new store needs to be chosen, and to be tested."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from beeyard.adapters.stores.memory import MemoryStore
from beeyard.adapters.stores.sqlite import SqliteStore
from beeyard.ports.store import Store

STORES: Mapping[str, Callable[[Path], Awaitable[Store]]] = {
    "sqlite": SqliteStore.open,
    "memory": MemoryStore.open,
}
"""How each is opened, by the word that chooses it."""
