"""Which wheels go together: a distribution in one version, with all that it needs on one Python. Reads no file itself.

The question is asked again for as long as the answer has wheels of which nobody had read yet what they need; so only
those are looked at that may be taken.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Protocol

from packaging.requirements import Requirement

from beeyard.adapters.wheels.about import About
from beeyard.adapters.wheels.interpreter import Interpreter
from beeyard.adapters.wheels.listing import Wheel
from beeyard.domain.errors import Rejected
from beeyard.domain.packages import ANY, Dependency, Wanted, range_of
from beeyard.domain.resolution import Ask, Candidate, Question
from beeyard.ports.resolver import Resolver


class Stock(Protocol):
    """What there is to choose from."""

    async def wheels(self, name: str) -> list[Wheel]:
        """The one of each version that fits this Python best."""
        ...

    async def about(self, wheel: Wheel) -> About: ...

    def known(self, wheel: Wheel) -> About | None:
        """If somebody asked before."""
        ...


async def closure(
    root: Wheel, extras: Collection[str], python: Interpreter, stock: Stock, resolver: Resolver
) -> list[Wheel]:
    """The root first, then all others by name.

    Raises:
        Refused: `packages_conflict`, nothing goes with it. Rejected: `python_requirement`, it needs what can't be had.
    """
    exactly = range_of(root.version)
    asks = tuple(Ask(Wanted(name, exactly)) for name in (root.name, *(f"{root.name}[{one}]" for one in sorted(extras))))
    while True:
        shelves: dict[str, dict[str, Wheel]] = {}
        offered: dict[str, tuple[Candidate, ...]] = {}
        waiting = [ask.wanted.name for ask in asks]
        while waiting:
            name = waiting.pop()
            if name in offered:
                continue
            base, _, extra = name.removesuffix("]").partition("[")
            wheels = [root] if base == root.name else await stock.wheels(base)
            takes = [one for one in wheels if python.takes(_about(stock, one).python)]
            shelves[name] = {one.version: one for one in takes}
            said = [(one, _about(stock, one)) for one in takes]
            offered[name] = await asyncio.to_thread(_candidates, name, extra, said, python)
            waiting += [need.name for one in offered[name] for need in one.dependencies]
        chosen = await asyncio.to_thread(resolver.resolve, Question(asks, ANY, offered))
        wheels = list(
            {
                shelves[name][choice.version].name: shelves[name][choice.version] for name, choice in chosen.items()
            }.values()
        )
        unread = [one for one in wheels if stock.known(one) is None]
        if not unread:
            return sorted(wheels, key=lambda one: (one.name != root.name, one.name))
        await asyncio.gather(*map(stock.about, unread))


_UNREAD = About("", "", (), {}, {})


def _about(stock: Stock, wheel: Wheel) -> About:
    return stock.known(wheel) or _UNREAD


def _candidates(
    name: str, extra: str, wheels: Sequence[tuple[Wheel, About]], python: Interpreter
) -> tuple[Candidate, ...]:
    """One may need so much that reading that takes seconds."""
    return tuple(_candidate(name, extra, one, said, python) for one, said in wheels)


def _candidate(name: str, extra: str, wheel: Wheel, said: About, python: Interpreter) -> Candidate:
    needs = [Dependency(wheel.name, range_of(wheel.version))] if extra else []
    for text in said.requires:
        needs += _needs(text, extra, wheel, python)
    return Candidate(name, wheel.version, dependencies=tuple(needs), yanked=wheel.yanked)


def _needs(text: str, extra: str, wheel: Wheel, python: Interpreter) -> list[Dependency]:
    """What a requirement asks for here; nothing, if its marker speaks of others."""
    from packaging.utils import canonicalize_name

    try:
        need = Requirement(text)
        if need.marker is not None and not need.marker.evaluate({**python.markers, "extra": extra}):
            return []
    except (ValueError, RecursionError):
        raise _unusable(wheel, text, "nobody can read that") from None
    if need.url:
        raise _unusable(wheel, text, "only what the index has can be taken")
    name = str(canonicalize_name(need.name))
    names = [name, *(f"{name}[{canonicalize_name(one)}]" for one in sorted(need.extras))]
    return [Dependency(one, str(need.specifier)) for one in names]


def _unusable(wheel: Wheel, text: str, reason: str) -> Rejected:
    told = "{wheel} needs {requirement}, and {reason}"
    hint = "take another version of it"
    return Rejected("python_requirement", told, hint=hint, wheel=wheel.file, requirement=text, reason=reason)
