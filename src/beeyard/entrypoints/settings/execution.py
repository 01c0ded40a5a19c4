"""The section of a worker's provider, `execution:` for processes, and the way of stopping that stands in it."""

from functools import cache
from typing import Any, get_args

import msgspec
from msgspec import Struct, structs

from beeyard.domain.spec import StopStep
from beeyard.domain.values import Duration
from beeyard.entrypoints.settings.decode import struct
from beeyard.entrypoints.settings.shape import Stop, StopInSteps
from beeyard.entrypoints.settings.tree import Mapping, Node, Report, Sequence, empty, found
from beeyard.entrypoints.settings.words import FAILED, WORDS, Context, duration

STOPPING = ("stop", "graceful_timeout", "wait_delay")


def section(node: Node, kind: type[Struct], worker_kind: str, folder: str, context: Context) -> dict[str, Any]:
    """The section in plain values; empty when it can't be read.

    Args:
        kind: the provider's own type for it.
        worker_kind: the worker's `kind:`, for providers that have kinds.
        folder: the working directory of one that names none.
    """
    if isinstance(node, Mapping):
        context = structs.replace(context, path=_search_path(node, context))
    run = struct(node, kind, context, STOPPING)
    if run is None:
        return {}
    fields = _fields(kind)
    if "kind" in fields:
        run = structs.replace(run, kind=worker_kind)
    if "working_directory" in fields and _on_host(fields["working_directory"]) and not run.working_directory:  # type: ignore[attr-defined]
        run = structs.replace(run, working_directory=folder)
    plain = msgspec.json.decode(msgspec.json.encode(run))
    return {name: plain[name] for name in fields if name in plain and getattr(run, name) != _default(fields[name])}


@cache
def _fields(kind: type[Struct]) -> dict[str, structs.FieldInfo]:
    """Looking them up takes as long as reading the section: once for a kind, not for each worker."""
    return {field.name: field for field in structs.fields(kind)}


def _on_host(field: structs.FieldInfo) -> bool:
    """Whether it names a folder of this host, and not one that a worker sees instead."""
    return any(isinstance(word, str) for word in get_args(field.type)[1:])


def _default(field: structs.FieldInfo) -> Any:
    """What was written but says no more than the default makes no difference between two specs."""
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def stop(node: Node, context: Context) -> tuple[StopStep, ...]:
    """`stop:` as one step or several; `graceful_timeout` and `wait_delay` are older names of its timeout."""
    if not isinstance(node, Mapping):
        return (StopStep(),)
    written = node.entries.get("stop")
    older = [entry for key in STOPPING[1:] if not empty(entry := node.entries.get(key)) and entry]
    if isinstance(written, Sequence):
        for entry in older:
            context.report.wrong(entry, f"no such key beside the steps of `stop` on line {written.line}")
        steps = [step for item in written.items if (step := struct(item, StopInSteps, context))]
        if not written.items:
            context.report.add(written, "an empty list", "steps of {signal, wait}")
        return tuple(StopStep(step.signal, step.wait) for step in steps) or (StopStep(),)
    one = (struct(written, Stop, context) if written and not empty(written) else None) or Stop()
    timeouts = [entry for entry in [isinstance(written, Mapping) and written.entries.get("timeout"), *older] if entry]
    for entry in timeouts:
        wait = duration(entry, context) if entry in older else one.timeout
        if entry is timeouts[0]:
            one.timeout = one.timeout if wait is FAILED else wait
        elif wait is not FAILED and wait != one.timeout:
            context.report.wrong(entry, f"{found(timeouts[0])}, as line {timeouts[0].line} says for the same thing")
    return (StopStep(one.signal, Duration(one.timeout)),)


def _search_path(node: Mapping, context: Context) -> str:
    """The worker's own PATH counts, where it has one."""
    written = node.entries.get("environment")
    environment = WORDS["environment"](written, structs.replace(context, report=Report())) if written else {}
    return environment.get("PATH", context.path) if isinstance(environment, dict) else context.path
