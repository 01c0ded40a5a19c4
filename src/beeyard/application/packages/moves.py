"""How groups go from one version to another, as people and programs see it.

The command line reads this too: nothing here loads an event loop.
"""

from msgspec import Struct


class Move(Struct, frozen=True):
    """What becomes of one group. `why`: why it stays as it is; empty: it goes to `target`. `error`: the code of what
    went wrong, if that is the reason."""

    group: str
    package: str
    source: str
    target: str
    why: str = ""
    error: str = ""


class GenerationView(Struct, frozen=True):
    """One version that the group was sent to, and what became of it. Moments are wall-clock seconds."""

    version: str
    digest: str
    at: float
    verdict: str
    reason: str = ""
    judged_at: float | None = None


class VersionView(Struct, frozen=True):
    """How those workers are that run one version: how many of them are ready, how often they were restarted since they
    were sent there (or the others were), and the highest figure that the gate was told; None: it was told none."""

    version: str
    workers: list[str]
    ready: int
    restarts: int
    figure: float | None = None


class RolloutView(Struct, frozen=True):
    """How it is with one group. `gate`: what it waits for; `moved` of `members`, who are to go, run the target;
    `reason`: why it went back, or ended; `held`: why no update begins by itself; `versions`: source and target;
    `standby`: who does not run, because the group can do without."""

    group: str
    package: str
    stage: str
    source: str
    target: str
    moved: list[str]
    members: list[str]
    gate: str = ""
    reason: str = ""
    paused: str = ""
    held: str = ""
    by: str = ""
    generations: list[GenerationView] = []
    versions: list[VersionView] = []
    standby: list[str] = []
