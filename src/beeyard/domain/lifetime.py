"""How long a worker lives, and what counts as doing nothing. Pure: moments are arguments, of a clock that never goes
back.

What follows when a time is over, the lifecycle says; how use is measured, nobody here knows. The jitter of an attempt's
end is made of its name and number, not rolled: so the next master, and a changed file, come to the same moment.
"""

from hashlib import blake2b
from typing import Annotated

from msgspec import Meta, Struct

from beeyard.domain.values import Duration, human_duration

SHARE = 0.01
"""Of one core: who uses less between two looks does nothing."""

_LASTING = Annotated[
    Duration, Meta(ge=0.001, le=10 * 365 * 86400.0, description="seconds, from 0.001 to ten years of them")
]


class Lifetime(Struct, frozen=True, omit_defaults=True):
    """None: as long as it likes.

    `max`: an attempt that has run so long is ended, and started anew; `idle`: one that did nothing for so long is
    ended, and stays down; `after`: a worker that is done is forgotten so long after its end.
    """

    max: _LASTING | None = None
    idle: _LASTING | None = None
    after: _LASTING | None = None


ENDLESS = Lifetime()


class Quiet(Struct, frozen=True, gc=False):
    """An attempt has done nothing from `since` to `at`, when it was last looked at; `cpu`: seconds used by then."""

    since: float
    at: float
    cpu: float

    @property
    def lasted(self) -> float:
        """Seconds."""
        return self.at - self.since


def still(before: Quiet, at: float, cpu: float, told: float) -> Quiet:
    """One more look; `told`: when the attempt last said what it does. What counts from `at` on works at this moment."""
    busy = not 0.0 <= cpu - before.cpu < SHARE * (at - before.at)
    return Quiet(at if busy and at > before.at else max(before.since, told), at, cpu)


def term(most: Duration, jitter: float, worker: str, attempt: int) -> float:
    """Seconds that this attempt may run: `most`, less up to the share `jitter` of it, so that a group does not end all
    at once."""
    share = int.from_bytes(blake2b(f"{worker} {attempt}".encode(), digest_size=4).digest(), "big") / 2**32
    return most * (1.0 - jitter * share)


def spent(most: Duration, lived: float) -> str:
    """Why an attempt is ended that has run so long, in words."""
    less = ", less jitter" if round(lived, 3) < most else ""
    return f"it had run for {human_duration(lived)}; its max lifetime is {human_duration(most)}{less}"


def idle(quiet: Quiet) -> str:
    """Why an attempt is ended that did nothing, in words."""
    return f"it was idle for {human_duration(quiet.lasted)} (under {SHARE * 100:g} % of a core, and it said nothing)"
