"""Small worlds of packages for tests of resolvers, in a spelling that can be read at a glance."""

from beeyard.domain.packages import Dependency, wanted
from beeyard.domain.resolution import Ask, Candidate, Question

HOST = "linux-x86_64"


def dependency(text: str) -> Dependency:
    """`name`, `name RANGE`, or with a `?` at the end: it can do without."""
    name, _, range = text.removesuffix("?").partition(" ")
    return Dependency(name, range, required=not text.endswith("?"))


def candidate(text: str, *needs: str, platform: str = "any", yanked: str = "") -> Candidate:
    """`name version`, and what it needs."""
    name, _, version = text.partition(" ")
    return Candidate(name, version, platform, tuple(map(dependency, needs)), yanked)


def ask(text: str, *, newest: bool = False) -> Ask:
    """`name:range`, or `worker>>name:range`."""
    by, _, what = text.rpartition(">>")
    return Ask(wanted(what), by, newest)


def question(asks: list[str | Ask], *candidates: Candidate, **more: object) -> Question:
    """What to choose from these."""
    offered: dict[str, tuple[Candidate, ...]] = {}
    for one in candidates:
        offered[one.name] = (*offered.get(one.name, ()), one)
    made = tuple(one if isinstance(one, Ask) else ask(one) for one in asks)
    return Question(made, HOST, offered, **more)  # type: ignore[arg-type]
