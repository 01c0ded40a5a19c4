"""Tell everything about one worker."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from beeyard.application.operation import Call, Name, Operation, Request
from beeyard.application.views import WorkerDetail
from beeyard.domain.secrets import REDACTED

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Show(Request[list[WorkerDetail]]):
    """A worker's or group's name."""

    worker: Name


async def show(master: "Master", request: Show, call: Call) -> list[WorkerDetail]:
    """Show a worker in full: its spec, its health, what it needs and what needs it, what can be asked of it now."""
    found = [master.detail(supervisor) for supervisor in master.find(request.worker)]
    return found if call.caller.grant.install else [masked(detail) for detail in found]


def masked(detail: WorkerDetail) -> WorkerDetail:
    """Without the values in its environment, in its module's configuration and in its probes' headers: who may not
    install has no business with passwords."""
    run = dict(detail.spec.run)
    if isinstance(given := run.get("environment"), dict):
        run["environment"] = dict.fromkeys(given, REDACTED)
    probes = {
        role: replace(probe, headers=dict.fromkeys(probe.headers, REDACTED))
        for role, probe in detail.spec.probes.items()
    }
    module = detail.spec.module
    if module is not None:
        module = replace(module, config=dict.fromkeys(module.config, REDACTED))
    return replace(detail, spec=replace(detail.spec, run=run, module=module, probes=probes))


OPERATION = Operation("show", Show, show, route="GET /v1/workers/{worker}")
