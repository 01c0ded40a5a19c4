"""What workers wrote."""

from collections.abc import AsyncGenerator, Sequence
from typing import Literal, Protocol

from msgspec import Struct

Stream = Literal["stdout", "stderr"]


class LogLine(Struct, frozen=True, gc=False, omit_defaults=True):
    """One line without its end. `at` is wall-clock seconds, as exact as the pump's ticks (None: unknown).

    `cursor`: whoever comes back with it gets what came after; lines of many workers have one only where a batch ends,
    and those of very many have none. `gap`: this is no line; here something is missing, and the text says what.
    """

    worker: str
    stream: Stream
    at: float | None
    text: str
    cursor: str = ""
    gap: bool = False

    @property
    def kind(self) -> str:
        """What it is among events."""
        return "gap" if self.gap else "line"


class Logs(Protocol):
    """Reads what the pump stored; both streams merged by time."""

    async def tail(self, worker: str, lines: int, *, since: float | None = None) -> list[LogLine]:
        """The newest lines of both streams, oldest first; only those written at or after `since` (wall clock)."""
        ...

    async def end(self, worker: str) -> str:
        """A cursor behind all that can be read now, also where there is nothing yet."""
        ...

    def read(
        self,
        workers: Sequence[str],
        lines: int,
        *,
        follow: bool = False,
        stream: Stream | None = None,
        since: float | None = None,
        after: str | None = None,
    ) -> AsyncGenerator[list[LogLine]]:
        """The newest lines of each worker, in batches, across rotations. The first batch comes at once.

        Args:
            follow: go on with every line as it comes, until closed.
            stream: this one only.
            since: leave out older lines of the newest (wall clock).
            after: a cursor to go on from, instead of with the newest lines; nothing is lost and nothing comes twice,
                except that lines which had none themselves may come again.
        """
        ...

    async def remove(self, worker: str) -> None:
        """Delete a removed worker's log folder; harmless twice."""
        ...
