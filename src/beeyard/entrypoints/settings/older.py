"""Older worker files (`unit:`, `control:`, `log_collection:`) as trees of our own form.

One tree becomes another, each value with the line and the path that it has in the file: what reads our form needs no
second set of readers, errors point to what was written, and `config convert` prints the very tree that is loaded.
"""

from typing import Literal

from msgspec import structs

from beeyard.entrypoints.settings.decode import struct
from beeyard.entrypoints.settings.log_collection import logs_of_file
from beeyard.entrypoints.settings.older_control import control
from beeyard.entrypoints.settings.older_shape import (
    KINDS,
    Integrated,
    Managed,
    Master,
    Unit,
    Unmanaged,
    Worker,
)
from beeyard.entrypoints.settings.tree import Mapping, Node, Scalar, Sequence, changed, empty, merge
from beeyard.entrypoints.settings.words import Context

Form = Literal["beeyard", "older", "both"]
"""Which words a file uses for its workers."""

_MASTER = ("port", "log_level", "force_shutdown_timeout")


def translate(root: Node, context: Context) -> tuple[Node, Form]:
    """The file in our form, and the form that it has. What is wrong in its older blocks is reported."""
    if not isinstance(root, Mapping):
        return root, "beeyard"
    form = _form(root)
    entries = dict(root.entries)
    if isinstance(master := entries.get("master"), Mapping):
        entries["master"] = _master(master, context)
    if isinstance(workers := entries.get("workers"), Sequence):
        entries["workers"] = structs.replace(workers, items=[_worker(item, context) for item in workers.items])
    collection = entries.pop("log_collection", None)
    if collection and not empty(collection) and (logs := logs_of_file(collection, context)):
        ours = Mapping(collection.file, collection.line, collection.path, {"logs": logs})
        entries["defaults"] = merge(ours, entries["defaults"]) if "defaults" in entries else ours
    if "workers" in entries:
        entries["workers"] = entries.pop("workers")
    return structs.replace(root, entries=entries), form


def _form(root: Mapping) -> Form:
    workers = root.entries.get("workers")
    items = workers.items if isinstance(workers, Sequence) else []
    units = [isinstance(item, Mapping) and "unit" in item.entries for item in items]
    master = root.entries.get("master")
    words = isinstance(master, Mapping) and any(key in master.entries for key in _MASTER)
    if not (any(units) or words or "log_collection" in root.entries):
        return "beeyard"
    return "older" if all(units) else "both"


def _master(node: Mapping, context: Context) -> Mapping:
    """The port of the older master is where ours serves HTTP: on loopback, as that one did."""
    ours = {key: value for key, value in node.entries.items() if key not in ("port", "log_level")}
    theirs = {key: value for key, value in node.entries.items() if key not in ours and not empty(value)}
    older = struct(structs.replace(node, entries=theirs), Master, context)
    if isinstance(port := theirs.get("port"), Scalar):
        if "listen" in ours:
            context.report.wrong(port, f"no such key beside `listen` on line {ours['listen'].line}")
        elif older and older.port:
            ours["listen"] = changed(port, lambda text: f"127.0.0.1:{text}")
    if older and older.log_level != "info":
        context.report.later(theirs["log_level"], "another level of the master's own log", "info")
    if "force_shutdown_timeout" in ours and "shutdown_timeout" not in ours:
        ours["shutdown_timeout"] = ours.pop("force_shutdown_timeout")
    return structs.replace(node, entries=ours)


def _worker(node: Node, context: Context) -> Node:
    if not isinstance(node, Mapping) or "unit" not in node.entries:
        return node
    keys = Worker.__struct_fields__
    for key, value in node.entries.items():
        if key not in keys:
            context.report.add(value, f"`{key}` beside `unit`", "a worker in one form: this key or `unit`")
    known = structs.replace(node, entries={key: node.entries[key] for key in keys if key in node.entries})
    older = struct(known, Worker, context) or Worker()
    unit = struct(older.unit, Unit, context) if older.unit else None
    blocks = {kind: block for kind in KINDS if unit and (block := getattr(unit, kind))}
    kind: str = older.type or next(iter(blocks), "managed")
    for other, block in blocks.items():
        if other != kind:
            context.report.add(block, f"`{other}`", f"`{kind}` alone, as `type` says")
    entries = {key: value for key, value in known.entries.items() if key not in ("type", "unit")}
    if kind != "managed":
        written = known.entries["type"] if older.type else blocks[kind]
        entries["type"] = Scalar(written.file, written.line, written.path, kind)
    if older.unit and not isinstance(older.unit, Mapping):
        entries["discovery" if kind == "unmanaged" else "execution"] = older.unit
    elif block := blocks.get(kind):
        entries |= _UNITS[kind](block, node, context)
    return structs.replace(node, entries=entries)


def _managed(node: Node, worker: Mapping, context: Context) -> dict[str, Node]:
    """The worker's keys that `managed:` has words for; `metadata` are words for people alone.

    A block that is none takes the place of the execution in it: what is wrong with it is told once.
    """
    managed = struct(node, Managed, context)
    if managed is None:
        return {"execution": node}
    entries = control(managed.control, worker, context) if managed.control else {}
    if managed.health_check:
        entries["health_check"] = managed.health_check
    return entries


def _integrated(node: Node, worker: Mapping, context: Context) -> dict[str, Node]:
    """As managed. The older master asked such a worker by `CoreService.Ping`, at the port that it had given it."""
    integrated = struct(node, Integrated, context)
    if integrated is None:
        return {"execution": node}
    entries = control(integrated.control, worker, context) if integrated.control else {}
    at = (node.file, node.line, node.path)
    asked = {"address": "grpc", "service": "proto.CoreService", "method": "Ping"}
    check: dict[str, Node] = {
        "type": Scalar(*at, "grpc"),
        "grpc": Mapping(*at, {key: Scalar(*at, text) for key, text in asked.items()}),
    }
    if integrated.health_check_run_options:
        check["run_options"] = integrated.health_check_run_options
    return entries | {"health_check": Mapping(*at, check)}


def _unmanaged(node: Node, worker: Mapping, context: Context) -> dict[str, Node]:
    """Its words are ours."""
    if struct(node, Unmanaged, context) is None or not isinstance(node, Mapping):
        return {"discovery": node}
    return {key: value for key, value in node.entries.items() if key != "metadata"}


_UNITS = {"managed": _managed, "integrated": _integrated, "unmanaged": _unmanaged}
