"""Whether a worker's data can be read by what it is to run from. Knows which builds ran, and nothing of the data.

What wrote last says which form the data has (`Worker.epochs`); no build of a lower epoch is started on it, whichever
way leads there, until somebody says that the data is as it was before.
"""

from collections.abc import Iterable, Sequence

from beeyard.application.supervisor import Supervisor
from beeyard.domain.errors import Refused
from beeyard.domain.messages import Event, Restored
from beeyard.domain.packages import Manifest
from beeyard.domain.worker import Worker


def crossed(worker: Worker, manifest: Manifest) -> Refused | None:
    """Why it can't run from this build; None if it can."""
    if (ran := worker.epochs.get(manifest.name, 0)) <= manifest.epoch:
        return None
    hint = f"take one that does; or stop it, restore the data from before, and: beeyard start {worker.id} --restored"
    return barred(worker.id, f"{manifest.name} {manifest.version}", ran, manifest.epoch, hint)


def require_readable(group: str, workers: Iterable[Worker], manifest: Manifest) -> None:
    """Before a whole group goes to this build. Raises Refused: `epoch_crossed`."""
    name, version, epoch = manifest.name, manifest.version, manifest.epoch
    if (ran := max((one.epochs.get(name, 0) for one in workers), default=0)) > epoch:
        raise barred(group, f"{name} {version}", ran, epoch, back(group, version))


def back(group: str, version: str) -> str:
    """What to do when a rollout can't lead there."""
    order = f"beeyard package rollback {group} --to {version} --restored"
    return f"beeyard stop {group}, restore the data from before, then: {order}"


def barred(name: str, package: str, ran: int, epoch: int, hint: str) -> Refused:
    """`epoch_crossed`, for a worker or a group."""
    text = "{name} can't run from {package}, which reads data of epoch {epoch}: what ran last wrote epoch {ran}"
    return Refused("epoch_crossed", text, hint=hint, name=name, package=package, ran=ran, epoch=epoch)


def restored(group: Sequence[Supervisor], by: str) -> list[tuple[str, Event]]:
    """Their data is as it was before. Raises Refused while one of them lives, which may write to it still."""
    for one in group:
        one.require_down("taken as restored")
    return [(one.worker.id, Restored(by)) for one in group]
