"""What workers wrote."""

from collections.abc import AsyncGenerator, Sequence
from typing import Literal, Protocol

from msgspec import Struct

Stream = Literal["stdout", "stderr"]


class LogLine(Struct, frozen=True, gc=False):
    """One line without its end. `at` is wall-clock seconds, as exact as the pump's ticks (None: unknown)."""

    worker: str
    stream: Stream
    at: float | None
    text: str


class Logs(Protocol):
    """Reads what the pump stored; both streams merged by time."""

    async def tail(self, worker: str, lines: int, *, since: float | None = None) -> list[LogLine]:
        """The newest lines of both streams, oldest first; only those written at or after `since` (wall clock)."""
        ...

    def follow(self, workers: Sequence[str], lines: int) -> AsyncGenerator[LogLine]:
        """The newest lines of each, then every line as it comes, across rotations, until closed."""
        ...

    async def remove(self, worker: str) -> None:
        """Delete a removed worker's log folder; harmless twice."""
        ...
