"""A stream over several connections: what of it came already, and how to ask for the rest. Opens no connection.

A master that is started again, or a network that breaks, is no end of a stream: it goes on behind the last cursor that
came. What came after that, without a cursor of its own, comes once more and is left out.
"""

from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from beeyard.application.operations.events import Events
from beeyard.application.operations.job_events import JobEvents
from beeyard.application.operations.logs import Logs
from beeyard.domain.errors import BeeyardError
from beeyard.entrypoints.http.question import decoded
from beeyard.entrypoints.http.where import Where

BACK = 60.0
"""Seconds for which a lost master is waited for."""
SLOWEST = 1.0
"""Seconds between two tries, at most."""
CAUGHT_UP = 1000
"""Lines of a log that are asked for where no cursor came at all."""
LOOSE = 10_000
"""Replies without a cursor that are kept, to know them again."""

Lost = Callable[[BeeyardError], None]
"""Told when a master was lost, and is being waited for."""


def unheard(error: BeeyardError) -> None:
    """Nobody wants to know."""


class _Mark(Struct):
    """What says where in its stream something stands."""

    cursor: str = ""
    kind: str = ""


class Following:
    """One stream. `request` is what to ask next; `pause` seconds before it is asked again."""

    def __init__(self, where: Where, request: Any, lost: Lost) -> None:
        self.request = request
        self.known = False
        self._where = where
        self._tell = lost
        self._resumable = hasattr(request, "after")
        self._loose: deque[bytes] = deque(maxlen=LOOSE)
        self._again: Counter[bytes] = Counter()
        self._fresh = False
        self._kind = ""
        self._lost: float | None = None
        self._tries = 0

    def answered(self) -> None:
        """A master began to answer."""
        self.known, self._fresh = True, False

    def new(self, line: bytes) -> bool:
        """Whether this did not come already. Each line that comes is shown here once."""
        self._fresh, self._lost, self._tries = True, None, 0
        if not self._resumable:
            return True
        mark: _Mark = decoded(_Mark, line)
        self._kind = mark.kind
        if mark.cursor:
            self.request = replace(self.request, after=mark.cursor)
            self._loose.clear()
            return True
        if self._again[line] > 0:
            self._again[line] -= 1
            return False
        self._loose.append(line)
        return True

    def over(self) -> bool:
        """Whether the answer, which came to its end, is all that there is."""
        match self.request:
            case Events():
                return False
            case Logs(follow=follow):
                return not follow
            case JobEvents():
                return self._kind == "done" or not self._fresh
            case _:
                return True

    def lost(self, error: BeeyardError | None, now: float) -> float:
        """Seconds until it is to be asked again. Raises the error where that is of no use."""
        error = error or self._where.gone()
        if not (self.known and self._resumable and self._where.returns(error, known=True)):
            raise error
        self._lost = now if self._lost is None else self._lost
        if now - self._lost >= BACK:
            raise error
        if isinstance(self.request, Logs) and self.request.after is None:
            self.request = replace(self.request, lines=CAUGHT_UP)
        self._again = Counter(self._loose)
        if not self._tries:
            self._tell(error)
        self._tries += 1
        return float(min(SLOWEST, 0.05 * 2 ** min(self._tries, 8)))
