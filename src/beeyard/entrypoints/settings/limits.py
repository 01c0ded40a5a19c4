"""`limits:` of a worker, as people write it by kinds of resource, into the domain's flat list of bounds.

A bound of 0 is none. The times for which an excess has to last stand here, or in `context_aware_restart`, where older
files have them.
"""

from typing import Annotated

from msgspec import Meta, Struct, field

from beeyard.domain.limits import UNLIMITED, Limit, LimitName, Limits, Policy
from beeyard.domain.values import Duration, Memory
from beeyard.entrypoints.settings.decode import struct
from beeyard.entrypoints.settings.shape import Worker
from beeyard.entrypoints.settings.tree import Mapping, Node, empty, found
from beeyard.entrypoints.settings.words import FAILED, Context, duration

Amount = Annotated[int, Meta(ge=0, description="a whole number, 0 for no limit")]
Number = Annotated[float, Meta(ge=0, description="a number, 0 for no limit")]
Percent = Annotated[float, Meta(ge=0, le=100, description="a number from 0 to 100")]
Interval = Annotated[Duration, Meta(ge=0.1, le=86400, description="a duration from 100ms to a day")]
Lasting = Annotated[Duration, Meta(ge=0, le=86400, description="a duration, at most a day")]

_TIMES = ("sustained_violation_time", "spike_tolerance_time")


class MemoryLimits(Struct):
    """`limits: {memory: …}`, in bytes."""

    max_rss: Memory = Memory(0)
    max_virtual: Memory = Memory(0)
    max_swap: Memory = Memory(0)
    warning_threshold: Percent = 80.0
    policy: Policy = "log"


class CpuLimits(Struct):
    """`limits: {cpu: …}`; `max_percent` is of one core."""

    max_cores: Number = 0.0
    max_percent: Number = 0.0
    max_time: Duration = Duration(0.0)
    warning_threshold: Percent = 80.0
    policy: Policy = "log"


class IoLimits(Struct):
    """`limits: {io: …}`, bytes and operations a second."""

    weight: Annotated[int, Meta(ge=0, le=10_000, description="a whole number from 0 to 10000")] = 0
    max_read_bps: Memory = Memory(0)
    max_write_bps: Memory = Memory(0)
    max_read_ops: Amount = 0
    max_write_ops: Amount = 0
    warning_threshold: Percent = 0.0
    policy: Policy = "log"


class ProcessLimits(Struct):
    """`limits: {process: …}`."""

    max_processes: Amount = 0
    max_file_descriptors: Amount = 0
    max_child_processes: Amount = 0
    warning_threshold: Percent = 0.0
    policy: Policy = "log"


class Monitoring(Struct):
    """`limits: {monitoring: …}`. With `alerting_enabled` the policy `log` is `alert`."""

    enabled: bool = True
    interval: Interval = UNLIMITED.interval
    history_retention: Duration = Duration(7200.0)
    alerting_enabled: bool = False


class LimitsBlock(Struct):
    """`limits:`."""

    priority: Annotated[int, Meta(ge=-20, le=19, description="a whole number from -20 to 19")] = 0
    cpu_shares: Annotated[int, Meta(ge=0, le=262_144, description="a whole number from 0 to 262144")] = 0
    memory: MemoryLimits = field(default_factory=MemoryLimits)
    cpu: CpuLimits = field(default_factory=CpuLimits)
    io: IoLimits = field(default_factory=IoLimits)
    process: ProcessLimits = field(default_factory=ProcessLimits)
    monitoring: Monitoring = field(default_factory=Monitoring)
    sustained_violation_time: Lasting = Duration(0.0)
    spike_tolerance_time: Lasting = Duration(0.0)


_NOT_BOUNDS = ("weight", "warning_threshold", "policy")


def limits(worker: Worker, context: Context) -> tuple[Limits, int]:
    """The limits of a worker, and its priority: `nice` by an older name, 0 where the block says none."""
    block = LimitsBlock()
    if worker.limits is not None and not empty(worker.limits):
        block = struct(worker.limits, LimitsBlock, context) or block
    sustained, spike = (_lasting(worker, block, key, context) for key in _TIMES)
    bounds: dict[LimitName, Limit] = {}
    for kind in ("memory", "cpu", "io", "process"):
        part = getattr(block, kind)
        policy: Policy = part.policy
        if policy == "log" and block.monitoring.alerting_enabled:
            policy = "alert"
        if policy in ("log", "alert") and not block.monitoring.enabled:
            policy = "none"
        for key in part.__struct_fields__:
            if key not in _NOT_BOUNDS and (bound := getattr(part, key)):
                name: LimitName = f"{kind}.{key}"  # type: ignore[assignment]
                bounds[name] = Limit(float(bound), policy, part.warning_threshold)
    if not bounds:
        sustained = spike = Duration(0.0)
    interval = block.monitoring.interval if bounds else UNLIMITED.interval
    asked = Limits(bounds, block.cpu_shares, block.io.weight, interval, sustained, spike)
    # The very default where nothing is said: a record does not mention it.
    return UNLIMITED if asked == UNLIMITED else asked, block.priority


def with_priority(run: dict[str, object], priority: int, written: Node | None, context: Context) -> dict[str, object]:
    """A provider's section with the block's priority, if it says one; a `nice` of its own must be the same."""
    node = written.entries["priority"] if isinstance(written, Mapping) and "priority" in written.entries else None
    if not priority or node is None:
        return run
    if run.get("nice", priority) != priority:
        context.report.wrong(node, f"{run['nice']}, as `nice` of `execution` says for the same thing")
    return {**run, "nice": priority}


def _lasting(worker: Worker, block: LimitsBlock, key: str, context: Context) -> Duration:
    """From either place; both must agree."""
    older = worker.context_aware_restart
    one = worker.limits.entries.get(key) if isinstance(worker.limits, Mapping) else None
    other = older.entries.get(key) if isinstance(older, Mapping) else None
    if other is None or empty(other):
        return getattr(block, key)  # type: ignore[no-any-return]
    value = duration(other, context)
    if value is FAILED:
        return Duration(0.0)
    if one is not None and not empty(one) and value != getattr(block, key):
        context.report.wrong(other, f"{found(one)}, as limits.{key} says on line {one.line}")
    return Duration(value)
