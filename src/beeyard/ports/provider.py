"""How workers run. A provider starts, finds again and ends attempts; it decides nothing about them.

A provider's errors: `Invalid` for a spec it can't run as written, `Rejected` when the system said no, `Unavailable`
while whatever runs the workers can't be reached. Foreign exceptions end here.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

from beeyard.domain.errors import Problem
from beeyard.domain.limits import Hold
from beeyard.domain.messages import Exit, Handle
from beeyard.domain.packages import Manifest
from beeyard.domain.spec import StopStep, WorkerSpec
from beeyard.domain.supply import Equipment
from beeyard.domain.watching import Measure

Act = Literal["stop", "restart", "kill"]
Purpose = Literal["stop", "restart", "release"]
"""What an end is for: it is to stay down, it is to come back, or nobody here is to look after it any more."""

PAUSED = "its container is paused"
"""Why contact is lost to what somebody paused."""


class Capabilities(Struct, frozen=True):
    """What this provider can do on this host, found out here and now, with the means in words.

    `owns`: it runs what it supervises. What it does not own it lets go when it is not to look after it any more.
    `within`: it runs it within the master, with which it ends. `limits`: for each field of Hold by what it would be
    kept, or `not held: …`. `registers`: it gives a worker what that needs to register. `listens`: it passes listening
    sockets on to what it runs. `elsewhere`: what it runs may be on another host, and outlive a boot of this one; what
    has a pid is on this one.
    """

    whole_tree_kill: str
    user_switching: bool
    exact_exits: bool
    owns: bool = True
    within: bool = False
    limits: dict[str, str] = {}
    registers: bool = False
    listens: bool = False
    elsewhere: bool = False


class Occurrence(Struct, frozen=True, gc=False):
    """Something happened to an attempt: it began after it had to wait, it ended, contact with it was lost or found
    again, or there is something to be said of how it is (`said`: the reason, empty when it is over)."""

    worker: str
    attempt: int
    kind: Literal["begun", "exited", "lost", "found", "said"]
    exit: Exit | None = None
    reason: str = ""


class Owned(Struct, frozen=True):
    """An attempt that the provider knows, whether or not the master does. `since`: wall-clock seconds when it was
    started, None where that can't be told."""

    worker: str
    attempt: int
    handle: Handle
    alive: bool
    since: float | None = None


class Sight(Struct, frozen=True):
    """What one look at an attempt shows: running, ended (with its exit), or missing. Unreachable is an error. `waits`:
    it was taken, and has yet to begin."""

    state: Literal["running", "ended", "missing"]
    exit: Exit | None = None
    waits: bool = False


class Reading(Struct, frozen=True, gc=False):
    """What an attempt and all it started use: CPU seconds so far, resident bytes and number of processes now.

    The bytes are None of one that shares its memory with others: whose they are, nobody knows.
    The CPU seconds may go back where that of processes which ended can't be counted.
    """

    cpu: float
    rss: int | None
    processes: int


class Answer(Struct, frozen=True, gc=False):
    """How a command that ran beside a worker ended. `output` is the first part of stdout and stderr."""

    code: int | None
    output: str
    timed_out: bool = False


class Bringing(Struct, frozen=True):
    """What a launch waits for, in words, and how much of it is there, from 0 to 1."""

    text: str
    share: float


