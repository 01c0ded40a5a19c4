"""What can be asked of the service. Its callers know this, and nothing of where it runs or how they reach it."""

from typing import Protocol

from msgspec import Struct


class Said(Struct):
    """An answer: which worker gave it, and the process in which that runs."""

    text: str
    worker: str
    pid: int


class Echo(Protocol):
    """Says again what it is told."""

    async def say(self, text: str) -> Said:
        """Raises ValueError if there is nothing to say."""
        ...
