"""`depends_on` in its forms, groups spread over their instances, and what can't be: strangers, oneself, circles."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from beeyard.domain.errors import Invalid
from beeyard.domain.order import levels
from beeyard.domain.spec import Condition, Need
from beeyard.domain.values import instance_of
from beeyard.entrypoints.settings import tree
from beeyard.entrypoints.settings.decode import nearest, struct
from beeyard.entrypoints.settings.tree import Node, Report, Scalar
from beeyard.entrypoints.settings.words import FAILED, Context, choice, text

Needs = Mapping[str, tuple[Condition | Need, Node]]

_condition = choice(get_args(Condition))


def depends_on(node: Node | None, context: Context) -> dict[str, tuple[Condition | Need, Node]]:
    """Needed name -> what is needed of it and where that stands; a list, or one name, means ready."""
    if node is None:
        return {}
    if isinstance(node, tree.Mapping):
        pairs = {name: (_need(entry, context), entry) for name, entry in node.entries.items()}
        return {name: (need, entry) for name, (need, entry) in pairs.items() if need is not FAILED}
    items = node.items if isinstance(node, tree.Sequence) else [node]
    return {name: ("ready", item) for item in items if (name := text(item, context)) is not FAILED}


def _need(node: Node, context: Context) -> Any:
    """A condition, or a mapping; one that asks for no restart says no more than its condition."""
    if not isinstance(node, tree.Mapping):
        return _condition(node, context)
    need = struct(node, Need, context)
    return FAILED if need is None else need if need.restart else need.condition


def resolve(
    needs: Mapping[str, Needs], groups: Mapping[str, Sequence[str]], report: Report
) -> dict[str, dict[str, Condition | Need]]:
    """Name in the file -> worker id needed -> what is needed of it.

    Args:
        needs: name in the file -> what `depends_on` gave for it.
        groups: name in the file -> ids of its workers.
    """
    ids = {worker: [worker] for workers in groups.values() for worker in workers}
    known = {**ids, **groups}
    resolved: dict[str, dict[str, Condition | Need]] = {}
    for name, wanted in needs.items():
        mine = resolved.setdefault(name, {})
        for need, (wish, node) in wanted.items():
            if need not in known:
                report.add(node, f"'{need}'", "the id of a worker in this file", nearest(need, known))
            elif instance_of(need) == name:
                report.add(node, f"'{need}'", "another worker than itself")
            else:
                mine |= dict.fromkeys(known[need], wish)
    _no_circle(needs, resolved, report)
    return resolved


def _no_circle(
    needs: Mapping[str, Needs],
    resolved: Mapping[str, Mapping[str, Condition | Need]],
    report: Report,
) -> None:
    """The circle is one of names in the file: instances of a group stand or fall together."""
    try:
        levels({name: {instance_of(need) for need in mine} for name, mine in resolved.items()})
    except Invalid as error:
        circle = str(error.fields["cycle"]).split(" -> ")
        first = min(circle[:-1], key=list(needs).index)
        start = circle.index(first)
        turned = [*circle[start:-1], *circle[:start], first]
        node = next(node for need, (_, node) in needs[first].items() if instance_of(need) == turned[1])
        report.add(Scalar(node.file, node.line, node.path, ""), f"a circle: {' -> '.join(turned)}", "no way back")
