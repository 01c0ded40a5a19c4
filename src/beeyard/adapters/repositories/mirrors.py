"""Where a repository can be asked: its mirrors, in the order in which they were written, and then itself.

A mirror that does not answer, has what is out of date, or something that was not signed so, is passed over with a line
in the log. What an answer is worth it does not know: nobody is believed more or less for where something came from.

A neighbour is asked for files alone, before all others, and never for what a repository says: it knows that only as of
when it was asked itself, and whoever believed it would be as late as the one that asks least often.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from beeyard.adapters.repositories.place import Neighbour, Place
from beeyard.adapters.repositories.web import Limits
from beeyard.domain.errors import BeeyardError
from beeyard.domain.sources import Mirror
from beeyard.ports.repository import Source

T = TypeVar("T")
log = logging.getLogger("beeyard")


class Mirrored:
    """Of one repository. Its words are looked for where the last state came from, and after that."""

    def __init__(self, repository: str, mirrors: Sequence[Mirror], itself: Place, limits: Limits) -> None:
        """Each is shown its own credentials: the others are somebody else's. Raises Invalid."""
        self._repository = repository
        self._itself = itself
        self._neighbours = [Neighbour(repository, one.url, one.credentials, limits) for one in mirrors if one.neighbour]
        copies = (Place(repository, one.url, one.credentials, limits) for one in mirrors if not one.neighbour)
        self._all = [*copies, itself]
        self._asked: Sequence[Place] = self._all

    def sources(self, path: str) -> list[Source]:
        """Where a file may lie, in the order in which they are to be asked. Raises as `Place.source` does."""
        *others, last = (place.source(path) for place in (*self._neighbours, *self._asked))
        return [*(replace(one, spare=True) for one in others), last]

    async def anew(self, ask: Callable[[Place], Awaitable[T]]) -> T:
        """The first answer; who gave none is left alone until the next time. Raises what the repository itself does."""
        self._asked = self._all
        found, place = await self._answer(ask)
        self._asked = self._all[self._all.index(place) :]
        return found

    async def first(self, ask: Callable[[Place], Awaitable[T]]) -> T:
        """The first answer. Raises what the repository itself does."""
        return (await self._answer(ask))[0]

    async def _answer(self, ask: Callable[[Place], Awaitable[T]]) -> tuple[T, Place]:
        for place in self._asked[:-1]:
            try:
                return await ask(place), place
            except BeeyardError as error:
                log.warning("%s: its mirror %s is passed over: %s", self._repository, place.base, error)
        return await ask(self._itself), self._itself
