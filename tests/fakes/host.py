"""A host with as many ports as a test wants, whose files are a dictionary."""

from itertools import count

from beeyard.domain.errors import Unavailable
from beeyard.domain.pressure import Pressure


class FakeHost:
    """Script it: `boot` (another value is a reboot), `taken` (ports somebody listens on), `exhausted`, `pressed`.

    `published` holds what was published last of each worker and not taken back.
    """

    def __init__(self) -> None:
        self.boot = "first boot"
        self.taken: set[int] = set()
        self.exhausted = False
        self.pressed = Pressure()
        self.published: dict[str, tuple[int, dict[str, int]]] = {}
        self._ports = count(20001)

    def boot_id(self) -> str:
        return self.boot

    def name(self) -> str:
        return "hive"

    def pressure(self) -> Pressure:
        return self.pressed

    def free_port(self, preferred: int) -> int:
        if self.exhausted:
            raise Unavailable("no_free_port", "no free TCP port")
        if preferred and preferred not in self.taken:
            return preferred
        return next(port for port in self._ports if port not in self.taken)

    def publish(self, worker: str, pid: int | None, ports: dict[str, int]) -> None:
        if pid is None:
            self.published.pop(worker, None)
        else:
            self.published[worker] = (pid, dict(ports))
