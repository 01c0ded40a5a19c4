"""What was done about packages since this master woke, in numbers."""

from msgspec import Struct

from beeyard.domain.packages import InstallState


class Counts(Struct):
    """`installs` that ended well, repairs included, the `seconds` they took and the `bytes` they brought; those that
    `failed`; `resolved`: how often versions were chosen, in `resolving` seconds; `checks` of an installed package, and
    how many were found `corrupted`; `saved`: bytes that need not come, because deltas did."""

    installs: int = 0
    failed: int = 0
    seconds: float = 0.0
    bytes: int = 0
    resolved: int = 0
    resolving: float = 0.0
    checks: int = 0
    corrupted: int = 0
    saved: int = 0

    def turned(self, state: InstallState, lasted: float, done: int) -> None:
        """An install came to another state, `lasted` seconds after it began."""
        if state == "installed":
            self.installs += 1
            self.seconds += lasted
            self.bytes += done

    def save(self, bytes: int) -> None:
        """So much of what was told as done never came."""
        self.saved += bytes
        self.bytes -= bytes

    def chose(self, lasted: float) -> None:
        """Versions were chosen."""
        self.resolved += 1
        self.resolving += lasted
