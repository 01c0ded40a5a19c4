"""`instances` in its forms: how many workers one block makes, and how many of them are to run.

A number makes a group that is as large always; `{min: 2, max: 8, cpu: 70%}` one of which as many run as are needed, all
known from the start; where they go over blue-green it makes as many again. What does not go together is for `domain`
to say.
"""

from collections.abc import Mapping, Sequence

from msgspec import Meta, structs

from beeyard.domain.rollout_plan import Rollout
from beeyard.domain.scaling import MOST, Scaling, unfit
from beeyard.domain.spec import Need, WorkerSpec, ending
from beeyard.domain.values import WorkerId
from beeyard.entrypoints.settings import tree
from beeyard.entrypoints.settings.decode import struct
from beeyard.entrypoints.settings.depends import Needs
from beeyard.entrypoints.settings.tree import Node, Scalar, empty
from beeyard.entrypoints.settings.words import FAILED, Context, bounded, whole_number

_whole = bounded(whole_number, Meta(ge=1, le=MOST, description="a whole number from 1 to 1000"))


def spread(name: str, node: Node | None, spec: WorkerSpec, context: Context) -> list[WorkerSpec]:
    """One worker, or a group of as many as may run."""
    if node is None or empty(node):
        return [structs.replace(spec, id=WorkerId(name))]
    if isinstance(node, tree.Mapping):
        scaling = _scaling(node, spec, context)
        count = 1 if scaling is None else scaling.max
        if scaling is not None and scaling.max > scaling.min:
            spec = structs.replace(spec, scaling=scaling)
    else:
        count = 1 if (found := _whole(node, context)) is FAILED else found
    if two_colours(spec.rollout) and spec.scaling is None:
        spec, count = structs.replace(spec, half=count), 2 * count
    for problem in ending(spec):
        found = f"{problem.path} of {problem.found} beside it"
        context.report.add(node, found, "a group whose instances stay", problem.hint)
    return [structs.replace(spec, id=WorkerId(f"{name}.{number}")) for number in range(1, count + 1)]


def several(node: Node | None) -> bool:
    """Whether it may make more than one that run; what is wrong with it is said elsewhere."""
    if isinstance(node, tree.Mapping):
        node = node.entries.get("max")
    return isinstance(node, Scalar) and node.text.isdecimal() and node.text not in ("0", "1")


def two_colours(plan: Rollout | None) -> bool:
    """Whether there are as many again, on standby."""
    return plan is not None and plan.strategy == "blue-green"


def restart_none(needs: Mapping[str, Needs], groups: Mapping[str, Sequence[WorkerSpec]], context: Context) -> None:
    """Report who wants to be restarted with a group of which instances come and go."""
    names = {name: group[0] for name, group in groups.items() if group[0].varies}
    names |= {str(spec.id): spec for name in tuple(names) for spec in groups[name]}
    for wanted in needs.values():
        for need, (wish, node) in wanted.items():
            if need in names and isinstance(wish, Need):
                hint = "its instances come and go as they are needed"
                does = "goes over blue-green" if names[need].half else "scales"
                context.report.add(node, f"`restart` with {need}", f"none: that group {does}", hint)


def _scaling(node: tree.Mapping, spec: WorkerSpec, context: Context) -> Scaling | None:
    """None where something was reported."""
    before = len(context.report.problems)
    scaling = struct(node, Scaling, context)
    if scaling is None or len(context.report.problems) > before:
        return None
    protocols = {name: endpoint.protocol for name, endpoint in spec.endpoints.items()}
    problems = unfit(scaling, f"{spec.id}.1", protocols)
    for problem in problems:
        context.report.add(_at(node, problem.path.split(".")[1:]), problem.found, problem.expected, problem.hint)
    return None if problems else scaling


def _at(node: Node, keys: Sequence[str]) -> Node:
    """The value below, or what is there of it."""
    for key in keys:
        node = node.entries[key] if isinstance(node, tree.Mapping) and key in node.entries else node
    return node
