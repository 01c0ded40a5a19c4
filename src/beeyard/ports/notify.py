"""What workers say of themselves, by the protocol of sd_notify(3)."""

from collections.abc import Callable
from typing import Literal, Protocol

from msgspec import Struct


class Word(Struct, frozen=True, gc=False):
    """One datagram, understood. `status` None: nothing was said of it; `extend` seconds, None: not asked for."""

    ready: bool = False
    reloading: bool = False
    stopping: bool = False
    status: str | None = None
    watchdog: Literal["", "alive", "trigger"] = ""
    extend: float | None = None


class Notices(Protocol):
    """Hears what the processes of an attempt say; what others say is thrown away."""

    def hear(self, worker: str, attempt: int, pid: int, heard: Callable[[Word], None]) -> Callable[[], None]:
        """Call `heard` with each word of this attempt, those first that came before this call. Returns what ends it.

        Args:
            pid: the process that the attempt was started as.
        """
        ...

    async def close(self) -> None:
        """Hear no more. Harmless twice."""
        ...
