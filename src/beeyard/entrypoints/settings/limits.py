"""`limits:` of a worker: each key checked, and what this version does not hold to is refused.

A block whose policy is `none` or `log`, or whose limits are all 0, asks for nothing.
"""

from beeyard.entrypoints.settings.decode import struct
from beeyard.entrypoints.settings.older_shape import Limits
from beeyard.entrypoints.settings.tree import Mapping, Node, empty
from beeyard.entrypoints.settings.words import Context

_BLOCKS = ("memory", "cpu", "io", "process")
_NO_LIMIT = ("policy", "warning_threshold")


def limits(node: Node | None, context: Context) -> None:
    """Report what is wrong with the block, and what it asks for."""
    if node is None or empty(node):
        return
    written = struct(node, Limits, context)
    if written is None or not isinstance(node, Mapping):
        return
    for key in ("priority", "cpu_shares"):
        if getattr(written, key):
            hint = "; `nice` of `execution` is a priority" if key == "priority" else ""
            context.report.later(node.entries[key], f"resource limits{hint}", "0")
    for key in _BLOCKS:
        block, entries = getattr(written, key), node.entries.get(key)
        if block.policy in ("none", "log") or not isinstance(entries, Mapping):
            continue
        for name, limit in entries.entries.items():
            if name not in _NO_LIMIT and getattr(block, name, None):
                context.report.later(limit, "resource limits", "0, or the policy none or log")
    monitoring = node.entries.get("monitoring")
    if written.monitoring.alerting_enabled and written.monitoring.enabled and isinstance(monitoring, Mapping):
        context.report.later(monitoring.entries["alerting_enabled"], "alerts", "false")
