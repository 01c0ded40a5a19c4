"""Who starts before whom, from `depends_on`. A cycle is an error that names it."""

from collections.abc import Iterable, Mapping

from beeyard.domain.errors import Invalid


def levels(depends: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Groups that may start together, first to last; reversed, it is the order to stop in.

    Args:
        depends: worker -> workers it needs; names outside the mapping are taken as already there.

    Raises:
        Invalid: `dependency_cycle`, naming the cycle.
    """
    waiting = {name: {need for need in needs if need in depends} for name, needs in depends.items()}
    dependents: dict[str, list[str]] = {}
    for name, needs in waiting.items():
        for need in needs:
            dependents.setdefault(need, []).append(name)
    free = [name for name, needs in waiting.items() if not needs]
    order: list[list[str]] = []
    placed = 0
    while free:
        order.append(free)
        placed += len(free)
        freed = []
        for done in free:
            for name in dependents.get(done, ()):
                waiting[name].discard(done)
                if not waiting[name]:
                    freed.append(name)
        free = freed
    if placed < len(waiting):
        cycle = _cycle({name: needs for name, needs in waiting.items() if needs})
        raise Invalid(
            "dependency_cycle",
            "depends_on goes round in a circle: {cycle}",
            cycle=" -> ".join(cycle),
            hint="remove one of these dependencies",
        )
    return order


def _cycle(waiting: Mapping[str, set[str]]) -> list[str]:
    """Any walk along unmet needs must come back to where it was: every one left has one that is left as well."""
    path = [min(waiting)]
    while True:
        step = min(need for need in waiting[path[-1]] if need in waiting)
        if step in path:
            return [*path[path.index(step) :], step]
        path.append(step)
