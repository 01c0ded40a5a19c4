"""Says whether versions go together, by the rules alone, and tries all ways if asked to. Slow, plain, and no engine's.

Knows only whole versions and the ranges of these tests.
"""

from collections.abc import Iterator, Mapping
from itertools import product

from packaging.specifiers import SpecifierSet

from beeyard.domain.packages import Dependency
from beeyard.domain.resolution import Candidate, Question, Resolution
from tests.unit.adapters.resolvers.graphs import HOST

Versions = Mapping[str, str]


def faults(question: Question, versions: Versions) -> Iterator[str]:
    """What is wrong with this choice of versions; nothing: they go together."""
    chosen = {name: _found(question, name, version) for name, version in versions.items()}
    there = {**versions, **{name: text for name, text in question.facts.items() if text}}
    for ask in question.asks:
        if not within(ask.wanted.range, there.get(ask.wanted.name)):
            yield f"{ask.wanted} is not there"
    for name, candidate in chosen.items():
        if candidate not in allowed(question, name):
            yield f"{name} {candidate.version} may not be taken"
        for dependency in candidate.dependencies:
            if not _served(dependency, there):
                yield f"{name} {candidate.version} lacks {dependency.name} {dependency.version}"


def allowed(question: Question, name: str) -> list[Candidate]:
    """The versions of a package that may be taken at all."""
    installed = question.installed.get(name)
    kept = {question.locked.get(name), installed.version if installed else None}
    named = {ask.wanted.range for ask in question.asks if ask.wanted.name == name}
    for candidates in question.offered.values():
        named |= {found.version for one in candidates for found in one.dependencies if found.name == name}
    return [
        found
        for found in _known(question, name)
        if found.platform in ("any", HOST)
        and (not found.yanked or found.version in kept or f"=={found.version}" in named)
        and (question.downgrades or not installed or int(found.version) >= int(installed.version))
    ]


def possible(question: Question) -> bool:
    """Whether any choice is without fault: all are tried."""
    names = sorted({*question.offered, *question.installed})
    ways = [[None, *(found.version for found in allowed(question, name))] for name in names]
    return any(
        not any(faults(question, {name: version for name, version in zip(names, way, strict=True) if version}))
        for way in product(*ways)
    )


def unexplained(question: Question, answer: Resolution) -> Iterator[str]:
    """The packages of an answer whose `why` does not lead from somebody who asks to them, step by step."""
    for name, choice in answer.items():
        at = ""
        for need in choice.why:
            if need.by != at and (at or need.wanted not in [ask.wanted for ask in question.asks if ask.by == need.by]):
                yield f"{name}: nobody said {need}"
            at = f"{need.wanted.name} {answer[need.wanted.name].version}"
        if at != f"{name} {choice.version}":
            yield f"{name}: it leads to {at}"


def within(range: str, version: str | None) -> bool:
    """Whether it is there, and in this range."""
    return version is not None and SpecifierSet(range).contains(version)


def _known(question: Question, name: str) -> list[Candidate]:
    installed = question.installed.get(name)
    offered = list(question.offered.get(name, ()))
    return offered + ([installed] if installed and installed not in offered else [])


def _found(question: Question, name: str, version: str) -> Candidate:
    return next(found for found in _known(question, name) if found.version == version)


def _served(dependency: Dependency, there: Versions) -> bool:
    found = there.get(dependency.name)
    return within(dependency.version, found) if found or dependency.required else True
