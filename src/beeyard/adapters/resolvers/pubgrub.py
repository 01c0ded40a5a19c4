"""Chooses versions by nab-resolver, which proves why nothing fits; what may be chosen at all is told by the shelves.

To the engine a version is its place on the shelf, so ranges are spans of whole numbers, however versions are spelled. A
range ends half open, at the next place: two that touch are one then, and what lies between two versions is nothing.
"""

from collections import deque
from collections.abc import Callable, Mapping
from functools import reduce
from itertools import pairwise
from operator import or_
from time import monotonic

from nab_resolver.errors import ResolutionError, ResolutionLimitError
from nab_resolver.ranges import Range
from nab_resolver.resolver import BaseProvider, Resolver
from nab_resolver.types import Incompatibility, IncompatibilityCause, RangeProtocol, RootRequirement, Term

from beeyard.adapters.resolvers.proof import Claim, Proof, conflict
from beeyard.domain.errors import Refused
from beeyard.domain.packages import Dependency, Wanted, range_of
from beeyard.domain.resolution import Ask, Choice, Need, Question, Resolution
from beeyard.domain.shelves import Shelf, needed, shelves, welcome
from beeyard.domain.values import human_duration

STEPS = 20_000
PATIENCE = 10.0
"""Seconds."""
NOWHERE = -1
"""The place of what is on no shelf."""

Places = RangeProtocol[int]
EVERYWHERE: Range[int] = Range.full()


class PubgrubResolver:
    """Implements ports.resolver.Resolver."""

    def __init__(self, steps: int = STEPS, patience: float = PATIENCE, clock: Callable[[], float] = monotonic) -> None:
        """At most so many steps, and seconds by this clock."""
        self._steps = steps
        self._patience = patience
        self._clock = clock

    def resolve(self, question: Question) -> Resolution:
        stock = shelves(question)
        provider = _Stock(question, stock, self._clock() + self._patience, self._clock)
        resolver: Resolver[str, int] = Resolver(provider, max_iterations=self._steps)
        asks = [RootRequirement(ask.wanted.name, _spans(stock, ask.wanted), ask) for ask in question.asks]
        try:
            pins = resolver.resolve(asks)
        except (_TooLong, ResolutionLimitError) as error:
            within = (
                f"{self._steps} steps" if isinstance(error, ResolutionLimitError) else human_duration(self._patience)
            )
            raise _unanswered(question, within) from None
        except ResolutionError as error:
            if error.incompatibility is None:
                raise
            raise conflict(_proof(error.incompatibility, stock), question, stock) from None
        return _chosen(question, stock, pins)


class _TooLong(Exception):
    """Patience is over."""


class _Stock(BaseProvider[str, int]):
    """Answers the engine's questions from the shelves."""

    def __init__(self, question: Question, stock: Mapping[str, Shelf], due: float, clock: Callable[[], float]) -> None:
        self._question = question
        self._stock = stock
        self._due = due
        self._clock = clock
        self._order: dict[str, list[int]] = {}
        self._spans: dict[tuple[str, int], dict[str, Places]] = {}
        self._queued: list[Incompatibility[str, int]] = []
        self._said: set[tuple[str, int]] = set()

    def choose_version(self, package: str, version_range: Places) -> int | None:
        if self._clock() >= self._due:
            raise _TooLong
        if package not in self._order:
            self._order[package] = self._stock[package].order(self._question)
        place = next((place for place in self._order[package] if place in version_range), None)
        if place is not None and (package, place) not in self._said:
            self._said.add((package, place))
            self._queued += self._unwelcome(package, place)
        return place

    def has_satisfying_version(self, package: str, version_range: Places) -> bool:
        return any(place in version_range for place in range(len(self._stock[package].offers)))

    def get_dependencies(self, package: str, version: int) -> Mapping[str, Places]:
        key = package, version
        if key not in self._spans:
            spans: dict[str, Places] = {}
            for dependency in needed(self._stock[package].offers[version], self._question.facts):
                found = _spans(self._stock, dependency)
                name = dependency.name
                spans[name] = spans[name] & found if name in spans else found
            self._spans[key] = spans
        return self._spans[key]

    def prioritize(
        self,
        package: str,
        version_range: Places,
        conflict_counts: Mapping[str, int],
        culprit_counts: Mapping[str, int] | None = None,
    ) -> tuple[int, int]:
        choices = sum(place in version_range for place in range(len(self._stock[package].offers)))
        return -conflict_counts.get(package, 0), choices

    def widen_decision(self, package: str, version: int) -> Places:
        """All neighbours that need the very same."""
        same = self.get_dependencies(package, version)
        begin, end = version, version + 1
        while begin > 0 and self.get_dependencies(package, begin - 1) == same:
            begin -= 1
        while end < len(self._stock[package].offers) and self.get_dependencies(package, end) == same:
            end += 1
        return _span(begin, end)

    def consume_pending_clauses(self) -> list[Incompatibility[str, int]]:
        queued, self._queued = self._queued, []
        return queued

    def _unwelcome(self, package: str, place: int) -> list[Incompatibility[str, int]]:
        """That it does not go with versions of what it could do without; nothing makes that come."""
        clauses: list[Incompatibility[str, int]] = []
        for dependency in welcome(self._stock[package].offers[place], self._question.facts):
            others = ~_spans(self._stock, dependency)
            terms = [Term(package, _span(place, place + 1))]
            if dependency.name != package:  # The engine would go round and round about two terms of one package.
                terms.append(Term(dependency.name, others))
            elif place not in others:
                continue
            if not others.is_empty:
                clauses.append(Incompatibility(terms, IncompatibilityCause.DEPENDENCY))
        return clauses


