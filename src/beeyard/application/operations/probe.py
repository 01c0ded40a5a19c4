"""Ask a worker's probes now."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operation import Call, Name, Operation, Request
from beeyard.application.views import ProbeView
from beeyard.domain.errors import NotFound, Refused
from beeyard.domain.spec import ProbeRole
from beeyard.domain.worker import state

if TYPE_CHECKING:
    from beeyard.application.master import Master
    from beeyard.application.supervisor import Supervisor


class ProbeAnswer(Struct, frozen=True):
    """What one probe said. `ok` is None where there was no answer, `reason` says why; `counted`: it is one of the
    equal results in a row that make a verdict. `costs`: of this question and of those before, where there was one."""

    worker: str
    role: ProbeRole
    ok: bool | None
    reason: str
    counted: bool
    costs: ProbeView | None = None


class Probe(Request[list[ProbeAnswer]]):
    """A worker's or group's name. `role`: this probe only."""

    worker: Name
    role: ProbeRole | None = None


async def probe(master: "Master", request: Probe, call: Call) -> list[ProbeAnswer]:
    """Ask a worker's probes now, and count the answers like any others; a failed one may end it.

    Raises:
        Refused: `not_probed`, one of the workers does not run.
        NotFound: `no_probe`, none of the workers has such a probe.
    """
    from asyncio import gather  # Here, for it costs a command line 20 ms.

    found = master.find(request.worker)
    for supervisor in found:
        if supervisor.probing is None and supervisor.worker.outfit.probes:
            raise _not_probed(supervisor)
    asked = [
        (supervisor, role)
        for supervisor in found
        for role in supervisor.worker.outfit.probes
        if supervisor.probing is not None and request.role in (None, role)
    ]
    if not asked:
        raise NotFound(
            "no_probe",
            "{worker} has no {role}probe",
            worker=request.worker,
            role=f"{request.role} " if request.role else "",
            hint="`probes:` in the worker file gives it one",
        )
    return list(await gather(*(_answer(supervisor, role) for supervisor, role in asked)))


async def _answer(supervisor: "Supervisor", role: ProbeRole) -> ProbeAnswer:
    assert supervisor.probing is not None
    told = await supervisor.probing.ask(role)
    return ProbeAnswer(supervisor.worker.id, role, told.ok, told.reason, told.counted, told.costs)


def _not_probed(supervisor: "Supervisor") -> Refused:
    worker = supervisor.worker
    text = "{worker} can't be probed: it is {state}"
    return Refused("not_probed", text, worker=worker.id, state=state(worker), hint=f"beeyard why {worker.id}")


OPERATION = Operation("probe", Probe, probe, role="operator", changes=True)
