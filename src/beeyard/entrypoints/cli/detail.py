"""The screen of `beeyard show`: one worker as it is, what hangs together with it, and its spec as it was understood."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from beeyard.application.views import LimitView, WorkerDetail
from beeyard.domain.limits import LimitName, amount
from beeyard.domain.values import human_duration, human_memory
from beeyard.entrypoints.cli.asked import standing
from beeyard.entrypoints.cli.render import change, style_of
from beeyard.entrypoints.cli.screen import BOLD, DIM, painted, printable
from beeyard.entrypoints.cli.trust import TRUSTED

WIDE = 10


class Detail:
    """One screen for one worker. `now` is wall-clock seconds."""

    def __init__(self, view: WorkerDetail, now: float, *, colour: bool = False) -> None:
        self._view = view
        self._now = now
        self._colour = colour

    def text(self) -> str:
        """The whole screen."""
        name, _, state = change(self._view.worker).partition(": ")
        title = f"{self._paint(name, BOLD)}: {self._paint(state, style_of(self._view.worker))}"
        found = self._rows()
        wide = max(WIDE, *(len(key) for key, _ in found))
        rows = [f"  {self._paint(f'{key:<{wide}}', DIM)} {printable(text)}" for key, text in found]
        spec = [f"  {line}" for line in tree(self._view.spec)]
        return "\n".join([title, *rows, "", self._paint("Spec", BOLD), *spec])

    def _rows(self) -> list[tuple[str, str]]:
        view, worker = self._view, self._view.worker
        rows = [("health", ": ".join(part for part in (view.health.status, view.health.reason) if part))]
        if worker.since is not None:
            rows.append(("up", human_duration(max(0.0, self._now - worker.since))))
        if view.usage is not None:
            cpu = "" if view.usage.cpu is None else f"{view.usage.cpu:.2f} cores, "
            rows.append(("uses", f"{cpu}{human_memory(view.usage.memory)}"))
        rows.append(("wanted", f"{worker.wanted}, by {worker.origin}"))
        rows.append(("attempt", f"{worker.attempt}; {view.failures} of its ends count towards its restart budget"))
        if (supply := view.supply) is not None:
            rows.append(("package", f"{supply.package}, {TRUSTED[supply.trust]}; in {supply.path}"))
        runs = "; ".join(f"{key.replace('_', ' ')}: {_plain(value)}" for key, value in view.runs.items())
        rows += [("runs", runs)] if runs else []
        rows += [(name, address) for name, address in worker.endpoints.items()]
        rows += [(role, standing(probe)) for role, probe in view.probes.items()]
        rows += [(name.partition(".")[2], restricted(name, limit)) for name, limit in view.limits.items()]
        rows += [("waits for", view.waits_for)] if view.waits_for else []
        rows += [("needed by", ", ".join(view.needed_by))] if view.needed_by else []
        rows += [("not now", f"{operation}: {why}") for operation, why in view.refused.items()]
        return rows

    def _paint(self, text: str, style: str) -> str:
        return painted(text, style) if self._colour else text


def restricted(name: LimitName, limit: LimitView) -> str:
    """`310 MB of 512 MB, restart; kept by …`."""
    now = "" if limit.now is None else f"{amount(name, limit.now)} of "
    return f"{now}{amount(name, limit.bound)}, {limit.policy}; {limit.kept}"


def tree(value: Any, indent: str = "") -> list[str]:
    """Nested values as lines, a key each, as a worker file has them; without what is as it is by default."""
    lines = []
    for key, inner in value.items() if isinstance(value, Mapping) else _said(value):
        if isinstance(inner, Mapping | Struct) and (below := tree(inner, indent + "  ")):
            lines += [f"{indent}{printable(str(key))}:", *below]
        elif not isinstance(inner, Struct):
            lines.append(f"{indent}{printable(str(key))}: {_plain(inner)}")
    return lines


def _said(record: Struct) -> list[tuple[str, Any]]:
    fields = msgspec.structs.fields(record)
    values = [(field.name, getattr(record, field.name), field.default) for field in fields]
    return [(name, value) for name, value, default in values if value != default and value not in ({}, ())]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return printable(value) or '""'
    return msgspec.json.encode(value).decode()
