"""One worker as Beeyard remembers it: what is wanted, what is, and how it last ended. Records only.

A phase holds only what is true in it: there is no pid in a phase that has no process.
"""

from typing import Literal

from msgspec import Struct

from beeyard.domain.curve import Sample
from beeyard.domain.health import Health
from beeyard.domain.lifetime import Quiet
from beeyard.domain.limits import LimitName, Limits, Severity, raised
from beeyard.domain.messages import Exit, Handle
from beeyard.domain.refusals import Refusal
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.supply import Supply, supplied
from beeyard.domain.values import number_of, signal_name

CauseKind = Literal[
    "exit",
    "signal",
    "oom",
    "launch",
    "probe",
    "limit",
    "operator",
    "scaling",
    "dependency",
    "respec",
    "lifetime",
    "idle",
    "host",
    "unknown",
]


class Wanted(Struct, frozen=True, omit_defaults=True, gc=False):
    """Set by requests alone. A phase of another generation is out of date and has to make way.

    `on` is what people want of this worker; `held` while the whole master is taken down, which is to change no wish;
    `leave` when it is not on because nobody is to look after it any more. `standby` while its group can do without it,
    `fixed` once people asked for this instance alone, so that its group leaves it as it is. `force` when it is not on,
    and no step of its stop sequence is to be waited for.
    """

    on: bool
    generation: int = 1
    held: bool = False
    leave: bool = False
    standby: bool = False
    fixed: bool = False
    force: bool = False

    @property
    def up(self) -> bool:
        """Whether the worker should run now."""
        return self.on and not self.held and not self.standby

    @property
    def rests(self) -> bool:
        """Whether it would run if its group needed it."""
        return self.on and self.standby


class Cause(Struct, frozen=True, omit_defaults=True, gc=False):
    """Why an attempt ended, or is being ended; `severity` for the restart policy, `final` if nothing is to follow.

    `refusal`: of what kind it was, where the launch was refused.
    """

    kind: CauseKind
    detail: str = ""
    severity: Severity = "critical"
    final: bool = False
    refusal: Refusal | None = None


class Death(Struct, frozen=True, omit_defaults=True):
    """The record that each end leaves: what happened, what was decided, and the worker's last words.

    `at` is wall-clock seconds, `uptime` seconds. `usage`, what it used in its last minute, and `lines` are added after
    the end, when the log has been drained.
    """

    attempt: int
    at: float
    cause: Cause
    exit: Exit
    uptime: float
    was_ready: bool
    decision: str
    pid: int | None = None
    lines: tuple[str, ...] = ()
    usage: tuple[Sample, ...] = ()


# --- phases ---------------------------------------------------------------------------------------------------------


class Down(Struct, frozen=True, tag=True, gc=False):
    """Not running, and done with `generation`. `done`: since when nothing is to follow, because its restart policy says
    so after an end; None of one that somebody wants down, or that never ran."""

    generation: int
    reason: str = ""
    done: float | None = None


class Preparing(Struct, frozen=True, tag=True, gc=False):
    """About to start, once what the start needs is there; `blocked` says what is missing."""

    generation: int
    blocked: str = ""


class Starting(Struct, frozen=True, tag=True, gc=False):
    """The launch of `attempt` is ordered and not yet answered. `limits_due`: the limits changed since."""

    generation: int
    attempt: int
    since: float
    limits_due: bool = False


class Running(Struct, frozen=True, tag=True):
    """`attempt` runs.

    `started`: its startup probe passed, if it has one. `ready_since` is None while it is not ready,
    `contact_lost_since` unless we lost sight of it, for the reason `contact_lost`. `status` is what it says of itself.
    `limits_due`: it is not yet kept within its limits as they are now. `quiet`: how long it has done nothing, if its
    lifetime asks for that.
    """

    generation: int
    attempt: int
    handle: Handle
    since: float
    since_wall: float
    started: bool = True
    ready_since: float | None = None
    contact_lost_since: float | None = None
    contact_lost: str = ""
    status: str = ""
    limits_due: bool = False
    quiet: Quiet | None = None


