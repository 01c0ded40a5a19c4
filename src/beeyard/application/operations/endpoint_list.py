"""Tell what workers can be reached by."""

from typing import TYPE_CHECKING

from msgspec import field

from beeyard.application.operation import Call, Names, Operation, Request
from beeyard.sdk.endpoints import EndpointView

if TYPE_CHECKING:
    from beeyard.application.master import Master


class EndpointList(Request[list[EndpointView]]):
    """Names of workers or groups; none means all."""

    workers: Names = field(default_factory=list)


async def endpoint_list(master: "Master", request: EndpointList, call: Call) -> list[EndpointView]:
    """List the endpoints of workers that are ready: those of the worker file, and what modules registered."""
    if request.workers:
        found = list({s.worker.id: s for name in request.workers for s in master.find(name)}.values())
    else:
        found = [s for s in master.supervisors.values() if call.caller.grant.sees(s.worker.id)]
    return list(master.endpoints.of(found))


OPERATION = Operation("endpoint_list", EndpointList, endpoint_list, route="GET /v1/endpoints")
