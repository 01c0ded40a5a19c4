"""Chooses versions that go together. Asks nobody: all there is to know is in the question."""

from typing import Protocol

from beeyard.domain.resolution import Question, Resolution


class Resolver(Protocol):
    """Finds an answer if there is one: the newest that fit, but what is installed or locked stays while it fits."""

    def resolve(self, question: Question) -> Resolution:
        """Runs for a while: not on the event loop.

        Raises:
            Refused: `packages_conflict`, no versions fit together; it says who wants what, and what to change.
            Refused: `packages_too_many_ways`, no answer was found within the limits; the text names the packages.
        """
        ...
