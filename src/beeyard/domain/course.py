"""What is known of the way of a group from one version of its package to another: how far it has come, what its workers
show, and what one of them is told. Records; what follows from them `domain.rollout` says.
"""

from typing import Literal

from msgspec import Struct

Stage = Literal["moving", "watching", "returning", "done", "returned", "failed"]
OVER: tuple[Stage, ...] = ("done", "returned", "failed")


class Build(Struct, frozen=True, omit_defaults=True):
    """One version of a package as it is installed. `epoch`: which form of data it reads and writes; a version of a
    lower one can't read what it wrote."""

    version: str
    digest: str
    epoch: int = 0


class Mark(Struct, frozen=True, omit_defaults=True):
    """A worker that was sent to the new version, with so many restarts behind it: `at` is since when it is well, or is
    not."""

    at: float
    restarts: int = 0
    well: bool = False


class Course(Struct, frozen=True, omit_defaults=True):
    """One way from `source` to `target`, as far as it has come. `back`: all are to run from the source again. `reason`:
    why it did not go on as it was meant to; `progress`: when it went on last, `good` with how many. `ceiling`: the
    highest version known when it began; no other one up to there is taken afterwards. `restored`: the data is as it was
    before it began. `green`: who is to run the target beside the others, where it is blue-green; `intact`: it went back
    before any of the others was put on standby. `promoted`: somebody gave the word for the rest; `counted`: how many
    restarts each had behind it when it began; `idle`: none of them is to run, and no time passes."""

    package: str
    source: Build
    target: Build
    by: str = ""
    stage: Stage = "moving"
    reason: str = ""
    paused: str = ""
    back: bool = False
    moved: dict[str, Mark] = {}
    progress: float = 0.0
    good: int = 0
    ceiling: str = ""
    restored: bool = False
    green: tuple[str, ...] = ()
    intact: bool = False
    promoted: bool = False
    idle: bool = False
    counted: dict[str, int] = {}

    @property
    def over(self) -> bool:
        """Whether nothing more is done by it."""
        return self.stage in OVER

    @property
    def beside(self) -> bool:
        """Whether all of the source run still, beside those of the target: nothing has to be undone to go back."""
        return bool(self.green) and self.stage == "moving"

    @property
    def one_way(self) -> bool:
        """Whether the source can't read what the target wrote."""
        return self.target.epoch > self.source.epoch and not self.restored


class Member(Struct, frozen=True):
    """One worker that is to run, or would if its group needed it (`rests`); nothing is waited for where it is `off`,
    because somebody stopped it. `digest`: of what it runs from; `coming`:
    it is on its way to a start that chooses anew. `ended`: it ended by itself and is not there; `trouble` why it is
    not well; `figure` what the gate was told, and `fault` what it finds."""

    worker: str
    digest: str
    coming: bool = False
    healthy: bool = True
    restarts: int = 0
    ended: bool = False
    trouble: str = ""
    fault: str = ""
    figure: float | None = None
    rests: bool = False
    off: bool = False


class Order(Struct, frozen=True):
    """What one worker is told: to start anew if it is up, to run because it is needed, or not to because it is not."""

    worker: str
    want: Literal["renew", "wake", "rest"]


class Step(Struct, frozen=True):
    """The course from now on; what it waits for, in words, and until when at most (None: until something happens)."""

    course: Course
    gate: str = ""
    until: float | None = None
