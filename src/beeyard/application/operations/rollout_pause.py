"""Hold a rollout where it is."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Name, Operation, Request
from beeyard.application.packages.moves import RolloutView
from beeyard.domain.values import instance_of

if TYPE_CHECKING:
    from beeyard.application.master import Master


class RolloutPause(Request[RolloutView]):
    """A group, or a worker of it."""

    worker: Name


async def rollout_pause(master: "Master", request: RolloutPause, call: Call) -> RolloutView:
    """Keep the rest of a group on the version it has, while those that went over are still watched.

    Raises:
        NotFound: there is no such worker.
        Refused: nothing is being rolled out to it.
    """
    group = instance_of(request.worker)
    call.caller.require(OPERATION, [group])
    return await master.rollouts.steered(group, "pause", call.caller.because)


OPERATION = Operation("rollout_pause", RolloutPause, rollout_pause, role="operator", changes=True)
