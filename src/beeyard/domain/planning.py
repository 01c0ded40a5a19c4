"""Finds the plan that leads from workers as they are to workers as a file wishes them, and the order to go about it."""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from beeyard.domain import lifecycle
from beeyard.domain.differences import between, of_master
from beeyard.domain.master import MasterSpec
from beeyard.domain.messages import Now, Respecified
from beeyard.domain.order import levels
from beeyard.domain.plan import Act, Change, Effect, Plan, Stage
from beeyard.domain.spec import WorkerSpec, needs_restart
from beeyard.domain.worker import Down, Failed, Running, Starting, Stopping, Worker, new

_NEVER = Now(mono=0.0, wall=0.0)


def diff(
    wished: Iterable[WorkerSpec],
    seen: Iterable[Worker],
    origin: str,
    master: tuple[MasterSpec, MasterSpec] | None = None,
) -> Plan:
    """Only what came from the same file is removed when it left the file: other workers are none of its business.

    Args:
        master: what is said of the master itself, now and by the file; None when the file is not asked about that.

    Raises:
        Invalid: the wished ones depend on each other in a circle.
    """
    specs: dict[str, WorkerSpec] = {spec.id: spec for spec in wished}
    workers: dict[str, Worker] = {worker.id: worker for worker in seen}
    both = [name for name in specs if name in workers]
    changes = tuple(_change(workers[name], specs[name]) for name in both if workers[name].spec != specs[name])
    renewed = {change.worker for change in changes if change.effect in ("restart", "start")}
    plan = Plan(
        add=tuple(name for name in specs if name not in workers),
        restart=tuple(change.worker for change in changes if change.worker in renewed),
        adjust=tuple(change.worker for change in changes if change.worker not in renewed),
        remove=tuple(name for name, worker in workers.items() if worker.spec.origin == origin and name not in specs),
        keep=tuple(name for name in both if workers[name].spec == specs[name]),
        changes=changes,
        master=() if master is None else of_master(*master),
    )
    return replace(plan, order=_order(plan, specs, workers))


def _change(worker: Worker, spec: WorkerSpec) -> Change:
    """What the lifecycle would make of it: asked, not guessed."""
    old = worker.spec
    after, _ = lifecycle.step(worker, Respecified(spec), _NEVER)
    alive = isinstance(worker.phase, Starting | Running | Stopping)
    fields = between(old, spec)
    taken = [found.field for name, of in fields.items() if needs_restart(old, _with(old, name, spec)) for found in of]
    effect: Effect = "keep"
    why = "only how it is supervised changes"
    if after.wanted.generation != worker.wanted.generation:
        effect = "restart" if alive else "start"
        if old.enabled != spec.enabled:
            why = "it is enabled now"
        elif isinstance(worker.phase, Failed):
            why = "it had failed, and is tried again"
        elif worker.wanted.standby and not spec.varies:
            why = f"its group does not {'go over blue-green' if old.half else 'scale'} any more"
        else:
            why = f"only a start takes {_listed(taken)}"
    elif worker.wanted.on and not after.wanted.on:
        effect, why = "stop", "it is not enabled any more"
    elif taken:
        why = "it is down, and takes this when it is started"
    return Change(worker.id, effect, why, tuple(found for of in fields.values() for found in of))


def _with(old: WorkerSpec, name: str, new: WorkerSpec) -> WorkerSpec:
    return replace(old, **{name: getattr(new, name)})


def _listed(fields: list[str]) -> str:
    most = 3
    more = f" and {len(fields) - most} more" if len(fields) > most else ""
    return ", ".join(fields[:most]) + more


def _order(plan: Plan, specs: Mapping[str, WorkerSpec], workers: Mapping[str, Worker]) -> tuple[Stage, ...]:
    """First what touches no process, then stops, dependents first: a port that is wanted anew is free by then. Then
    changes and starts, dependencies first. What is stopped is forgotten last, when nothing needs it any more."""
    effects = {change.worker: change.effect for change in plan.changes}
    stops = [name for name in plan.adjust if effects[name] == "stop"]
    stops += [name for name in plan.remove if not isinstance(workers[name].phase, Down)]
    acts: dict[str, Act] = {name: "restart" if effects[name] == "restart" else "start" for name in plan.restart}
    acts |= {name: "start" if new(specs[name]).wanted.up else "add" for name in plan.add}
    stages = [Stage("adjust", tuple(name for name in plan.adjust if effects[name] == "keep"))]
    stages += [
        Stage("stop", tuple(level))
        for level in reversed(levels({name: workers[name].spec.depends_on for name in stops}))
    ]
    kinds: tuple[Act, ...] = ("restart", "start", "add")
    for level in levels({name: specs[name].depends_on for name in acts}):
        stages += [Stage(act, tuple(name for name in level if acts[name] == act)) for act in kinds]
    return tuple(stage for stage in [*stages, Stage("remove", plan.remove)] if stage.workers)
