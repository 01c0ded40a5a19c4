"""Which versions of a package may be taken at all, which of them first, and what speaks against the others.

Whatever engine chooses, it chooses from these. Knows nothing of how packages depend on each other.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Literal

from msgspec import Struct
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from beeyard.domain.packages import Dependency, range_of, runs_on
from beeyard.domain.resolution import Candidate, Question

Against = Literal["platform", "yanked", "pre-release", "downgrade"]

_NUMBERS = re.compile(r"\d+(\.\d+)*")


class Shelf(Struct, frozen=True):
    """Of one package, oldest first: what may be taken, and what may not and why. `host`: it is a thing of the host."""

    name: str
    offers: tuple[Candidate, ...] = ()
    others: tuple[tuple[Candidate, Against], ...] = ()
    host: bool = False

    def within(self, range: str) -> list[int]:
        """Which of the offers are in this range, by their places."""
        return [place for place, offer in enumerate(self.offers) if takes(range, offer.version)]

    def order(self, question: Question) -> list[int]:
        """Their places, best first: what is locked, what is installed, then the newest; what was yanked comes last."""
        locked = question.locked.get(self.name)
        installed = question.installed.get(self.name)
        renewed = any(ask.newest and ask.wanted.name == self.name for ask in question.asks)
        kept = [] if renewed else [version(text) for text in (locked, installed and installed.version) if text]

        def rank(place: int) -> tuple[int, bool, bool, int]:
            offer = self.offers[place]
            found = version(offer.version)
            kept_place = kept.index(found) if found in kept else len(kept)
            return kept_place, bool(offer.yanked), found.is_prerelease and not question.prereleases, -place

        return sorted(range(len(self.offers)), key=rank)


def takes(wanted: str, candidate: str) -> bool:
    """Whether a version is in a range as a manifest or a person spells it; none is in one that nobody can read."""
    specifiers = _specifiers(wanted)
    return specifiers is not None and specifiers.contains(version(candidate), prereleases=True)


def shelves(question: Question) -> Mapping[str, Shelf]:
    """One for each name that somebody wants or that is offered."""
    ranges = _ranges(question)
    names = {*ranges, *question.offered, *question.installed} - set(question.facts)
    found = {name: _shelf(name, question, ranges[name]) for name in names}
    return found | {name: _fact(name, text) for name, text in question.facts.items()}


def needed(candidate: Candidate, facts: Mapping[str, str]) -> Iterator[Dependency]:
    """What it can't do without. Of what it can do without, that counts which the host has anyway."""
    return (found for found in candidate.dependencies if found.required or facts.get(found.name))


def welcome(candidate: Candidate, facts: Mapping[str, str]) -> Iterator[Dependency]:
    """What has to be in its range if it is there, and need not be there."""
    return (found for found in candidate.dependencies if not found.required and found.name not in facts)


def version(text: str) -> Version:
    """Of a package; or as much as can be compared of what a host calls its version, such as `6.18.3-amd64`."""
    try:
        return _version(text)
    except InvalidVersion:
        found = _NUMBERS.match(text)
        return _version(found[0] if found else "0")


def _shelf(name: str, question: Question, ranges: Iterable[str]) -> Shelf:
    installed = question.installed.get(name)
    known = [*question.offered.get(name, ()), *([installed] if installed else [])]
    best: dict[Version, Candidate] = {}
    others: list[tuple[Candidate, Against]] = []
    kept = {version(text) for text in (question.locked.get(name), installed and installed.version) if text}
    floor = version(installed.version) if installed and not question.downgrades else None
    exact, previews = _named(ranges)
    final = any(not version(found.version).is_prerelease for found in known)
    for found in known:
        this = version(found.version)
        if not runs_on(found.platform, question.platform):
            others.append((found, "platform"))
        elif floor is not None and this < floor:
            others.append((found, "downgrade"))
        elif found.yanked and this not in kept | exact:
            others.append((found, "yanked"))
        elif this.is_prerelease and final and not (previews or question.prereleases or this in kept):
            others.append((found, "pre-release"))
        elif this not in best or found.platform == question.platform:
            best[this] = found
    others = [(found, against) for found, against in others if version(found.version) not in best]
    others.sort(key=lambda other: version(other[0].version))
    return Shelf(name, tuple(best[this] for this in sorted(best)), tuple(others))


def _fact(name: str, text: str) -> Shelf:
    return Shelf(name, (Candidate(name, text),) if text else (), host=True)


def _ranges(question: Question) -> dict[str, set[str]]:
    """Each range in which somebody wants a package."""
    found: dict[str, set[str]] = defaultdict(set)
    for ask in question.asks:
        found[ask.wanted.name].add(ask.wanted.range)
    for candidates in (*question.offered.values(), question.installed.values()):
        for candidate in candidates:
            for dependency in candidate.dependencies:
                found[dependency.name].add(dependency.version)
    for name in (*question.offered, *question.installed):
        found[name].add("")
    return found


def _named(ranges: Iterable[str]) -> tuple[set[Version], bool]:
    """The versions that are named exactly, and whether any range names a pre-release."""
    exact: set[Version] = set()
    previews = False
    for text in ranges:
        specifiers = _specifiers(text)
        if specifiers is not None:
            exact |= {
                version(one.version) for one in specifiers if one.operator in ("==", "===") and "*" not in one.version
            }
            previews = previews or bool(specifiers.prereleases)
    return exact, previews


@lru_cache(maxsize=4096)
def _specifiers(text: str) -> SpecifierSet | None:
    try:
        return SpecifierSet(range_of(text))
    except ValueError:
        return None


@lru_cache(maxsize=16384)
def _version(text: str) -> Version:
    return Version(text)
