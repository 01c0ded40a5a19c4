"""What has to change so that the workers are as a file wishes them. A value: printed by a dry run, applied by `up`."""

from collections.abc import Iterable

from msgspec import Struct

from beeyard.domain.spec import WorkerSpec, needs_restart
from beeyard.domain.worker import Worker


class Plan(Struct, frozen=True):
    """Worker ids by what happens to them. `restart` and `adjust` are both changes; only the first ends an attempt."""

    add: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    adjust: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.add or self.restart or self.adjust or self.remove)


def diff(wished: Iterable[WorkerSpec], seen: Iterable[Worker], origin: str) -> Plan:
    """Only what came from the same file is removed when it left the file: other workers are none of its business."""
    specs = {spec.id: spec for spec in wished}
    workers = {worker.id: worker for worker in seen}
    restart, adjust, keep = [], [], []
    for name, spec in specs.items():
        if name not in workers:
            continue
        old = workers[name].spec
        if old == spec:
            keep.append(name)
        elif needs_restart(old, spec):
            restart.append(name)
        else:
            adjust.append(name)
    return Plan(
        add=tuple(name for name in specs if name not in workers),
        restart=tuple(restart),
        adjust=tuple(adjust),
        remove=tuple(name for name, worker in workers.items() if worker.spec.origin == origin and name not in specs),
        keep=tuple(keep),
    )
