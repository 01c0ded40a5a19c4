"""A plan as text for people: who, what exactly, why, and in which order. Fits 80 columns."""

import textwrap
from collections.abc import Iterator

from beeyard.domain.plan import Change, Difference, Plan
from beeyard.entrypoints.cli.screen import printable

WIDE = 80
_LABEL = 11
_BEFORE = 16
"""Characters that are shown of what two long values have in common, before they differ."""

_EFFECTS = {"restart": "is restarted", "start": "is started", "stop": "is stopped", "keep": "is not restarted"}


def told(plan: Plan) -> str:
    """Workers by what happens to them; then each change with its fields; then the order, where there is one to tell."""
    kinds = {
        "add": plan.add,
        "restart": plan.restart,
        "adjust": plan.adjust,
        "remove": plan.remove,
        "unchanged": plan.keep,
    }
    lines = [line for kind, names in kinds.items() if names for line in _wrapped(f"{kind + ':':<{_LABEL}}", names)]
    for change in plan.changes:
        lines += ["", *_change(change)]
    if plan.master:
        lines += ["", "the master itself changes", *(line for found in plan.master for line in _difference(found))]
    if len(plan.order) > 1 and (plan.changes or plan.remove):
        lines += ["", "in this order:"]
        for number, stage in enumerate(plan.order, 1):
            lines += _wrapped(f"{number:>3}. {stage.act:<9}", stage.workers)
    return "\n".join(lines).strip()


def _wrapped(label: str, names: tuple[str, ...]) -> list[str]:
    return _fill(", ".join(names), label)


def _fill(text: str, label: str = "", indent: int | None = None) -> list[str]:
    after = " " * (len(label) if indent is None else indent)
    return textwrap.wrap(
        label + text, WIDE, subsequent_indent=after, break_on_hyphens=False, drop_whitespace=True, tabsize=1
    )


def _change(change: Change) -> Iterator[str]:
    effect = _EFFECTS.get(change.effect, change.effect)
    yield from _fill(f"{change.worker} {effect}: {change.why}", indent=4)
    for found in change.fields:
        yield from _difference(found)


def _difference(found: Difference) -> Iterator[str]:
    """On one line; values too long for that below each other, from where they begin to differ."""
    field, old, new = map(printable, (found.field, found.old, found.new))
    line = f"  {field}: {old} → {new}"
    if len(line) <= WIDE:
        yield line
        return
    differ = next((at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), 0)
    same = max(0, differ - _BEFORE)
    yield f"  {_cut(field, 0, WIDE - 3)}:"
    yield f"    - {_cut(old, same, WIDE - 6)}"
    yield f"    + {_cut(new, same, WIDE - 6)}"


def _cut(text: str, start: int, most: int) -> str:
    if len(text) <= most:
        return text
    text = f"…{text[start:]}" if start else text
    return text if len(text) <= most else f"{text[: most - 1]}…"