class Provider(Protocol):
    """One way to run workers."""

    @property
    def name(self) -> str:
        """The word in the worker file."""
        ...

    def capabilities(self) -> Capabilities: ...

    async def serve(self) -> None:
        """Keep in touch with whatever runs the workers, until cancelled."""
        ...

    def check(self, spec: WorkerSpec) -> list[Problem]:
        """What would keep this spec from running here, found without running anything. Paths start at the worker."""
        ...

    def equip(
        self, spec: WorkerSpec, manifest: Manifest, folder: str, needs: Mapping[str, str], image: str = ""
    ) -> Equipment:
        """What the worker runs, with what its package supplies where it says nothing; the package lies in that folder,
        and what it `needs` in these, by name. `image`: by what an engine of containers pulls it, if it is one.

        Raises Refused when the package can't be run in this way.
        """
        ...

    def secrets(self, spec: WorkerSpec) -> dict[str, str]:
        """The secrets that a spec without problems refers to, each with the path of a field that does."""
        ...

    async def launch(self, spec: WorkerSpec, attempt: int, ports: Mapping[str, int]) -> Handle:
        """Start the attempt, or find it if it was started before: harmless twice.

        Cancelled, it may or may not have started; launching the same attempt again tells.

        Raises:
            Rejected: the system refused; `text` is fit for the death record.
            Unavailable: not now; nothing was started.
        """
        ...

    async def attach(self, spec: WorkerSpec, attempt: int, handle: Handle) -> Sight:
        """After the owner died: take the attempt over if it still runs. Harmless twice."""
        ...

    def require_allowed(self, spec: WorkerSpec, act: Act) -> None:
        """Whether people may ask this of the worker while it runs. Raises Refused with what would have to be set."""
        ...

    async def terminate(
        self, worker: str, attempt: int, step: StopStep, number: int, purpose: Purpose = "stop"
    ) -> None:
        """Ask it to end. The end is reported by `events`; no answer is waited for. A gone attempt is no error.

        Harmless twice: a `number` not above the last one of this attempt is not carried out again. The `purpose` counts
        only for a provider that did not start what it runs.
        """
        ...

    async def kill(self, worker: str, attempt: int) -> None:
        """End it and all it started. Like `terminate` otherwise."""
        ...

    async def destroy(self, worker: str, attempt: int) -> None:
        """Forget an attempt that ended. Only after its exit was saved; idempotent."""
        ...

    async def inspect(self, worker: str, attempt: int) -> Sight: ...

    async def list_owned(self) -> list[Owned]:
        """All attempts under our mark on this host, ended ones that nobody destroyed included."""
        ...

    def events(self) -> AsyncIterator[list[Occurrence]]:
        """What happens from now on, in batches. An exit not yet destroyed is repeated after a reconnection."""
        ...

    async def stirred(self) -> bool | None:
        """Whether any attempt may have run since `usages` was last asked; None if to tell costs as much as that."""
        ...

    async def usages(self, attempts: Sequence[tuple[str, int]]) -> list[Reading | None]:
        """One for each (worker, attempt), in this order; None for one that is gone. Must not hold up the loop."""
        ...

    async def measure(self, attempts: Sequence[tuple[str, int]]) -> list[Measure | None]:
        """All that limits can bound, at the cost of a look at every process of these attempts. Like `usages` otherwise.

        What limits are watched for; `usages` is for everybody. Resident bytes are the processes' own, no page cache;
        nothing that is counted "so far" goes back.
        """
        ...

    async def hold(self, worker: str, attempt: int, hold: Hold) -> Handle | None:
        """Keep an attempt that runs within this from now on, as `launch` did with what its spec's limits ask for.

        Harmless twice. Returns the handle as it is now, for it says what is held, and what can't be; None if the
        attempt is gone.
        """
        ...

    def describe(self, spec: WorkerSpec) -> dict[str, str | bool]:
        """What it would run, and whether that is there: words for people, found out without running anything."""
        ...

    async def exec(self, spec: WorkerSpec, command: tuple[str, ...], timeout: float) -> Answer:
        """Run a command with the worker's environment, user and folder; ended, with its tree, after `timeout`."""
        ...

    async def drain(self, worker: str) -> None:
        """Return once what the worker wrote until now can be read, or soon if that can't be told."""
        ...

    async def release(self, worker: str) -> None:
        """The worker was removed: let go of what was kept for its next attempt."""
        ...


@runtime_checkable
class Swaps(Protocol):
    """What a provider has besides, if it hosts modules."""

    async def swap(self, worker: str, attempt: int) -> None:
        """Ask the module's host to have new code take over; what comes of it stands in its report.

        Only once a report said that its code can be changed. A gone attempt is no error. Raises Unavailable.
        """
        ...


@runtime_checkable
class Leads(Protocol):
    """What a provider has besides, if it keeps connections from workers that are not ready."""

    async def lead(self, worker: str, attempt: int, *, here: bool) -> None:
        """Lead new connections at sockets that a group shares to this attempt, or to others. Harmless twice.

        One that ends, or is being ended, is led no more without it; a gone attempt is no error.
        """
        ...


@runtime_checkable
class Brings(Protocol):
    """What a provider has besides, if what a worker runs may have to come from elsewhere before it can be launched."""

    @property
    def told(self) -> int:
        """Grows whenever `coming` says something else."""
        ...

    def coming(self, worker: str) -> Bringing | None:
        """What the launch of this worker waits for now; None when nothing has to come."""
        ...
