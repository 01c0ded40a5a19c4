"""Stop everything, the master included."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operations.base import Caller, Operation

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Down(Struct):
    """Seconds until what has not ended is killed."""

    timeout: float = 30.0


class DownView(Struct):
    """How many workers ended, and which did not even when killed."""

    ended: int
    stuck: list[str]


async def down(master: "Master", request: Down, caller: Caller) -> DownView:
    """Stop all workers, dependents first, then the master and its helpers; the next `up` starts them again."""
    stuck = await master.shut_down(request.timeout)
    if not stuck:
        master.finished.set()
    return DownView(len(master.supervisors) - len(stuck), stuck)


OPERATION = Operation("down", Down, DownView, down, changes=True, role="admin")
