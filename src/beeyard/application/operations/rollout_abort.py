"""End a rollout by going back."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Name, Operation, Request
from beeyard.application.packages.moves import RolloutView
from beeyard.domain.values import instance_of

if TYPE_CHECKING:
    from beeyard.application.master import Master


class RolloutAbort(Request[RolloutView]):
    """A group, or a worker of it."""

    worker: Name


async def rollout_abort(master: "Master", request: RolloutAbort, call: Call) -> RolloutView:
    """Take all workers of a group back to the version that they came from.

    Raises:
        NotFound: there is no such worker.
        Refused: nothing is being rolled out to it, or the way back is barred.
    """
    group = instance_of(request.worker)
    call.caller.require(OPERATION, [group])
    return await master.rollouts.steered(group, "abort", call.caller.because)


OPERATION = Operation("rollout_abort", RolloutAbort, rollout_abort, role="operator", changes=True)
