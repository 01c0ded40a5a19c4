"""What workers say of themselves, by the protocol of sd_notify(3)."""

from collections.abc import Callable
from typing import Literal, Protocol

from msgspec import Struct

from beeyard.sdk.report import Report


class Word(Struct, frozen=True, gc=False):
    """One datagram, understood. `status` None: nothing was said of it; `extend` seconds, None: not asked for.

    `report`: what a module says of itself.
    """

    ready: bool = False
    reloading: bool = False
    stopping: bool = False
    status: str | None = None
    watchdog: Literal["", "alive", "trigger"] = ""
    extend: float | None = None
    report: Report | None = None


class Notices(Protocol):
    """Hears what the processes of an attempt say; what others say is thrown away."""

    def hear(self, worker: str, attempt: int, pid: int | None, heard: Callable[[Word], None]) -> Callable[[], None]:
        """Call `heard` with each word of this attempt, those first that came before this call. Returns what ends it.

        Args:
            pid: the process that the attempt was started as; None: it runs within the master, and `say` is its voice.
        """
        ...

    def say(self, worker: str, attempt: int, word: Word) -> None:
        """The word of an attempt that runs within the master; from the loop's own thread."""
        ...

    async def close(self) -> None:
        """Hear no more. Harmless twice."""
        ...