def _spans(stock: Mapping[str, Shelf], wanted: Wanted | Dependency) -> Range[int]:
    """Where on its shelf the versions are that are wanted."""
    shelf = stock[wanted.name]
    places = shelf.within(wanted.range if isinstance(wanted, Wanted) else wanted.version)
    if len(places) == len(shelf.offers) and places:
        return EVERYWHERE
    if not places:
        return _span(NOWHERE, NOWHERE + 1)
    begins = [place for before, place in pairwise([NOWHERE - 1, *places]) if place != before + 1]
    ends = [place + 1 for place, after in pairwise([*places, NOWHERE]) if after != place + 1]
    return reduce(or_, map(_span, begins, ends))


def _span(begin: int, end: int) -> Range[int]:
    after: Range[int] = Range.at_least(begin)
    return after & Range.less_than(end)


def _proof(root: Incompatibility[str, int], stock: Mapping[str, Shelf]) -> Proof:
    """What the engine's proof rests on: its leaves."""
    asks: list[Ask] = []
    claims: list[Claim] = []
    for leaf in root.walk():
        if leaf.cause is IncompatibilityCause.ROOT and isinstance(leaf.origin, Ask):
            asks.append(leaf.origin)
        elif leaf.cause is IncompatibilityCause.DEPENDENCY:
            claims += _claims(leaf, stock)
    return Proof(tuple(asks), tuple(claims))


def _claims(leaf: Incompatibility[str, int], stock: Mapping[str, Shelf]) -> list[Claim]:
    parent = leaf.terms[0]
    target = leaf.terms[-1].package
    offers = stock[parent.package].offers
    return [
        Claim(parent.package, frozenset([place]), dependency)
        for place in range(len(offers))
        if place in parent.constraint
        for dependency in offers[place].dependencies
        if dependency.name == target
    ]


def _chosen(question: Question, stock: Mapping[str, Shelf], pins: Mapping[str, int]) -> Resolution:
    """With the shortest way from somebody who asks to each package."""
    result: dict[str, Choice] = {}
    waiting: deque[tuple[str, tuple[Need, ...]]] = deque()
    waiting.extend((ask.wanted.name, (Need(ask.by, ask.wanted),)) for ask in question.asks)
    while waiting:
        name, why = waiting.popleft()
        if name in result or stock[name].host:
            continue
        offer = stock[name].offers[pins[name]]
        result[name] = Choice(offer.version, why)
        for dependency in needed(offer, question.facts):
            need = Need(f"{name} {offer.version}", Wanted(dependency.name, range_of(dependency.version)))
            waiting.append((dependency.name, (*why, need)))
    return dict(sorted(result.items()))


def _unanswered(question: Question, within: str) -> Refused:
    names = sorted({ask.wanted.name for ask in question.asks})
    return Refused(
        "packages_too_many_ways",
        "no answer was found within {within}: there are too many ways to put {names} and what they need together",
        hint="Name versions of them, or narrower ranges.",
        within=within,
        names=", ".join(names),
    )
