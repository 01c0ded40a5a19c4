"""What only this host can tell."""

from typing import Protocol


class Host(Protocol):
    """Facts about the machine, and the small files that other programs look for."""

    def boot_id(self) -> str:
        """Another value after every boot."""
        ...

    def name(self) -> str: ...

    def free_port(self, preferred: int) -> int:
        """A TCP port nobody listens on, outside those given out lately; `preferred` if that is free (0: any)."""
        ...

    def publish(self, worker: str, pid: int | None, ports: dict[str, int]) -> None:
        """Write `<worker>.pid` and `<worker>.port` for scripts that look there; None removes them."""
        ...
