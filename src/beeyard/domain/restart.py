"""Whether a worker that ended comes back, when, and the reason in words. Pure: time, chance and the host are arguments.

Every exit nobody asked for passes here, those after failed probes included: a sick worker must not escape the budget.
"""

from math import ceil

from msgspec import Struct

from beeyard.domain.limits import Severity
from beeyard.domain.pressure import CALM, Strain
from beeyard.domain.spec import Backoff, RestartPolicy, Trigger
from beeyard.domain.values import Duration, human_duration


class Retry(Struct, frozen=True):
    """Start again at `at` (monotonic seconds)."""

    at: float
    reason: str


class Rest(Struct, frozen=True):
    """The policy does not ask for another start: the worker is done."""

    reason: str


class GiveUp(Struct, frozen=True):
    """Too many restarts: the breaker opens. At `retry_at` one trial start is made; None: never by itself."""

    reason: str
    retry_at: float | None


Verdict = Retry | Rest | GiveUp


class Ending(Struct, frozen=True):
    """One exit as the policy sees it."""

    success: bool
    trigger: Trigger = "exit"
    severity: Severity = "critical"


class Outside(Struct, frozen=True, gc=False):
    """What nobody here decides: `roll`, a number in [0, 1) for the jitter, and how hard the host makes it."""

    roll: float = 0.5
    strain: Strain = CALM


ORDINARY = Outside()
"""No jitter either way, and a host at ease."""


def judge(
    policy: RestartPolicy,
    ending: Ending,
    failures: tuple[float, ...],
    now: float,
    outside: Outside,
    *,
    trial: bool = False,
) -> Verdict:
    """What follows one exit that nobody asked for.

    Args:
        failures: monotonic times of the exits that count, this one included, oldest first (see `counted`).
        trial: the attempt that ended was the one trial of a half-open breaker.
    """
    if policy.policy == "never":
        return Rest("restart policy is never")
    if policy.policy == "on-failure" and ending.success and ending.trigger == "exit":
        return Rest("it ended well and the restart policy is on-failure")
    backoff = _scaled(policy, ending)
    tries = len(failures) - 1
    if backoff.max_retries == 0:
        return GiveUp("max_retries is 0", None)
    if trial:
        return GiveUp(
            f"the trial start after a cool-down failed; next trial in {human_duration(policy.cool_down)}",
            now + policy.cool_down,
        )
    if backoff.max_retries is not None and tries >= backoff.max_retries:
        return GiveUp(
            f"{tries} restart{'s' if tries != 1 else ''} within {human_duration(policy.window)} (max_retries); "
            f"one trial start in {human_duration(policy.cool_down)}",
            now + policy.cool_down,
        )
    delay = _spaced(_delay(backoff, tries, policy.jitter, outside.roll), outside)
    text = "restarted at once" if delay == 0 else f"restart in {human_duration(delay)}"
    budget = "unlimited" if backoff.max_retries is None else f"{backoff.max_retries}"
    why = [f"{tries + 1} of {budget} within {human_duration(policy.window)}", outside.strain.reason]
    return Retry(now + delay, f"{text} ({'; '.join(filter(None, why))})")


def counted(policy: RestartPolicy, failures: tuple[float, ...], now: float, ready_for: float) -> tuple[float, ...]:
    """The exits that count towards the budget: those inside the window; only this one after a long healthy life.

    No more are kept than any budget of the policy can tell apart.
    """
    if 0 < policy.reset_after <= ready_for:
        return (now,)
    budgets = [backoff.max_retries or _ENOUGH for backoff in (policy.backoff, *policy.overrides.values())]
    largest = max(budgets) * max(1.0, policy.profile) * max([1.0, *policy.severity.values()])
    return (*(at for at in failures[-ceil(largest) :] if now - at < policy.window), now)


def recovered(policy: RestartPolicy, ready_for: float) -> bool:
    """Whether a trial start has closed the breaker; where health resets nothing, when the window is over."""
    return ready_for >= (policy.reset_after or policy.window)


_ENOUGH = 16
"""Exits remembered where retries are unlimited: only the delay still grows with them, and it is capped long before."""


def _delay(backoff: Backoff, tries: int, jitter: float, roll: float) -> float:
    """Exponential, capped, then spread by up to `jitter` either way. The power is bounded, for floats overflow."""
    flat = min(backoff.delay * min(backoff.factor, 1e4) ** min(tries, 64), backoff.max_delay)
    return max(0.0, flat * (1 + jitter * (2 * roll - 1)))


def _spaced(delay: float, outside: Outside) -> float:
    """Later on a host under pressure, for each start makes it worse: by its factor; and what would come at once, after
    something like a second for each 1 of it, each worker at another moment."""
    more = outside.strain.factor - 1.0
    return max(delay * (1.0 + more), more * (0.5 + outside.roll))


def _scaled(policy: RestartPolicy, ending: Ending) -> Backoff:
    """The backoff for this trigger, multiplied as the policy says; never scaled down to no retry at all."""
    base = policy.overrides.get(ending.trigger, policy.backoff)
    times = policy.severity.get(ending.severity, 1.0) * policy.profile
    if times == 1.0:
        return base
    return Backoff(
        delay=Duration(base.delay * times),
        factor=base.factor,
        max_delay=Duration(max(base.max_delay, base.delay * times)),
        max_retries=base.max_retries and max(1, int(base.max_retries * times)),
    )
