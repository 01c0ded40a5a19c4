"""Time. The application never asks the system for it, so that tests can jump."""

from collections.abc import Callable
from typing import Protocol

from beeyard.domain.messages import Now


class Cancel(Protocol):
    """Takes a pending call back; harmless when it was made already."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Monotonic seconds that all processes of one boot share, wall-clock seconds, and calls at a moment."""

    def now(self) -> Now: ...

    def call_at(self, mono: float, callback: Callable[[], None]) -> Cancel:
        """Call once `now().mono >= mono`; soon, if that is past."""
        ...
