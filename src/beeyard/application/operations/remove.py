"""Remove workers."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operations.base import Caller, Operation
from beeyard.domain.errors import Refused

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Remove(Struct):
    """Names of workers or groups. `stop`: stop those that run first. `purge`: delete their logs as well."""

    workers: list[str]
    stop: bool = False
    purge: bool = False
    timeout: float = 60.0


async def remove(master: "Master", request: Remove, caller: Caller) -> list[str]:
    """Forget workers that are down; their logs stay unless purged."""
    found = list(dict.fromkeys(supervisor.worker.id for name in request.workers for supervisor in master.find(name)))
    if request.stop:
        for name in request.workers:
            await master.stop_worker(name, caller.name)
        if not await master.until(lambda: master.ended(found), request.timeout):
            left = [name for name in found if not master.ended([name])]
            raise Refused("still_stopping", "{workers} did not stop in time", workers=", ".join(left))
    await master.remove_workers(request.workers)
    if request.purge:
        for worker in found:
            await master.logs.remove(worker)
    return found


OPERATION = Operation("remove", Remove, list[str], remove, changes=True, role="admin")
