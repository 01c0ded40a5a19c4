"""What a worker may use: bounds, each with the policy for an excess, and what follows from them alone.

Two means keep them. What the kernel holds (`held`) can't be exceeded, or only at the price of the process; what is
watched is measured now and then, and `domain.watching` says when it is too much. Which of the two a bound gets depends
on its policy; what this host can hold, only a provider knows.
"""

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct, field

from beeyard.domain.values import Duration, human_duration, human_memory

Severity = Literal["warning", "critical", "emergency"]
LimitName = Literal[
    "memory.max_rss",
    "memory.max_virtual",
    "memory.max_swap",
    "cpu.max_cores",
    "cpu.max_percent",
    "cpu.max_time",
    "io.max_read_bps",
    "io.max_write_bps",
    "io.max_read_ops",
    "io.max_write_ops",
    "process.max_processes",
    "process.max_child_processes",
    "process.max_file_descriptors",
]
Policy = Literal[
    "none", "log", "alert", "throttle", "graceful_shutdown", "immediate_kill", "restart", "restart_adjusted"
]
Ending = Literal["graceful_shutdown", "immediate_kill", "restart", "restart_adjusted"]
"""Policies that end the attempt."""

ENDINGS: frozenset[str] = frozenset(get_args(Ending))
FINAL: frozenset[str] = frozenset({"graceful_shutdown", "immediate_kill"})
"""Policies after which a worker stays down until somebody asks for it."""

HEADROOM = 1.25
"""Times a memory bound where the kernel kills, if the policy wants an end in order: that needs memory too."""
RAISE, MOST_RAISED = 1.5, 4.0
"""`restart_adjusted` multiplies a bound by the first, at most to the second times what the file says."""

_INTERVAL = Annotated[Duration, Meta(ge=0.1, le=86400, description="seconds, from 0.1 to a day of them")]
_LASTING = Annotated[Duration, Meta(ge=0, le=86400, description="seconds, at most a day of them")]


class Limit(Struct, frozen=True, omit_defaults=True):
    """One bound. `warning`: the share of it, in percent, from which an excess is foretold; 0: not at all."""

    bound: Annotated[float, Meta(gt=0, le=2**53 - 1, description="a number above 0, below 2**53")]
    policy: Policy = "log"
    warning: Annotated[float, Meta(ge=0, le=100, description="a number from 0 to 100")] = 0.0


class Limits(Struct, frozen=True, omit_defaults=True):
    """All of one worker.

    Bounds are bytes, cores, percent of one core, seconds of CPU, bytes or operations a second, and counts.
    `cpu_shares` (2 to 262144, 1024 is usual) and `io_weight` (1 to 10000, 100 is usual) weigh it against others while
    there is too little for all; 0: as usual. Every `interval` what is watched is measured. An excess shorter than
    `spike` seconds is none; a policy that ends the attempt waits until it has lasted `sustained` seconds.
    """

    bounds: dict[LimitName, Limit] = field(default_factory=dict)
    cpu_shares: Annotated[int, Meta(ge=0, le=262_144, description="a whole number from 0 to 262144")] = 0
    io_weight: Annotated[int, Meta(ge=0, le=10_000, description="a whole number from 0 to 10000")] = 0
    interval: _INTERVAL = Duration(2.0)
    sustained: _LASTING = Duration(0.0)
    spike: _LASTING = Duration(0.0)

    @property
    def watched(self) -> dict[LimitName, Limit]:
        """Bounds whose excess somebody wants to know of."""
        return {name: limit for name, limit in self.bounds.items() if limit.policy != "none"}


UNLIMITED = Limits()


class Hold(Struct, frozen=True, omit_defaults=True):
    """What the kernel is to keep an attempt within; None: nothing.

    Bytes for memory, above which a process of the attempt is killed, `memory_high`, from which its memory is taken back
    and it is slowed down, `swap`, and `virtual` (of one process); `cores`; `shares` and `io_weight` as in Limits;
    `processes` of the attempt; bytes and operations a second; open `descriptors` of one process.
    """

    memory: int | None = None
    memory_high: int | None = None
    swap: int | None = None
    virtual: int | None = None
    cores: float | None = None
    shares: int | None = None
    processes: int | None = None
    io_weight: int | None = None
    read_bps: int | None = None
    write_bps: int | None = None
    read_ops: int | None = None
    write_ops: int | None = None
    descriptors: int | None = None


HELD_BY: dict[LimitName, str] = {
    "memory.max_rss": "memory_high",
    "memory.max_virtual": "virtual",
    "memory.max_swap": "swap",
    "cpu.max_cores": "cores",
    "cpu.max_percent": "cores",
    "io.max_read_bps": "read_bps",
    "io.max_write_bps": "write_bps",
    "io.max_read_ops": "read_ops",
    "io.max_write_ops": "write_ops",
    "process.max_processes": "processes",
    "process.max_child_processes": "processes",
    "process.max_file_descriptors": "descriptors",
}
"""The field of Hold that `throttle` sets. CPU time as a whole is none: a kernel does not slow down what is used up."""


def held(limits: Limits) -> Hold:
    """What of these limits the kernel is to keep."""
    found: dict[str, float] = {}
    for name, limit in limits.bounds.items():
        at, bound = _kept(name, limit)
        if at:
            found[at] = min(found.get(at, bound), bound)
    if limits.cpu_shares:
        found["shares"] = limits.cpu_shares
    if limits.io_weight:
        found["io_weight"] = limits.io_weight
    return Hold(**{at: value if at == "cores" else int(value) for at, value in found.items()})  # type: ignore[arg-type]


def kept_as(name: LimitName, limit: Limit) -> str:
    """The field of Hold that keeps this bound; empty: it is watched only."""
    return _kept(name, limit)[0]


def _kept(name: LimitName, limit: Limit) -> tuple[str, float]:
    if limit.policy == "throttle":
        bound = {"cpu.max_percent": limit.bound / 100, "process.max_child_processes": limit.bound + 1}
        return HELD_BY.get(name, ""), bound.get(name, limit.bound)
    if name == "memory.max_rss" and limit.policy in ENDINGS:
        return "memory", limit.bound if limit.policy == "immediate_kill" else limit.bound * HEADROOM
    return "", 0.0


def raised(limits: Limits, factors: dict[LimitName, float]) -> Limits:
    """The limits with some bounds multiplied."""
    if not factors:
        return limits
    bounds = {
        name: Limit(limit.bound * factors.get(name, 1.0), limit.policy, limit.warning)
        for name, limit in limits.bounds.items()
    }
    return Limits(bounds, limits.cpu_shares, limits.io_weight, limits.interval, limits.sustained, limits.spike)


def amount(name: LimitName, value: float) -> str:
    """A value of this limit as people say it: `512 MB`, `1.5 cores`, `80 %`, `2m`, `10 MB/s`, `64`."""
    match name.partition(".")[2]:
        case "max_rss" | "max_virtual" | "max_swap":
            return human_memory(value)
        case "max_read_bps" | "max_write_bps":
            return f"{human_memory(value)}/s"
        case "max_read_ops" | "max_write_ops":
            return f"{value:.0f}/s"
        case "max_cores":
            return f"{value:.2f}".rstrip("0").rstrip(".") + (" core" if value == 1 else " cores")
        case "max_percent":
            return f"{value:.0f} %"
        case "max_time":
            return human_duration(value)
        case _:
            return f"{value:.0f}"
