"""`rollout:` of a worker. What does not go together is for `domain.rollout_plan` and `domain.side_by_side` to say."""

from collections.abc import Mapping

from beeyard.domain.rollout_plan import Rollout, unfit
from beeyard.domain.side_by_side import clashes
from beeyard.domain.spec import Endpoint, WorkerSpec
from beeyard.entrypoints.settings import tree
from beeyard.entrypoints.settings.decode import struct
from beeyard.entrypoints.settings.tree import Node, empty
from beeyard.entrypoints.settings.words import Context


def rollout(node: Node | None, package: str, endpoints: Mapping[str, Endpoint], context: Context) -> Rollout | None:
    """None where nothing is said of it, or something was reported."""
    if node is None or empty(node):
        return None
    before = len(context.report.problems)
    plan = struct(node, Rollout, context)
    if plan is None or len(context.report.problems) > before:
        return None
    problems = unfit(plan, package, {name: endpoint.protocol for name, endpoint in endpoints.items()})
    for problem in problems:
        context.report.add(_at(node, problem.path, 1), problem.found, problem.expected, problem.hint)
    return None if problems else plan


def side_by_side(node: Node, spec: WorkerSpec, context: Context) -> None:
    """Report why two versions of a worker, whose node this is, can't run at a time."""
    for problem in clashes(spec):
        context.report.add(_at(node, problem.path), problem.found, problem.expected, problem.hint)


def _at(node: Node, path: str, skipped: int = 0) -> Node:
    """The value below, or what is there of it; the first names of the path may lead to the node itself."""
    for key in path.replace("[", ".").replace("]", "").split(".")[skipped:]:
        if isinstance(node, tree.Mapping) and key in node.entries:
            node = node.entries[key]
        elif isinstance(node, tree.Sequence) and key.isdecimal():
            node = node.items[int(key)]
    return node
