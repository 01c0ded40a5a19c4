"""Stop everything, the master included."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operation import Call, Operation, Request, Seconds

if TYPE_CHECKING:
    from beeyard.application.master import Master


class DownView(Struct):
    """How many workers ended, which did not even when killed, and which unmanaged ones were let go and run on."""

    ended: int
    stuck: list[str]
    left: list[str] = []


class Down(Request[DownView]):
    """Seconds until what has not ended is killed."""

    timeout: Seconds = 30.0


async def down(master: "Master", request: Down, call: Call) -> DownView:
    """Stop all workers, dependents first, then the master and its helpers; the next `up` starts them again."""
    watched = [name for name, s in master.supervisors.items() if s.attempt() is not None and not master.owned(name)]
    stuck = await master.shut_down(request.timeout)
    if not stuck:
        master.finished.set()
    left = [name for name in watched if name not in stuck]
    return DownView(len(master.supervisors) - len(stuck) - len(left), stuck, left)


OPERATION = Operation("down", Down, down, role="admin", changes=True)
