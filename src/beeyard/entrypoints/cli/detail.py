"""The screen of `beeyard show`: one worker as it is, what hangs together with it, and its spec as it was understood."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from beeyard.application.views import Coming, LimitView, ModuleView, ScalingView, WorkerDetail
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
            size = view.usage.memory
            rows.append(("uses", f"{cpu}{_shared(view.module) if size is None else human_memory(size)}"))
        rows.append(("wanted", f"{worker.wanted}, by {worker.origin}"))
        rows += [] if view.scaling is None else [("group", scaled(view.scaling, self._now))]
        rows.append(("attempt", f"{worker.attempt}; {view.failures} of its ends count towards its restart budget"))
        if (supply := view.supply) is not None:
            rows.append(("package", f"{supply.package}, {TRUSTED[supply.trust]}; in {supply.path}"))
        runs = "; ".join(f"{key.replace('_', ' ')}: {_plain(value)}" for key, value in view.runs.items())
        rows += [("runs", runs)] if runs else []
        rows += [(name, address) for name, address in worker.endpoints.items()]
        rows += [(role, standing(probe)) for role, probe in view.probes.items()]
        rows += [(name.partition(".")[2], restricted(name, limit)) for name, limit in view.limits.items()]
        rows += [] if view.module is None else [("module", hosted(view.module, self._now))]
        rows += [] if view.module is None else offered(view.module)
        rows += [("grows", text) for text in view.grows]
        rows += [("lifetime", ", ".join(self._coming(one) for one in view.ages))] if view.ages else []
        rows += [("waits for", view.waits_for)] if view.waits_for else []
        rows += [("needed by", ", ".join(view.needed_by))] if view.needed_by else []
        rows += [("not now", f"{operation}: {why}") for operation, why in view.refused.items()]
        return rows

    def _coming(self, one: Coming) -> str:
        """`max lifetime in 3h`."""
        return one.what if one.at is None else f"{one.what} in {human_duration(max(0.0, one.at - self._now))}"

    def _paint(self, text: str, style: str) -> str:
        return painted(text, style) if self._colour else text


def hosted(module: ModuleView, now: float) -> str:
    """`Echo 1.2 by Ann: says it again; loaded 1h ago, healthy 3s ago; 3 tasks, 1 thread; code 1f2e3d4c5b6a`."""
    author = f"by {module.author}" if module.author else ""
    called = " ".join(filter(None, (module.name, module.version, author)))
    parts = [": ".join(filter(None, (called, module.description)))]
    said = f"loaded {human_duration(max(0.0, now - module.loaded))} ago"
    if module.asked is not None:
        how = "healthy" if module.healthy else f"unhealthy ({module.reason})"
        said += f", {how} {human_duration(max(0.0, now - module.asked))} ago"
    parts.append(said)
    parts.append(f"{_counted(module.tasks, 'task')}, {_counted(module.threads, 'thread')}")
    if module.code:
        asked = f", asked to swap {_counted(module.swaps, 'time')}" if module.swaps else ""
        parts.append(f"code {module.code}{asked}")
    if module.refused:
        parts.append(f"the last swap was refused: {module.refused}")
    if module.uncaught:
        parts.append(f"{_counted(module.uncaught, 'error')} that nobody caught, the last {module.last}")
    return "; ".join(filter(None, parts))


def scaled(group: ScalingView, now: float) -> str:
    """`3 wanted, 2 ready; from 2 to 8; cpu 60 % of 70 %; changed 5m ago: cpu 91 % of 70 %: 3 instances`."""
    spares = f", spares: {group.spares}" if group.spares else ""
    parts = [f"{group.wanted} wanted, {group.ready} ready", f"from {group.min} to {group.max}{spares}", group.load]
    if group.at is not None:
        parts.append(f"changed {human_duration(max(0.0, now - group.at))} ago: {group.last}")
    return "; ".join(filter(None, parts))


def offered(module: ModuleView) -> list[tuple[str, str]]:
    """What it registered, a row each: `metrics http http://127.0.0.1:9100`."""
    rows = [f"{name} {offer.protocol} {offer.address}" for name, offer in sorted(module.offers.items())]
    return [("offers", text) for text in rows]


def _shared(module: ModuleView | None) -> str:
    """Of one in the master: nobody can tell whose memory it is."""
    if module is None or module.shared is None:
        return "memory of the master"
    return f"memory of the master ({human_memory(module.shared)} with all that runs in it)"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


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
