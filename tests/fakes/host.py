"""A host with as many ports as a test wants, whose files are a dictionary."""

from itertools import count

from beeyard.domain.errors import Unavailable
from beeyard.domain.pressure import Pressure
from beeyard.ports.host import Facts


class FakeHost:
    """Script it: `boot` (another value is a reboot), `taken` (ports somebody listens on), `exhausted`, `pressed`,
    `known`, `memory`, `own` (memory of the master).

    `published` holds what was published last of each worker and not taken back.
    """

    def __init__(self) -> None:
        self.boot = "first boot"
        self.taken: set[int] = set()
        self.exhausted = False
        self.pressed = Pressure()
        self.known = Facts("linux-x86_64", {"kernel": "6.1", "glibc": "2.36", "python3": "3.11.2"})
        self.memory: int | None = None
        self.own: int | None = 2**26
        self.published: dict[str, tuple[int, dict[str, int]]] = {}
        self._ports = count(20001)

    def boot_id(self) -> str:
        return self.boot

    def name(self) -> str:
        return "hive"

    def pressure(self) -> Pressure:
        return self.pressed

    def facts(self) -> Facts:
        return self.known

    def free_memory(self) -> int | None:
        return self.memory

    def own_memory(self) -> int | None:
        return self.own

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
