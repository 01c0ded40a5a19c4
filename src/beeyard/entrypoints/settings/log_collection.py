"""`log_collection:` of older files. What it asks for and Beeyard does anyway is taken: both streams captured, a file
for each, full at some size. What can't be done is refused; what is switched off asks for nothing.
"""

from collections.abc import Iterator
from collections.abc import Mapping as Table

from msgspec import Struct, structs

from beeyard.entrypoints.settings.decode import struct
from beeyard.entrypoints.settings.older_shape import LogCollection, WorkerLogs
from beeyard.entrypoints.settings.tree import Mapping, Node, Scalar, Sequence, empty, found
from beeyard.entrypoints.settings.words import Context, memory

_FORMATS = "other formats of log files (`beeyard logs --timestamps` and --json show more)"
_FINE: Table[str, tuple[tuple[str, ...], str]] = {
    "type": (("file",), "forwarded logs"),
    "capture_stdout": (("true",), "output that is not kept"),
    "capture_stderr": (("true",), "output that is not kept"),
    "parse_structured": (("false",), "parsing what workers write"),
    "level_filter": (("",), "filtered logs"),
    "worker_directory": (("",), "log folders of one's own"),
    "path": (("", "{worker_id}-stdout.log", "{worker_id}-stderr.log"), "log files of one's own"),
    "format": (("plain",), _FORMATS),
    "prefix": (("",), _FORMATS),
    "add_master_id": (("false",), "enhanced logs"),
    "add_hostname": (("false",), "enhanced logs"),
    "add_sequence": (("false",), "enhanced logs"),
    "add_line_number": (("false",), "enhanced logs"),
}
"""Key -> the values that ask for what is done anyway, and what any other needs. Keys that are in neither table bound
how much may wait in memory, where nothing waits here, or name what `beeyard logs` shows of each line."""

_NOTHING: Table[str, str] = {
    "targets": "forwarded logs",
    "forwarding": "forwarded logs",
    "authentication": "forwarded logs",
    "config": "forwarded logs",
    "exclude_patterns": "filtered logs",
    "include_patterns": "filtered logs",
    "parsers": "parsing what workers write",
    "enrichers": "enhanced logs",
    "max_age": "log files that expire",
    "metrics": "metrics of log collection",
}
"""Key -> what it needs; it may be there if it is empty, or holds what is switched off."""

_SIZES = ("max_size", "max_files")


def logs_of_file(node: Node, context: Context) -> Mapping | None:
    """`logs:` for all workers, if the block says anything of their size."""
    return _logs(node, LogCollection, context)


def logs_of_worker(node: Node, context: Context) -> Mapping | None:
    """`logs:` of one worker."""
    return _logs(node, WorkerLogs, context)


def _logs(node: Node, kind: type[Struct], context: Context) -> Mapping | None:
    before = len(context.report.problems)
    if empty(node) or struct(node, kind, context) is None or not isinstance(node, Mapping):
        return None
    if len(context.report.problems) > before:
        return None
    rotations = list(_rotations(node, context))
    for other in rotations[1:]:
        _agree(rotations[0], other, context)
    sizes = {key: rotations[0].entries[key] for key in _SIZES if key in rotations[0].entries} if rotations else {}
    return structs.replace(rotations[0], entries=sizes) if sizes else None


def _rotations(node: Mapping, context: Context) -> Iterator[Mapping]:
    """The `rotation` of each file that is written. Reports what is switched on and can't be done."""
    if _off(node) or ("type" in node.entries and not _fine("type", node.entries["type"], context)):
        return
    for key, value in node.entries.items():
        items = value.items if isinstance(value, Sequence) else [value]
        if key == "rotation" and isinstance(value, Mapping):
            yield value
        if key in _NOTHING:
            for item in items:
                if not (empty(item) or _off(item)):
                    context.report.later(item, _NOTHING[key], "nothing")
        elif key in _FINE:
            _fine(key, value, context)
        elif key == "buffer_size" and not (isinstance(value, Scalar) and value.text == ""):
            memory(value, context)
        else:
            for item in items:
                if isinstance(item, Mapping):
                    yield from _rotations(item, context)


def _off(node: Node) -> bool:
    """Whether it holds nothing, or says that it is not enabled."""
    if not isinstance(node, Mapping):
        return False
    enabled = node.entries.get("enabled")
    return not node.entries or (isinstance(enabled, Scalar) and enabled.text.lower() == "false")


def _fine(key: str, node: Node, context: Context) -> bool:
    values, needs = _FINE[key]
    if empty(node) or not isinstance(node, Scalar) or node.text in values or node.text.lower() in values:
        return True
    context.report.later(node, needs, " or ".join(value or '""' for value in values))
    return False


def _agree(first: Mapping, other: Mapping, context: Context) -> None:
    """Both streams of a worker are kept by one rule."""
    for key in _SIZES:
        one, same = first.entries.get(key), other.entries.get(key)
        if one is None and same is None:
            continue
        if one is None or same is None or (found(one) != found(same)):
            line = (one or first).line
            expected = f"{found(one)}, as on line {line}" if one else f"no such key, as in the rotation on line {line}"
            context.report.add(same or other, found(same) if same else f"no `{key}`", expected)
