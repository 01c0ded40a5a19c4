"""How hard it is for programs to get on with their work on this host, and by how much we are more patient then. Pure:
knows neither where the figures come from nor what is made to wait.

A share of time in which something had to wait says more or less, by what it waited for. One program more than there
are cores makes `cpu` 100 % though each gets its turn within milliseconds, and one backup does the same to `io`: so
those two count late and weigh little. Waiting for memory is never ordinary.
"""

from functools import lru_cache

from msgspec import Struct

MOST = 4.0
"""By how much we are more patient at most: a hung worker must still be replaced, and a dead one come back."""


class Pressure(Struct, frozen=True, gc=False):
    """The share of the last ten seconds, 0 to 1, in which at least one task waited for this resource; `_full`: in which
    all tasks that had something to do did. None where the kernel does not tell.
    """

    cpu: float | None = None
    memory: float | None = None
    memory_full: float | None = None
    io: float | None = None
    io_full: float | None = None


class Strain(Struct, frozen=True, gc=False):
    """What follows from it: waits are multiplied by `factor` (1 to MOST); `reason` says why where that is above 1."""

    factor: float = 1.0
    reason: str = ""


CALM = Strain()

WEIGHTS = {
    "cpu": (0.6, 1.0, 3.0),
    "memory": (0.2, 0.6, MOST),
    "memory_full": (0.05, 0.4, MOST),
    "io": (0.7, 1.0, 2.0),
    "io_full": (0.4, 1.0, 3.0),
}
"""Of each: the share from which it counts, the share at which it counts most, and the factor then."""


@lru_cache(maxsize=1)  # Asked before each of a thousand questions a second, with other figures once a second.
def strain(pressure: Pressure) -> Strain:
    """The factor of the resource that is shortest, and its share in words."""
    worst = max(WEIGHTS, key=lambda name: _factor(pressure, name))
    if (factor := _factor(pressure, worst)) <= 1.0:
        return CALM
    share = getattr(pressure, worst)
    return Strain(factor, f"host under pressure: {worst.removesuffix('_full')} {share * 100:.0f} %")


def _factor(pressure: Pressure, name: str) -> float:
    """Straight from 1 at the first share to the most at the second."""
    share: float | None = getattr(pressure, name)
    begins, ends, most = WEIGHTS[name]
    if share is None or share <= begins:
        return 1.0
    return 1.0 + (most - 1.0) * min(1.0, (share - begins) / (ends - begins))
