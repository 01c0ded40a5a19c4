"""What a worker's record tells a rollout of it: what it runs from, whether it is well, and if not, why."""

from beeyard.domain.course import Member
from beeyard.domain.worker import Death, Down, Failed, Preparing, Running, Waiting, Worker, describe


def member(worker: Worker) -> Member:
    """A worker of a group that is on its way. One out of sight may have ended: it is not well until it is seen."""
    phase, supply = worker.phase, worker.supply
    coming = supply is None or supply.generation != worker.wanted.generation
    rests = worker.wanted.standby
    ended = isinstance(phase, Waiting | Failed | Down) and not coming and not rests
    seen = isinstance(phase, Running) and phase.contact_lost_since is None
    healthy = isinstance(phase, Running) and phase.ready_since is not None and seen and not coming
    return Member(
        worker=worker.id,
        digest="" if supply is None else supply.digest,
        coming=coming,
        healthy=healthy,
        restarts=worker.restarts,
        ended=ended,
        trouble="" if healthy else _trouble(worker, ended),
        rests=rests,
        off=not worker.wanted.on,
    )


def _trouble(worker: Worker, ended: bool) -> str:
    if ended and worker.death is not None:
        return _told_of(worker.death)
    if isinstance(worker.phase, Preparing):
        return worker.phase.blocked
    if isinstance(worker.phase, Running) and worker.phase.contact_lost_since is not None:
        return f"contact lost: {worker.phase.contact_lost}"
    return worker.health.reason.removeprefix("not ready: ")


def _told_of(death: Death) -> str:
    return death.cause.detail or describe(death.exit)


def finished(worker: Worker) -> bool:
    """Whether it ran to its end and nothing more is to come of it: nobody can tell by it whether a version is well."""
    done = isinstance(worker.phase, Down) and worker.phase.done is not None
    return done and worker.death is not None and worker.death.exit.success
