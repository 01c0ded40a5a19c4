"""How an install goes, for those who look: what is done, how fast, how long yet, and what it failed with."""

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from beeyard.domain.packages import InstallState
from beeyard.domain.values import human_duration, human_memory
from beeyard.ports.clock import Clock
from beeyard.ports.package_manager import Installed
from beeyard.ports.package_store import Damage

FETCHED = 0.9
"""The share of an install that is over once everything is fetched: what is left are unpacking and syncing."""
SMOOTH = 5.0
"""Seconds over which the rate is a mean."""


class PackageStatus(Struct, frozen=True):
    """One package. `progress` runs from 0 to 1; `eta`: seconds yet, None where that can't be told; `rate`: bytes a
    second; `since`: wall-clock seconds; `error`: what the last try failed with; `joined`: whoever is told this asked
    when it was under way for somebody else; `waits`: for what, in words, while it can't go on."""

    name: str
    version: str
    state: InstallState
    progress: float
    eta: float | None
    done: int
    size: int
    rate: float
    since: float
    error: str = ""
    joined: bool = False
    waits: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}".rstrip()

    @property
    def under_way(self) -> bool:
        """Whether something is being done about it now."""
        return self.state in ("installing", "updating")

    @property
    def coming(self) -> str:
        """How far it is, in words: `caddy 2.11.4: 43 %, 12 MB/s, 3s left`."""
        if self.waits:
            return f"{self} waits: {self.waits}"
        words = [f"{self}: {round(self.progress * 100)} %"]
        if self.rate:
            words.append(f"{human_memory(self.rate)}/s")
        if self.eta is not None:
            words.append(f"{human_duration(max(1, round(self.eta)))} left")
        return ", ".join(words)


def at_rest(name: str, there: Installed | None, damage: Sequence[Damage]) -> PackageStatus:
    """A package about which nothing is being done: the newest one that is `there`, and what is wrong with it."""
    return PackageStatus(
        name=name,
        version=there.manifest.version if there else "",
        state="not_installed" if there is None else "corrupted" if damage else "installed",
        progress=1.0 if there else 0.0,
        eta=None,
        done=0,
        size=0,
        rate=0.0,
        since=there.installed_at if there else 0.0,
        error=f"{damage[0].path} {damage[0].what}" if damage else "",
    )


class Meter:
    """Follows one install. `told` hears of every change that people could see."""

    def __init__(
        self, name: str, version: str, size: int, clock: Clock, told: Callable[[PackageStatus], None], *, update: bool
    ) -> None:
        self._clock = clock
        self._told = told
        self._begun = self._seen = clock.now().mono
        self._before: int | None = None
        self.status = PackageStatus(
            name=name,
            version=version,
            state="updating" if update else "installing",
            progress=0.0,
            eta=None,
            done=0,
            size=size,
            rate=0.0,
            since=clock.now().wall,
        )
        told(self.status)

    def heard(self, said: int | str) -> None:
        """So many bytes are there, or what it waits for."""
        if isinstance(said, str):
            self._change(waits=said, rate=0.0, eta=None)
        else:
            self.fetched(said)

    def fetched(self, done: int) -> None:
        """So many bytes are there."""
        now = self._clock.now().mono
        if self._before is None:  # What was there before it began says nothing of how fast it goes.
            self._before, self._begun, self._seen = done, now, now
        lasted = now - self._seen
        rate = self.status.rate
        if lasted > 0:
            weight = min(1.0, lasted / min(SMOOTH, max(now - self._begun, lasted)))
            rate += ((done - self._before) / lasted - rate) * weight
            self._seen, self._before = now, done
        share = min(1.0, done / self.status.size) if self.status.size else 1.0
        left = max(0, self.status.size - done)
        self._change(done=done, rate=max(rate, 0.0), progress=FETCHED * share, eta=left / rate if rate > 0 else None)

    def over(self, state: InstallState, error: str = "") -> None:
        """It ended, well or not."""
        progress = 1.0 if state == "installed" else self.status.progress
        self._change(state=state, error=error, progress=progress, eta=None, rate=0.0, waits="")

    def _change(self, **fields: object) -> None:
        self.status = replace(self.status, **fields)
        self._told(self.status)
