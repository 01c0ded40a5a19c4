"""From single probe results to verdicts, by the kubelet's rules. Pure; one streak per probe.

Readiness begins undecided, which is not ready, and liveness as passed; neither is asked before startup has passed. A
verdict changes only after `failures` or `successes` equal results in a row.
"""

from typing import Literal

from msgspec import Struct

from beeyard.domain.spec import ProbeRole, ProbeSpec

HealthStatus = Literal["unknown", "healthy", "degraded", "unhealthy"]


class Health(Struct, frozen=True, omit_defaults=True, gc=False):
    """What the probes say of a worker, with the reason."""

    status: HealthStatus = "unknown"
    reason: str = ""


class Streak(Struct, frozen=True, gc=False):
    """The verdict in force (None before the first), the last result, and how many equal ones came in a row."""

    passed: bool | None
    last: bool | None = None
    count: int = 0


def first(role: ProbeRole) -> Streak:
    """Where a probe stands before its first result."""
    return Streak(True if role == "liveness" else None)


def observe(probe: ProbeSpec, streak: Streak, ok: bool) -> tuple[Streak, bool]:
    """Count one result. Returns the streak and whether the verdict just changed."""
    count = streak.count + 1 if ok == streak.last else 1
    decided = count >= (probe.successes if ok else probe.failures)
    passed = ok if decided else streak.passed
    return Streak(passed, ok, count), passed != streak.passed
