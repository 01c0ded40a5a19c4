"""Every error that Beeyard raises on purpose. A class says what the caller should do next, not which part failed."""

from collections.abc import Iterable
from typing import ClassVar

from msgspec import Struct


class Problem(Struct, frozen=True):
    """One thing wrong with some input: where it stands, what was found there, what was expected."""

    path: str
    found: str
    expected: str
    file: str = ""
    line: int = 0
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.path}: found {self.found}, expected {self.expected}{hint}"


class BeeyardError(Exception):
    """An error with a stable `code`, the `fields` its text is made of, and what to do about it in `hint`."""

    http: ClassVar[int] = 500
    exit: ClassVar[int] = 70

    def __init__(self, code: str, text: str, /, *, hint: str = "", **fields: object) -> None:
        self.code = code
        self.text = text
        self.hint = hint
        self.fields = fields
        super().__init__(text.format(**fields) if fields else text)

    @property
    def advised(self) -> str:
        """What went wrong and what to do about it, where there is one line for both."""
        hint = self.hint.rstrip(".")
        return f"{self}; {hint[:1].lower()}{hint[1:]}" if hint else str(self)


class Invalid(BeeyardError):
    """The input is wrong: edit it. Carries every problem found, not only the first."""

    http, exit = 400, 2

    def __init__(self, code: str, text: str, /, *, hint: str = "", problems: Iterable[Problem] = (), **fields: object):
        super().__init__(code, text, hint=hint, **fields)
        self.problems = tuple(problems)


class NotFound(BeeyardError):
    """There is no such worker, file or record."""

    http, exit = 404, 3


class Refused(BeeyardError):
    """Well formed, but not in this state; the text names the state."""

    http, exit = 409, 4


class Unavailable(BeeyardError):
    """Something outside is down: try again later."""

    http, exit = 503, 5


class Limited(Unavailable):
    """Asked too often: `retry_after` seconds from now it may be tried again."""

    http = 429

    def __init__(self, code: str, text: str, /, *, retry_after: float, hint: str = "", **fields: object):
        super().__init__(code, text, hint=hint, **fields)
        self.retry_after = retry_after


class Rejected(BeeyardError):
    """Something outside answered no: a launch, a command."""

    http, exit = 502, 6


class Untrusted(BeeyardError):
    """A checksum or a signature does not match. Never retried."""

    http, exit = 502, 7


class Denied(BeeyardError):
    """Who asks may not."""

    http, exit = 403, 8


class Unidentified(Denied):
    """Nobody knows who asks: no token, or one that is not, or no more, good for anything."""

    http = 401
