"""Tell how workers go over to another version."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from msgspec import field

from beeyard.application.operation import Call, Names, Operation, Streamed
from beeyard.application.packages.moves import RolloutView
from beeyard.domain.course import OVER
from beeyard.domain.values import instance_of

if TYPE_CHECKING:
    from beeyard.application.master import Master


class RolloutStatus(Streamed[RolloutView]):
    """Workers or groups; none: all to which something was ever rolled out. `follow`: go on until all of it is over."""

    workers: Names = field(default_factory=list)
    follow: bool = False


async def rollout_status(master: "Master", request: RolloutStatus, call: Call) -> AsyncIterator[list[RolloutView]]:
    """Show which version goes where, what it waits for, and why it went back; --follow goes on with each change."""
    known = [group for group in master.versions.histories if master.rollouts.groups.of(group)]
    names = request.workers or [name for name in known if call.caller.grant.sees(name)]
    groups = list(dict.fromkeys(instance_of(one.worker.id) for name in names for one in master.find(name)))
    told: list[RolloutView] = []

    def views() -> list[RolloutView]:
        return [view for group in groups if (view := master.rollouts.view(group)) is not None]

    def news() -> list[RolloutView]:
        return [view for view in views() if view not in told]

    while True:
        fresh, told = news(), views()
        yield fresh
        if not request.follow or all(view.stage in OVER for view in told):
            return
        await master.until(lambda: bool(news()), None)


OPERATION = Operation("rollout_status", RolloutStatus, rollout_status, kept=False, route="GET /v1/rollouts")
