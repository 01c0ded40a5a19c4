"""What only this host can tell."""

from typing import Protocol

from msgspec import Struct

from beeyard.domain.packages import Platform
from beeyard.domain.pressure import Pressure


class Facts(Struct, frozen=True):
    """What packages may ask of a host: its platform, and what it has by itself (`python3`, `glibc`, `kernel`) with its
    version; empty: it has none."""

    platform: Platform
    versions: dict[str, str]


class Host(Protocol):
    """Facts about the machine, and the small files that other programs look for."""

    def boot_id(self) -> str:
        """Another value after every boot."""
        ...

    def name(self) -> str: ...

    def pressure(self) -> Pressure:
        """How hard it is to get on here; looked up when asked, and not more than once a second."""
        ...

    def facts(self) -> Facts:
        """Looked up anew each time; may take a while."""
        ...

    def free_memory(self) -> int | None:
        """Bytes that programs could have without pushing out others; None where that can't be told."""
        ...

    def own_memory(self) -> int | None:
        """Resident bytes of this process; None where that can't be told."""
        ...

    def free_port(self, preferred: int) -> int:
        """A TCP port nobody listens on, outside those given out lately; `preferred` if that is free (0: any)."""
        ...

    def publish(self, worker: str, pid: int | None, ports: dict[str, int]) -> None:
        """Write `<worker>.pid` and `<worker>.port` for scripts that look there; None removes them."""
        ...
