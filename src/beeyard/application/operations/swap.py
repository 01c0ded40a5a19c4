"""Have modules take new code while they serve."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operation import Call, Names, Operation, Request, Seconds
from beeyard.domain.errors import Refused
from beeyard.domain.worker import Running, state
from beeyard.ports.provider import Provider, Swaps

if TYPE_CHECKING:
    from beeyard.application.master import Master
    from beeyard.application.supervisor import Supervisor
    from beeyard.sdk.report import Report


class SwapView(Struct, frozen=True):
    """What became of one. `before` and `code`: digests of the code that served and that serves now; `refused`: why the
    old code goes on."""

    worker: str
    attempt: int
    before: str
    code: str
    refused: str = ""


class Swap(Request[list[SwapView]]):
    """Names of workers or groups. `timeout`: seconds to wait for an answer."""

    workers: Names
    timeout: Seconds = 120.0


async def swap(master: "Master", request: Swap, call: Call) -> list[SwapView]:
    """Load a module's code anew while the old one serves; that goes on when the new one can't be started.

    One worker after the other, so that of a group the rest serves on; none after one that refused. What was imported
    from outside the module's folder, C libraries, and what threads of the old code hold stay as they are.

    Raises:
        Refused: `not_swappable`, one of the workers can't take new code without a restart; none was asked.
    """
    found = list({s.worker.id: s for name in request.workers for s in master.find(name)}.values())
    asked = [(supervisor, _swappable(supervisor, master.providers)) for supervisor in found]
    views: list[SwapView] = []
    for supervisor, provider in asked:
        views.append(await _swapped(supervisor, provider, request.timeout))
        told = {"done": len(views), "of": len(found), "worker": supervisor.worker.id, "state": state(supervisor.worker)}
        call.tell("progress", told)
        if views[-1].refused:
            break
    return views


async def _swapped(supervisor: "Supervisor", provider: Swaps, timeout: float) -> SwapView:
    worker, attempt, before = supervisor.worker.id, supervisor.attempt() or 0, _report(supervisor)
    notified = supervisor.notified
    if before is None or notified is None:
        return SwapView(worker, attempt, "", "", f"it is {state(supervisor.worker)}")

    def answered() -> bool:
        return notified.report is not None and notified.report.swaps != before.swaps

    await provider.swap(worker, attempt)
    done = await notified.until(answered, timeout)
    after = notified.report or before
    if not done:
        ended = supervisor.notified is not notified
        why = "it ended meanwhile" if ended else f"no answer within {timeout:g}s; it may still come"
        return SwapView(worker, attempt, before.code, "" if ended else after.code, why)
    return SwapView(worker, attempt, before.code, after.code, after.refused)


def _report(supervisor: "Supervisor") -> "Report | None":
    """The last one of the attempt that runs."""
    notified = supervisor.notified
    return notified.report if notified is not None and notified.attempt == supervisor.attempt() else None


def _swappable(supervisor: "Supervisor", providers: Mapping[str, Provider]) -> Swaps:
    worker, provider = supervisor.worker, providers[supervisor.worker.spec.provider]
    report = _report(supervisor)
    if worker.outfit.module is None or not isinstance(provider, Swaps):
        raise _refused(worker.id, "it runs no module")
    if worker.spec.package:
        raise _refused(worker.id, f"its code is that of the package {worker.spec.package}")
    if not isinstance(worker.phase, Running) or worker.phase.ready_since is None or report is None:
        why = f"it is {state(worker) if not isinstance(worker.phase, Running) else 'not ready'}"
        raise _refused(worker.id, why, f"beeyard why {worker.id}")
    if not report.code:
        raise _refused(worker.id, "its code belongs to the program that runs it")
    return provider


def _refused(worker: str, reason: str, hint: str = "") -> Refused:
    text = "{worker} can't take new code: {reason}"
    return Refused("not_swappable", text, worker=worker, reason=reason, hint=hint or f"beeyard restart {worker}")


OPERATION = Operation("swap", Swap, swap, role="operator", changes=True)
"""Role: it runs code that is in place already, as a restart does."""
