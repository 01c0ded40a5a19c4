"""Why no versions fit together, in words a person can act on. Made of the needs that are in each other's way alone.

Whoever asks comes first, then what that needs, and so on: the sentence can be read from the wish to the trouble.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from beeyard.domain.errors import Refused
from beeyard.domain.packages import Dependency, Wanted, range_of
from beeyard.domain.resolution import Ask, Candidate, Question
from beeyard.domain.shelves import Against, Shelf, takes

MOST = 8
"""Needs that are told of a long story; the others are counted."""


class Claim(NamedTuple):
    """These offers of a package, by their places, have a dependency."""

    package: str
    places: frozenset[int]
    dependency: Dependency


class Proof(NamedTuple):
    """What cannot be true together."""

    asks: tuple[Ask, ...]
    claims: tuple[Claim, ...]


def conflict(proof: Proof, question: Question, stock: Mapping[str, Shelf]) -> Refused:
    """The error that tells it."""
    told = _Told(proof, question, stock)
    needs = told.needs()
    lacks = told.lacks()
    if len(needs) > MOST:
        needs = [*needs[:MOST], f"and {len(needs) - MOST} more such needs"]
    if len(needs) == 1 and lacks:
        text = f"{needs[0]}, but {lacks[0]}"
    else:
        text = f"no versions fit together: {'; '.join([*needs, *lacks])}"
    names = sorted({*(ask.wanted.name for ask in proof.asks), *(claim.dependency.name for claim in proof.claims)})
    return Refused("packages_conflict", "{story}", hint=told.hint(), story=text, packages=names)


class _Told:
    def __init__(self, proof: Proof, question: Question, stock: Mapping[str, Shelf]) -> None:
        self._asks = sorted(proof.asks, key=question.asks.index)
        self._claims = _merged(proof.claims)
        self._question = question
        self._stock = stock

    def needs(self) -> list[str]:
        """Who needs what, each once, from those who ask downwards."""
        result = [f"{_who(ask)} {ask.wanted.told}" for ask in self._asks]
        waiting = [ask.wanted.name for ask in self._asks]
        seen: set[str] = set()
        while waiting:
            name = waiting.pop(0)
            if name in seen:
                continue
            seen.add(name)
            for claim in self._claims:
                if claim.package == name:
                    result.append(self._need(claim))
                    waiting.append(claim.dependency.name)
        return list(dict.fromkeys(result))

    def lacks(self) -> list[str]:
        """What of it there is not."""
        return [text for name in self._short() if (text := self._lack(name))]

    def hint(self) -> str:
        """What to change."""
        short = self._short()
        hosts = [name for name in short if self._stock[name].host]
        if hosts:
            takers = sorted({claim.package for claim in self._claims if claim.dependency.name in hosts})
            return f"Bring this host up to it, or take {_listed(takers, 'or') or 'something'} in another version."
        against = {reason for name in short for _, reason in self._fitting(name)}
        advice: dict[Against, str] = {
            "downgrade": "Allow downgrades, if the older version is really meant: by the policy `allow_downgrades`, "
            "and by hand --downgrade as well.",
            "yanked": "Name that version exactly to take it all the same.",
            "pre-release": "Name the pre-release, or allow them all, if it is really meant.",
            "platform": "Have it published for this platform.",
        }
        found = [text for reason, text in advice.items() if reason in against]
        if found:
            return " ".join(found)
        for name in short:
            if not self._known(name):
                if takers := sorted({claim.package for claim in self._claims if claim.dependency.name == name}):
                    rest = f"or take {_listed(takers, 'or')} in another version."
                    return f"A repository whose `packages:` cover {name} has to have it; {rest}"
                others = sorted(other for other, found in self._question.offered.items() if found and other != name)
                close = get_close_matches(name, others, 1)
                return f"Did you mean {close[0]}?" if close else "`beeyard package search` lists what there is."
        askers = list(dict.fromkeys(f"`{ask.wanted.told}`{ask.by and f' of {ask.by}'}" for ask in self._asks))
        return f"Ask for something else in place of {_listed(askers, 'or')}."

    def _need(self, claim: Claim) -> str:
        shelf, dependency = self._stock[claim.package], claim.dependency
        subject, several = _versions(shelf, claim.places)
        verb, rest = ("need", "") if dependency.required else ("take", " only")
        target = Wanted(dependency.name, _range(dependency)).told
        return f"{subject} {verb}{'' if several else 's'}{rest} {target}"

    def _wanted(self) -> list[str]:
        return [ask.wanted.name for ask in self._asks] + [claim.dependency.name for claim in self._claims]

    def _short(self) -> list[str]:
        """The packages of which nothing is in all ranges at once."""
        return [
            name
            for name in dict.fromkeys(self._wanted())
            if not any(
                all(takes(one, offer.version) for one in self._ranges(name)) for offer in self._stock[name].offers
            )
        ]

    def _ranges(self, name: str) -> list[str]:
        asked = [ask.wanted.range for ask in self._asks if ask.wanted.name == name]
        return asked + [claim.dependency.version for claim in self._claims if claim.dependency.name == name]

    def _known(self, name: str) -> bool:
        shelf = self._stock[name]
        return bool(shelf.offers or shelf.others or shelf.host)

    def _fitting(self, name: str) -> list[tuple[Candidate, Against]]:
        """What would be in all these ranges, if nothing else spoke against it."""
        ranges = self._ranges(name)
        return [other for other in self._stock[name].others if all(takes(one, other[0].version) for one in ranges)]

    def _lack(self, name: str) -> str:
        """Nothing, if something is in each of the ranges alone: then the needs say it."""
        shelf = self._stock[name]
        if shelf.host:
            return f"this host has {name} {shelf.offers[0].version}" if shelf.offers else f"this host has no {name}"
        if not self._known(name):
            return f"no repository has {name}"
        if fitting := self._fitting(name):
            return "; ".join(self._but(found, against) for found, against in fitting[-2:])
        if all(shelf.within(one) for one in self._ranges(name)):
            return ""
        if not shelf.offers:
            return "; ".join(self._but(found, against) for found, against in shelf.others[-2:])
        return f"of {name} there is only {_listed([offer.version for offer in shelf.offers][-5:], 'and')}"

    def _but(self, found: Candidate, against: Against) -> str:
        subject = f"{found.name} {found.version}"
        match against:
            case "platform":
                return f"{subject} is for {found.platform}, and this host is {self._question.platform}"
            case "yanked":
                return f"{subject} was yanked ({found.yanked})"
            case "pre-release":
                return f"{subject} is a pre-release"
            case "downgrade":
                installed = self._question.installed[found.name].version
                return f"{subject} is older than the {installed} that is installed"


def _who(ask: Ask) -> str:
    return f"{ask.by} wants" if ask.by else "you want"


def _range(dependency: Dependency) -> str:
    try:
        return range_of(dependency.version)
    except ValueError:
        return dependency.version


def _merged(claims: Iterable[Claim]) -> list[Claim]:
    """Those of one package with the same dependency as one."""
    found: dict[tuple[str, Dependency], frozenset[int]] = {}
    for package, places, dependency in claims:
        found[package, dependency] = found.get((package, dependency), frozenset()) | places
    claims = [Claim(package, places, dependency) for (package, dependency), places in found.items()]
    return sorted(claims, key=lambda claim: (claim.package, claim.dependency.name, min(claim.places)))


def _versions(shelf: Shelf, places: frozenset[int]) -> tuple[str, bool]:
    """Some of the offers: `every gateway`, `gateway 1.0 to 1.9`, `gateway 1.0, 1.3 and 1.7`; whether that is plural."""
    chosen = sorted(places)
    texts = [shelf.offers[place].version for place in chosen]
    if len(chosen) == len(shelf.offers) > 1:
        return f"every {shelf.name}", False
    if len(chosen) > 2 and chosen[-1] - chosen[0] == len(chosen) - 1:
        return f"{shelf.name} {texts[0]} to {texts[-1]}", True
    return f"{shelf.name} {_listed(texts, 'and')}", len(texts) > 1


def _listed(texts: list[str], word: str) -> str:
    return f" {word} ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))
