"""The measures, what is wanted of each, and what a run found: samples a peer, summed up as medians.

Wants are ratios to a peer of the same run wherever a peer does the thing at all. None of them fails anything.
"""

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from statistics import median


@dataclass(frozen=True)
class Want:
    """A bound, on the figure itself or on its ratio to a peer's."""

    at_most: bool
    bound: float
    peer: str = ""

    def __str__(self) -> str:
        if self.at_most and not self.bound:
            return "0"
        sign = "<=" if self.at_most else ">="
        return f"{sign} {self.bound:g}" + (f" x {self.peer}" if self.peer else "")

    def met(self, figure: float) -> bool:
        """Whether the figure or the ratio keeps to the bound."""
        return figure <= self.bound if self.at_most else figure >= self.bound


@dataclass(frozen=True)
class Measure:
    """One row of the report. `quantile` sums up kills; everything else is summed up by its median."""

    key: str
    title: str
    unit: str
    want: Want | None = None
    quantile: float = 0.5
    source: str = ""
    """Whose samples it sums up; its own if empty."""


MEASURES = (
    Measure("start", "A  start all, wall", "s", Want(True, 0.25, "supervisord")),
    Measure("start_cpu", "A  start all, CPU", "s"),
    Measure("replace_small_p50", "B  replace one, few, p50", "ms", Want(True, 3.0), source="replace_small"),
    Measure("replace_small_p95", "B  replace one, few, p95", "ms", quantile=0.95, source="replace_small"),
    Measure("replace_p50", "B  replace one, all, p50", "ms", Want(True, 3.0), source="replace"),
    Measure("replace_p95", "B  replace one, all, p95", "ms", quantile=0.95, source="replace"),
    Measure("mass", "B  all killed, all back", "s", Want(True, 0.15, "supervisord")),
    Measure("idle", "C  idle, CPU", "s", Want(True, 0.25, "supervisord")),
    Measure("flood", "D  flood with rotation", "MB/s", Want(False, 0.8, "supervisord")),
    Measure("flood_cpu", "D  flood, CPU", "s/GB"),
    Measure("flood_missing", "D  lines missing", "", Want(True, 0)),
    Measure("flood_split", "D  pieces of split lines", "", Want(True, 0)),
    Measure("flood_disorder", "D  lines out of order", "", Want(True, 0)),
    Measure("stop", "F  stop all, workers gone", "s", Want(True, 1.0, "circus")),
    Measure("stop_first", "F  stop all, first one gone", "s"),
    Measure("stop_supervisor", "F  stop all, supervisor gone", "s", Want(True, 1.0, "circus")),
    Measure("stop_unclean", "F  workers without clean stop", "", Want(True, 0)),
    Measure("list", "L  list all", "ms", Want(True, 5.0)),
    Measure("list_ratio", "L  list all, against peers", "ms", Want(True, 0.02, "supervisord"), source="list"),
    Measure("list_same", "L  the same list again", "ms", Want(True, 0.5)),
    Measure("status_small", "L  one worker, of few", "ms"),
    Measure("status", "L  one worker, of all", "ms"),
    Measure("status_growth", "L  one worker, all / few", "", Want(True, 1.2)),
    Measure("ps_alone", "R  ps in a burst, no readers, p50", "ms"),
    Measure("ps_alone_p95", "R  ps in a burst, no readers, p95", "ms", quantile=0.95, source="ps_alone"),
    Measure("ps_crowded", "R  ps in a burst, readers, p50", "ms"),
    Measure("ps_crowded_p95", "R  ps in a burst, readers, p95", "ms", quantile=0.95, source="ps_crowded"),
    Measure("crowd_rss", "R  RSS, readers connected", "MB"),
    Measure("crowd_burst", "R  RSS, grown by the burst", "MB"),
    Measure("rss", "M  RSS with all", "MB", Want(True, 70.0)),
    Measure("pss", "M  PSS with all", "MB", Want(True, 70.0)),
    Measure("rss_one", "M  RSS with one", "MB"),
    Measure("pss_one", "M  PSS with one", "MB"),
    Measure("rss_each", "M  RSS, each worker more", "KB", Want(True, 8.0)),
    Measure("pss_each", "M  PSS, each worker more", "KB", Want(True, 8.0)),
    Measure("processes", "M  supervisor processes", ""),
)


@dataclass(frozen=True)
class Figure:
    """A measure of one peer, summed up over the rounds."""

    value: float
    low: float
    high: float
    samples: int


@dataclass
class Results:
    """What a run found: samples by key and peer, a list for each round; and what went wrong."""

    samples: dict[str, dict[str, list[list[float]]]] = field(default_factory=lambda: defaultdict(dict))
    others_cores: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add(self, key: str, peer: str, *values: float) -> None:
        """Keeps what one round gave."""
        self.samples[key].setdefault(peer, []).append(list(values))

    def figure(self, measure: Measure, peer: str) -> Figure | None:
        """The measure over all rounds: samples pooled, the range that of the single rounds."""
        rounds = self.samples.get(measure.source or measure.key, {}).get(peer, [])
        rounds = [values for values in rounds if values]
        if not rounds:
            return None
        pooled = [value for values in rounds for value in values]
        each = [quantile(values, measure.quantile) for values in rounds]
        return Figure(quantile(pooled, measure.quantile), min(each), max(each), len(pooled))


def quantile(values: list[float], share: float) -> float:
    """The value that this share of the sorted values does not exceed; the median for a half."""
    if share == 0.5:
        return median(values)
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


@dataclass(frozen=True)
class Row:
    """A measure with the figures of all peers, the subject's ratios to them, and the verdict on its want."""

    measure: Measure
    figures: dict[str, Figure]
    ratios: dict[str, float]
    got: float | None
    met: bool | None

    def as_json(self) -> dict[str, object]:
        """The row with plain values."""
        figures = {peer: asdict(figure) for peer, figure in self.figures.items()}
        want = str(self.measure.want) if self.measure.want else None
        row = {"key": self.measure.key, "title": self.measure.title, "unit": self.measure.unit}
        return {**row, "figures": figures, "ratios": self.ratios, "want": want, "got": self.got, "met": self.met}


def rows(results: Results, peers: list[str], subject: str) -> list[Row]:
    """Every measure that was taken of anybody."""
    made = (_row(measure, results, peers, subject) for measure in MEASURES)
    return [row for row in made if row.figures]


def _row(measure: Measure, results: Results, peers: list[str], subject: str) -> Row:
    figures = {peer: figure for peer in peers if (figure := results.figure(measure, peer))}
    own = figures.get(subject)
    ratios: dict[str, float] = {}
    if own is not None:
        rivals = {peer: figure.value for peer, figure in figures.items() if peer != subject and figure.value > 0}
        ratios = {peer: own.value / value for peer, value in rivals.items()}
    got = None
    if own is not None and measure.want is not None:
        got = ratios.get(measure.want.peer) if measure.want.peer else own.value
    met = None if got is None or measure.want is None else measure.want.met(got)
    return Row(measure, figures, ratios, got, met)
