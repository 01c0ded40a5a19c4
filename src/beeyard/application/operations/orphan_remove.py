"""Take away what runs and is in no record."""

from typing import TYPE_CHECKING

from msgspec import Struct, field

from beeyard.application.operation import Call, Names, Operation, Request, Seconds
from beeyard.application.views import Orphan
from beeyard.domain.errors import Invalid, NotFound
from beeyard.domain.plain import nearest
from beeyard.domain.values import human_duration

if TYPE_CHECKING:
    from beeyard.application.master import Master
    from beeyard.application.orphans import Sweep

GRACE = 60.0
"""Seconds below which an orphan is young, unless who asks says otherwise."""


class Spared(Struct, frozen=True):
    """One that is still there, and why."""

    orphan: Orphan
    reason: str


class Swept(Struct, frozen=True):
    """What was taken away, or would be; what was left for it is young; what could not be taken away; and the providers
    that could not be asked, with the reason."""

    removed: list[Orphan]
    young: list[Spared]
    stuck: list[Spared]
    unreachable: dict[str, str]


class OrphanRemove(Request[Swept]):
    """Names of orphans, or `all`. `older_than`: younger ones are left, for somebody may be about to know them. With
    `dry_run` nothing is taken away. `timeout`: of each one."""

    orphans: Names = field(default_factory=list)
    all: bool = False
    older_than: Seconds = GRACE
    dry_run: bool = False
    timeout: Seconds = 60.0


async def orphan_remove(master: "Master", request: OrphanRemove, call: Call) -> Swept:
    """End what carries this master's mark and is no worker, and clear away what is left of it; its logs stay.

    What another master marked is never touched. Each is asked to end, and killed if it does not.

    Raises:
        Invalid: `orphans_unnamed`, neither names nor `all`.
        NotFound: `no_such_orphan`.
    """
    if request.all == bool(request.orphans):
        raise Invalid("orphans_unnamed", "expected names of orphans, or all of them", hint="beeyard orphan list")
    found, unreachable = await master.sweep.look()
    chosen = found if request.all else _named(request.orphans, found, unreachable)
    old = [orphan for orphan in chosen if master.sweep.age(orphan) >= request.older_than]
    young = [Spared(orphan, _young(orphan, request, master.sweep)) for orphan in chosen if orphan not in old]
    if request.dry_run:
        return Swept(old, young, [], unreachable)
    reasons = await master.sweep.remove_all(old, request.timeout)
    stuck = [Spared(orphan, reason) for orphan, reason in zip(old, reasons, strict=True) if reason]
    await master.sweep.look()
    gone = [orphan for orphan, reason in zip(old, reasons, strict=True) if not reason]
    return Swept(gone, young, stuck, unreachable)


def _named(names: list[str], found: list[Orphan], unreachable: dict[str, str]) -> list[Orphan]:
    there = list(dict.fromkeys(orphan.worker for orphan in found))
    for name in names:
        if name not in there:
            hint = nearest(name, there) or "beeyard orphan list shows them"
            if unreachable:
                hint = f"{', '.join(unreachable)} could not be asked: beeyard orphan list says why"
            raise NotFound("no_such_orphan", "there is no orphan {orphan}", orphan=name, hint=hint)
    return [orphan for orphan in found if orphan.worker in names]


def _young(orphan: Orphan, request: OrphanRemove, sweep: "Sweep") -> str:
    return f"it is there for {human_duration(round(sweep.age(orphan)))}, not {human_duration(request.older_than)} yet"


OPERATION = Operation("orphan_remove", OrphanRemove, orphan_remove, role="admin", changes=True)
