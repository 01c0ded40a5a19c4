"""Remove workers."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Names, Operation, Request, Seconds
from beeyard.domain.errors import Refused

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Remove(Request[list[str]]):
    """Names of workers or groups. `stop`: stop those that run first. `purge`: delete their logs as well."""

    workers: Names
    stop: bool = False
    purge: bool = False
    timeout: Seconds = 60.0


async def remove(master: "Master", request: Remove, call: Call) -> list[str]:
    """Forget workers that are down, and let go of unmanaged ones, which run on; logs stay unless purged."""
    found = list(dict.fromkeys(supervisor.worker.id for name in request.workers for supervisor in master.find(name)))
    leaving = [name for name in found if request.stop or not master.owned(name)]
    await master.part_with(leaving, call.caller.because)
    if not await master.until(lambda: master.ended(leaving), request.timeout):
        left = [name for name in leaving if not master.ended([name])]
        raise Refused("still_stopping", "{workers} did not stop in time", workers=", ".join(left))
    await master.remove_workers(request.workers)
    if request.purge:
        for worker in found:
            await master.logs.remove(worker)
    return found


OPERATION = Operation("remove", Remove, remove, role="operator", changes=True, install=True)