class Stopping(Struct, frozen=True, tag=True):
    """`attempt` is being ended: `step` steps of the stop sequence are taken, the next is due at `deadline`. `status` is
    what is said of it meanwhile."""

    generation: int
    attempt: int
    handle: Handle
    since: float
    cause: Cause
    step: int
    deadline: float
    ready_since: float | None = None
    status: str = ""


class Waiting(Struct, frozen=True, tag=True, gc=False):
    """Between two attempts, until `until`."""

    generation: int
    until: float
    reason: str


class Failed(Struct, frozen=True, tag=True, gc=False):
    """The restart budget is spent. At `retry_at` one trial start is made; None: only when asked."""

    generation: int
    reason: str
    retry_at: float | None = None


Phase = Down | Preparing | Starting | Running | Stopping | Waiting | Failed


class Worker(Struct, frozen=True, omit_defaults=True):
    """Everything that outlives the master.

    `attempt` is the number of the last one, `serial` that of the last timer; `ports` are the ones it had last, `upon`
    the attempts of those that it is to be restarted with, as they were when it started. `over` says of limits that the
    attempt exceeds, or is about to, by how much; `raised` are the factors of those that `restart_adjusted` raised.
    `supply` is the package that it runs from, or ran from last; `epochs` say of each package by name which form of data
    the build of it that ran last wrote, where that is not the first.
    """

    spec: WorkerSpec
    wanted: Wanted
    phase: Phase
    attempt: int = 0
    serial: int = 0
    restarts: int = 0
    failures: tuple[float, ...] = ()
    trial: bool = False
    health: Health = Health()
    death: Death | None = None
    ports: dict[str, int] = {}
    upon: dict[str, int] = {}
    over: dict[LimitName, str] = {}
    raised: dict[LimitName, float] = {}
    supply: Supply | None = None
    epochs: dict[str, int] = {}

    @property
    def id(self) -> str:
        """The worker's id."""
        return self.spec.id

    @property
    def provider(self) -> str:
        """Who runs its attempt: whoever launched it, also when the spec names another one by now."""
        phase = self.phase
        return phase.handle.provider if isinstance(phase, Running | Stopping) else self.spec.provider

    @property
    def outfit(self) -> WorkerSpec:
        """The spec with what its package adds: what is carried out."""
        return supplied(self.spec, self.supply)

    @property
    def limits(self) -> Limits:
        """Those in force: the spec's, raised where that was the policy."""
        return raised(self.spec.limits, self.raised)


def new(spec: WorkerSpec) -> Worker:
    """A worker that was just added: down, and wanted up if its spec is enabled and its group begins with it."""
    begins = spec.half if spec.scaling is None else spec.scaling.least
    standby = spec.varies and number_of(spec.id) > begins
    return Worker(spec=spec, wanted=Wanted(on=spec.enabled, standby=standby), phase=Down(generation=0))


STATES: dict[type[Phase], str] = {
    Down: "stopped",
    Preparing: "preparing",
    Starting: "starting",
    Running: "running",
    Stopping: "stopping",
    Waiting: "backoff",
    Failed: "failed",
}
"""The word for each phase that readers of the API see; a worker never started is `registered`, one that its group can
do without is on `standby`."""


def state(worker: Worker) -> str:
    """The worker's state in one word."""
    if worker.wanted.rests and type(worker.phase) is Down:
        return "standby"
    if worker.attempt == 0 and type(worker.phase) is Down:
        return "registered"
    if type(worker.phase) is Running and worker.phase.handle.waits:
        return STATES[Starting]
    return STATES[type(worker.phase)]


def describe(exit: Exit) -> str:
    """An exit in words: `exit code 3`, `SIGSEGV (core dumped)`, `end unknown`."""
    if exit.left:
        return "let go: it runs on"
    if exit.oom:
        return "killed by the kernel: out of memory"
    if exit.signal is not None:
        return signal_name(exit.signal) + (" (core dumped)" if exit.core else "")
    if exit.code is not None:
        return f"exit code {exit.code}"
    return "end unknown" + (f": {exit.note}" if exit.note else "")
