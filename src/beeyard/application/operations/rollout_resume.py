"""Go on with a rollout."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Name, Operation, Request
from beeyard.application.packages.moves import RolloutView
from beeyard.domain.values import instance_of

if TYPE_CHECKING:
    from beeyard.application.master import Master


class RolloutResume(Request[RolloutView]):
    """A group, or a worker of it."""

    worker: Name


async def rollout_resume(master: "Master", request: RolloutResume, call: Call) -> RolloutView:
    """Go on with a rollout that was paused, or waits for somebody's word before the rest goes.

    Raises:
        NotFound: there is no such worker.
        Refused: nothing is being rolled out to it.
    """
    group = instance_of(request.worker)
    call.caller.require(OPERATION, [group])
    return await master.rollouts.steered(group, "resume", call.caller.because)


OPERATION = Operation("rollout_resume", RolloutResume, rollout_resume, role="operator", changes=True)
