"""What the kernel is to keep, told to the launcher: control groups for an attempt, rlimits for each of its processes.

Knows which is which, and the words in which a handle says what keeps a bound.
"""

import resource
from collections.abc import Mapping, Sequence
from typing import Any

from beeyard.domain.limits import Hold

REFUSED = "not held: "

RLIMITS = {"virtual": "as", "descriptors": "nofile"}
"""Fields of Hold that are limits of each process, by the kernel's name in lower case."""

EVERYTHING = Hold(**dict.fromkeys(Hold.__struct_fields__, 0))


def ordered(hold: Hold, rlimits: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """The fields of a message: `hold` for the attempt, and `limits`, which are the section's `rlimits` or less."""
    fields = {name: value for name in hold.__struct_fields__ if (value := getattr(hold, name)) is not None}
    limits: dict[str, Sequence[int]] = dict(rlimits)
    for field, name in RLIMITS.items():
        if field in fields:
            bound = fields.pop(field)
            _, most = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))
            limits[name] = [_least(bound, most, given) for given in limits.get(name, (bound, bound))]
    return {key: value for key, value in (("hold", fields), ("limits", limits)) if value}


def words(hold: Hold, report: Mapping[str, Any]) -> dict[str, str]:
    """Field of Hold -> by what it is kept, from the launcher's answer."""
    held: Mapping[str, str] = report.get("held", {})
    refused: Mapping[str, str] = report.get("limited", {})
    found = {}
    for field in hold.__struct_fields__:
        if getattr(hold, field) is None:
            continue
        if name := RLIMITS.get(field):
            reason = refused.get(name)
            found[field] = f"{REFUSED}RLIMIT_{name.upper()}: {reason}" if reason else f"RLIMIT_{name.upper()}"
        else:
            found[field] = held.get(field, f"{REFUSED}the launcher is of an older version")
    return found


def _least(*values: int) -> int:
    bounds = [value for value in values if value != resource.RLIM_INFINITY]
    return min(bounds) if bounds else resource.RLIM_INFINITY
