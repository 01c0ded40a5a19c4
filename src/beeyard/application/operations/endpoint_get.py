"""Tell where a worker's endpoint is to be reached."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Name, Operation, Request
from beeyard.domain.spec import Chosen
from beeyard.sdk.endpoints import EndpointView

if TYPE_CHECKING:
    from beeyard.application.master import Master


class EndpointGet(Request[EndpointView]):
    """A worker's or group's name, and the endpoint's; without it, the only one."""

    worker: Name
    endpoint: Chosen = ""


async def endpoint_get(master: "Master", request: EndpointGet, call: Call) -> EndpointView:
    """Show where an endpoint is to be reached; of a group, those that are ready take turns.

    Raises:
        NotFound: no such worker, or no such endpoint.
        Refused: `worker_unreachable`, it is not ready.
        Invalid: `endpoint_ambiguous`, it has several and none was named.
    """
    return master.get_worker_endpoint(request.worker, request.endpoint)


OPERATION = Operation("endpoint_get", EndpointGet, endpoint_get, route="GET /v1/endpoints/{worker}")
