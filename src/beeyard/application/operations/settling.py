"""Waiting until workers are where they were asked to be."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from beeyard.application.operation import Call
from beeyard.application.views import WorkerView
from beeyard.domain.worker import Down, Failed, Running, Waiting, Worker, state

if TYPE_CHECKING:
    from beeyard.application.master import Master


def at_rest(worker: Worker) -> bool:
    """Nothing more will come of what was asked: it runs and is ready, is down for good, or failed to start."""
    match worker.phase:
        case Running(generation=generation, ready_since=ready):
            return ready is not None and worker.wanted.up and generation == worker.wanted.generation
        case Down(generation=generation):
            return not worker.wanted.up or generation == worker.wanted.generation
        case Waiting(generation=generation) | Failed(generation=generation):
            return generation == worker.wanted.generation
        case _:
            return False


async def settled(master: "Master", names: Sequence[str], timeout: float, call: Call) -> list[WorkerView]:
    """The workers once all are at rest, or as they are when the time is over. Tells of each one that comes to rest."""
    found = {s.worker.id: s for name in names for s in master.find(name)}
    left = dict(found)

    def reached() -> bool:
        for name in [name for name, supervisor in left.items() if at_rest(supervisor.worker)]:
            supervisor = left.pop(name)
            told = {"done": len(found) - len(left), "of": len(found), "worker": name, "state": state(supervisor.worker)}
            call.tell("progress", told)
        return not left

    await master.until(reached, timeout)
    return [master.view(supervisor) for supervisor in found.values()]
