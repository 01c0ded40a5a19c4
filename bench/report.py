"""The report: figures a peer as `median [lowest-highest]`, then Beeyard's ratios with what is wanted beside them."""

import os
import platform
from pathlib import Path

from bench.measures import Figure, Results, Row
from bench.race import Settings

_VERDICTS = {True: "met", False: "not met", None: "-"}


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    memory_kb = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines())
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory_kb / 1e6, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def text(rows: list[Row], peers: dict[str, str], subject: str, settings: Settings, results: Results) -> str:
    """Both tables, what they were measured on, and what went wrong."""
    here = machine()
    lines = [
        f"{here['cores']} cores, {here['memory_gb']} GB, kernel {here['kernel']}, Python {here['python']}; "
        + ", ".join(f"{name} {version}".strip() for name, version in peers.items()),
        f"{settings.rounds} rounds; all = {settings.large} workers, few = {settings.small}; "
        f"idle for {settings.idle_s:g} s, once; medians [lowest-highest round]; (n) = kills",
        "",
        *_columns([["", "", *peers], *([*_name(row), *_cells(row, list(peers))] for row in rows)]),
        "",
    ]
    rivals = [name for name in peers if name != subject]
    if any(row.ratios or row.got is not None for row in rows):
        head = ["", *(f"/ {rival}" for rival in rivals), "wanted", "got", ""]
        lines += [f"{subject}, as a ratio:", *_columns([head, *(_judged(row, rivals) for row in rows)]), ""]
    if results.others_cores:
        cores = sorted(results.others_cores)
        spread = f"{cores[len(cores) // 2]:.2f} [{cores[0]:.2f}-{cores[-1]:.2f}]"
        lines.append(f"cores used by others during starts: {spread}")
    lines += [f"FAILED {failure}" for failure in results.failures]
    return "\n".join(lines)


def _name(row: Row) -> list[str]:
    return [row.measure.title, row.measure.unit]


def _cells(row: Row, peers: list[str]) -> list[str]:
    return [_cell(row.figures.get(peer), bool(row.measure.source)) for peer in peers]


def _cell(figure: Figure | None, counted: bool) -> str:
    if figure is None:
        return "-"
    low, high = _short(figure.low), _short(figure.high)
    spread = f" [{low}-{high}]" if low != high else ""
    return _short(figure.value) + spread + (f" ({figure.samples})" if counted else "")


def _judged(row: Row, rivals: list[str]) -> list[str]:
    ratios = [_short(row.ratios[rival]) if rival in row.ratios else "-" for rival in rivals]
    if row.measure.want is None:
        return [row.measure.title, *ratios, "", "", ""]
    want = f"{row.measure.want}" if row.measure.want.peer else f"{row.measure.want} {row.measure.unit}".strip()
    return [row.measure.title, *ratios, want, "-" if row.got is None else _short(row.got), _VERDICTS[row.met]]


def _short(value: float) -> str:
    """Three digits that mean something, never an exponent."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def _columns(table: list[list[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in table) for at in range(len(table[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
