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
            pid: the process that the attempt was started as; None: none of this host, and `say` alone is its voice.
        """
        ...

    def say(self, worker: str, attempt: int, word: Word) -> None:
        """A word that came another way: of an attempt within the master, or far away. From the loop's own thread."""
        ...

    def spoken(self, worker: str, attempt: int, text: str) -> None:
        """The same, not understood yet: the assignments of one datagram."""
        ...

    async def close(self) -> None:
        """Hear no more. Harmless twice."""
        ...
