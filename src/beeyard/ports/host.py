"""What only this host can tell."""

from typing import Protocol

from beeyard.domain.pressure import Pressure


class Host(Protocol):
    """Facts about the machine, and the small files that other programs look for."""

    def boot_id(self) -> str:
        """Another value after every boot."""
        ...

    def name(self) -> str: ...

    def pressure(self) -> Pressure:
        """How hard it is to get on here; looked up when asked, and not more than once a second."""
        ...

    def free_port(self, preferred: int) -> int:
        """A TCP port nobody listens on, outside those given out lately; `preferred` if that is free (0: any)."""
        ...

    def publish(self, worker: str, pid: int | None, ports: dict[str, int]) -> None:
        """Write `<worker>.pid` and `<worker>.port` for scripts that look there; None removes them."""
        ...
