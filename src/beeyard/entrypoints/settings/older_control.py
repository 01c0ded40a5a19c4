"""`control:` of an older worker as the keys of ours: execution, stop, restarts, process file, limits, logs."""

import os
import re
from os.path import dirname, join

from msgspec import structs

from beeyard.entrypoints.settings.decode import struct
from beeyard.entrypoints.settings.log_collection import logs_of_worker
from beeyard.entrypoints.settings.older_shape import Control, Execution, ProcessFile, Restart
from beeyard.entrypoints.settings.tree import Mapping, Node, Scalar, Sequence, changed, empty
from beeyard.entrypoints.settings.words import Context

_AS_IT_IS = ("restart_policy", "context_aware_restart", "limits")
_RESTART = {"policy": "policy", "max_retries": "max_retries", "retry_delay": "delay", "backoff_rate": "factor"}
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")


def control(node: Node, worker: Mapping, context: Context) -> dict[str, Node]:
    """The keys of the worker that its `control:` has words for."""
    written = struct(node, Control, context)
    if written is None or not isinstance(node, Mapping):
        return {"execution": node}
    entries: dict[str, Node] = {}
    if written.execution:
        execution = _execution(written.execution, node.entries.get("graceful_timeout"), context)
        file = _pid_file(written.process_file, worker, context) if written.process_file else None
        if file and isinstance(execution, Mapping):
            execution.entries["pid_file"] = file
        entries["execution"] = execution
    entries |= {key: node.entries[key] for key in _AS_IT_IS if not empty(node.entries.get(key))}
    if written.restart:
        if "restart_policy" in entries:
            line = entries["restart_policy"].line
            context.report.add(written.restart, "`restart`", f"no such key beside `restart_policy` on line {line}")
        else:
            entries["restart_policy"] = _restart(written.restart, context)
    if written.log_collection and (logs := logs_of_worker(written.log_collection, context)):
        entries["logs"] = logs
    return entries


def _execution(node: Node, graceful: Node | None, context: Context) -> Node:
    """`wait_delay` is how long a stop takes only where `graceful_timeout` is not said: it was how long the older master
    waited for a program's pipes, and ours end with the process tree."""
    if not isinstance(node, Mapping):
        return node
    struct(node, Execution, context)
    entries = {key: value for key, value in node.entries.items() if key in Execution.__struct_fields__}
    delay = entries.pop("wait_delay", None)
    timeout = delay if empty(graceful) else graceful
    if timeout and not empty(timeout):
        entries["stop"] = Mapping(timeout.file, timeout.line, timeout.path, {"timeout": timeout})
    program = entries.get("executable_path")
    if empty(entries.get("working_directory")) and isinstance(program, Scalar) and "/" in program.text:
        folder = changed(program, lambda path: dirname(path) if "/" in path else path)
        if os.path.isdir(join(context.folder, folder.text)):
            entries["working_directory"] = folder
    if isinstance(listed := entries.get("environment"), Sequence):
        entries["environment"] = _environment(listed)
    return structs.replace(node, entries=entries)


def _environment(node: Sequence) -> Node:
    """`[K=V]` as a mapping, where each item has a plain name; of a name given twice the last counts."""
    entries: dict[str, Node] = {}
    for item in node.items:
        name = _NAME.match(item.written or item.text) if isinstance(item, Scalar) else None
        if not name or not isinstance(item, Scalar):
            return node
        entries[name[1]] = changed(item, lambda text: text.partition("=")[2])
    return Mapping(node.file, node.line, node.path, entries)


def _pid_file(node: Node, worker: Mapping, context: Context) -> Node | None:
    """Where the older master left the process id: a process that it started is taken over."""
    if empty(node) or (file := struct(node, ProcessFile, context)) is None or not isinstance(node, Mapping):
        return None
    base, name = node.entries.get("basedirectory"), worker.entries.get("id")
    if file.servicecontext and base is None:
        context.report.later(node.entries["servicecontext"], "folders by service context", "`basedirectory` instead")
    if not file.basedirectory or not isinstance(base, Scalar) or not isinstance(name, Scalar):
        return None
    below = [file.appname, f"{name.text}.pid"] if file.usesubdirectory else [f"{name.text}.pid"]
    return changed(base, lambda folder: join(folder, *below))


def _restart(node: Node, context: Context) -> Node:
    """The block that was there before `restart_policy` and `context_aware_restart`."""
    if not isinstance(node, Mapping):
        return node
    struct(node, Restart, context)
    renamed = {_RESTART[key]: value for key, value in node.entries.items() if key in _RESTART}
    return structs.replace(node, entries=renamed)
