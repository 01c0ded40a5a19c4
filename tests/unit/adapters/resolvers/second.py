"""Another engine, of another kind, for the same question: resolvelib goes back step by step where it can't go on.

It knows nothing of dependencies that a package can do without, and loses its way in circles.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from resolvelib import AbstractProvider, BaseReporter, ResolutionImpossible, Resolver

from beeyard.domain.packages import Dependency
from beeyard.domain.resolution import Candidate, Question
from tests.unit.adapters.resolvers.judge import allowed
from tests.unit.adapters.resolvers.judge import within as fits


class _Provider(AbstractProvider[Dependency, Candidate, str]):
    def __init__(self, question: Question) -> None:
        self._question = question

    def identify(self, requirement_or_candidate: Dependency | Candidate) -> str:
        return requirement_or_candidate.name

    def get_preference(self, identifier: str, *args: Any, **kwargs: Any) -> str:
        return identifier

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[Dependency]],
        incompatibilities: Mapping[str, Iterator[Candidate]],
    ) -> Sequence[Candidate]:
        wanted, wrong = list(requirements[identifier]), list(incompatibilities[identifier])
        found = [
            one
            for one in allowed(self._question, identifier)
            if one not in wrong and all(fits(each.version, one.version) for each in wanted)
        ]
        return sorted(found, key=lambda one: -int(one.version))

    def is_satisfied_by(self, requirement: Dependency, candidate: Candidate) -> bool:
        return fits(requirement.version, candidate.version)

    def get_dependencies(self, candidate: Candidate) -> Iterable[Dependency]:
        return candidate.dependencies


def second(question: Question) -> dict[str, str] | None:
    """Its answer; None: it says that there is none."""
    asks = [Dependency(ask.wanted.name, ask.wanted.range) for ask in question.asks]
    reporter: BaseReporter[Dependency, Candidate, str] = BaseReporter()
    try:
        result = Resolver(_Provider(question), reporter).resolve(asks, max_rounds=100_000)
    except ResolutionImpossible:
        return None
    return {name: candidate.version for name, candidate in result.mapping.items()}
