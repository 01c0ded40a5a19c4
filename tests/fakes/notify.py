"""Notices that a test gives by hand."""

from collections.abc import Callable

from beeyard.adapters.notify import understood
from beeyard.ports.notify import Word


class FakeNotices:
    """`say` is an attempt's word; words of attempts that nobody hears are kept for whoever does."""

    def __init__(self) -> None:
        self.closed = False
        self._ears: dict[tuple[str, int], Callable[[Word], None]] = {}
        self._early: dict[tuple[str, int], list[Word]] = {}

    def say(self, worker: str, attempt: int, word: Word) -> None:
        """The attempt says this."""
        if (worker, attempt) in self._ears:
            self._ears[worker, attempt](word)
        else:
            self._early.setdefault((worker, attempt), []).append(word)

    def spoken(self, worker: str, attempt: int, text: str) -> None:
        """The same, as it came."""
        self.say(worker, attempt, understood(text.encode()))

    def heard(self) -> list[tuple[str, int]]:
        """The attempts that somebody hears."""
        return list(self._ears)

    def hear(self, worker: str, attempt: int, pid: int | None, heard: Callable[[Word], None]) -> Callable[[], None]:
        self._ears[worker, attempt] = heard
        for word in self._early.pop((worker, attempt), []):
            heard(word)

        def end() -> None:
            if self._ears.get((worker, attempt)) is heard:
                del self._ears[worker, attempt]

        return end

    async def close(self) -> None:
        self.closed = True
