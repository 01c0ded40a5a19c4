"""What goes into the lifecycle and what comes out: events are past facts or requests, effects are orders.

Every fact about one incarnation names its attempt, so that a late one can be told from a current one.
"""

from typing import Any, Literal

from msgspec import Struct

from beeyard.domain.lifetime import Quiet
from beeyard.domain.limits import Ending, LimitName, Severity
from beeyard.domain.refusals import Refusal
from beeyard.domain.spec import ProbeRole, StopStep, WorkerSpec
from beeyard.domain.supply import Supply

Timer = Literal["stop", "retry", "lifetime", "forget"]


class Now(Struct, frozen=True, gc=False):
    """One moment, twice: `mono` seconds for every decision, `wall` seconds since 1970 for people to read."""

    mono: float
    wall: float


class Handle(Struct, frozen=True):
    """What a provider needs to find a worker again after its owner died.

    `state` is opaque outside the provider, but for `pid` where there is one. `ports` are those that endpoints got.
    `output`: where in its log this attempt begins, a cursor; empty where nobody looked. `waits`: it was taken, and has
    yet to begin.
    """

    provider: str
    version: int
    state: dict[str, Any]
    ports: dict[str, int] = {}
    output: str = ""
    waits: bool = False


class Usage(Struct, frozen=True, omit_defaults=True, gc=False):
    """What one attempt used in its life: CPU seconds, and the largest resident set in bytes."""

    cpu: float = 0.0
    max_rss: int = 0


class Exit(Struct, frozen=True, omit_defaults=True):
    """How an attempt ended. Neither code nor signal: unknown, because nobody who could tell is left.

    `left`: it did not end at all; it is not Beeyard's own, and from now on nobody here looks after it.
    """

    code: int | None = None
    signal: int | None = None
    core: bool = False
    oom: bool = False
    leftovers: int = 0
    usage: Usage | None = None
    note: str = ""
    left: bool = False

    @property
    def success(self) -> bool:
        """Only a known exit code 0 is a success."""
        return self.code == 0


# --- requests -------------------------------------------------------------------------------------------------------


class Asked(Struct, frozen=True):
    """Someone asked for the worker to be up, down, or up anew; or to pause with all others, and to go on.

    `leave`: down, because nobody is to look after it any more. `rest` and `wake`: its group can do without it, or needs
    it again, for the reason `why`; neither is for one that people asked for themselves. `renew`: up anew, but only if
    it is to be up when its turn comes. `whole`: what is asked for is the whole group, of which this is an instance.
    `force`: down, and killed for that without any step before.
    """

    want: Literal["up", "down", "restart", "hold", "release", "leave", "rest", "wake", "renew"]
    by: str = ""
    whole: bool = False
    why: str = ""
    force: bool = False


class Respecified(Struct, frozen=True):
    """The spec was replaced."""

    spec: WorkerSpec
    by: str = ""


class Restored(Struct, frozen=True):
    """Its data is as it was before: whatever version it starts from next can read it."""

    by: str = ""


class Outdated(Struct, frozen=True):
    """What the worker is to be restarted with was restarted, and is there again: asked for by the spec."""

    reason: str


# --- facts ----------------------------------------------------------------------------------------------------------


class Prepared(Struct, frozen=True):
    """Everything the start needs is there; `upon` are the attempts of those that it is to be restarted with, `supply`
    is the package that it runs from."""

    upon: dict[str, int] = {}
    supply: Supply | None = None


class Rebased(Struct, frozen=True):
    """Other workers than before are those that it is to be restarted with; these are their attempts now."""

    upon: dict[str, int]


class Blocked(Struct, frozen=True):
    """The start waits, for this reason."""

    reason: str


class Launched(Struct, frozen=True):
    """The attempt runs; `handle` finds it again."""

    attempt: int
    handle: Handle


class LaunchFailed(Struct, frozen=True):
    """The attempt could not be started."""

    attempt: int
    reason: str
    refusal: Refusal | None = None


class Begun(Struct, frozen=True):
    """The attempt was taken before, and runs only now."""

    attempt: int


class Exited(Struct, frozen=True):
    """The attempt ended."""

    attempt: int
    exit: Exit


class Fired(Struct, frozen=True):
    """A timer that was set is due. `serial` tells it from one that was set later."""

    timer: Timer
    serial: int


class Probed(Struct, frozen=True):
    """Enough equal results of one probe in a row: its verdict changed."""

    attempt: int
    role: ProbeRole
    passed: bool
    reason: str = ""


class Said(Struct, frozen=True):
    """The attempt said what it does now, in words for people (None: as before), or asked for more seconds."""

    attempt: int
    status: str | None = None
    extend: float | None = None


class Exceeded(Struct, frozen=True):
    """One of its limits is at another level than before (None: within it again); `act`: what the policy wants now."""

    attempt: int
    limit: LimitName
    level: Severity | None
    text: str
    act: Ending | None = None


class Rested(Struct, frozen=True):
    """The attempt has done nothing for a while; None: it does something again."""

    attempt: int
    quiet: Quiet | None


class Restricted(Struct, frozen=True):
    """The attempt is kept within other limits than before; `handle` is what finds it now."""

    attempt: int
    handle: Handle


class ContactLost(Struct, frozen=True):
    """The provider can't tell at present whether the attempt still runs."""

    attempt: int
    reason: str


class ContactRegained(Struct, frozen=True):
    """The attempt was found again, as it was."""

    attempt: int


class MasterRestarted(Struct, frozen=True):
    """The attempt ran within a master that is gone, and it is gone with it: nobody's fault."""

    attempt: int


class HostRestarted(Struct, frozen=True):
    """The host booted since: nothing that ran then runs now."""


OfAttempt = (
    Launched
    | LaunchFailed
    | Exited
    | Probed
    | Said
    | Exceeded
    | Rested
    | Restricted
    | ContactLost
    | Begun
    | ContactRegained
    | MasterRestarted
)
"""Facts that mean nothing once another attempt is the current one."""

Event = (
    Asked
    | Respecified
    | Restored
    | Outdated
    | Prepared
    | Rebased
    | Blocked
    | Launched
    | LaunchFailed
    | Exited
    | Fired
    | Probed
    | Said
    | Exceeded
    | Rested
    | Restricted
    | ContactLost
    | Begun
    | ContactRegained
    | MasterRestarted
    | HostRestarted
)

# --- effects --------------------------------------------------------------------------------------------------------


class Prepare(Struct, frozen=True):
    """See to it that everything the start needs is there; answer Prepared or Blocked."""


class Launch(Struct, frozen=True):
    """Start this attempt; answer Launched or LaunchFailed. Harmless twice."""

    attempt: int


class Terminate(Struct, frozen=True):
    """Take this step of the stop sequence, the `number`th. Harmless twice."""

    attempt: int
    step: StopStep
    number: int


class Kill(Struct, frozen=True):
    """End the whole tree, now."""

    attempt: int


class Destroy(Struct, frozen=True):
    """The exit is saved: forget the attempt. Harmless twice. `provider`: who ran it."""

    attempt: int
    provider: str


class SetTimer(Struct, frozen=True):
    """Answer Fired(timer, serial) at `at` (monotonic). Replaces the worker's earlier timer."""

    timer: Timer
    at: float
    serial: int


class CancelTimer(Struct, frozen=True):
    """No timer is awaited any more."""


class Watch(Struct, frozen=True):
    """Begin the probes of this attempt and the watch over its limits; answer Probed and Exceeded on what changes."""

    attempt: int
    handle: Handle


class Unwatch(Struct, frozen=True):
    """End the probes, and the watch over the limits."""


class Lead(Struct, frozen=True):
    """Lead new connections at the sockets that it shares with its group to this attempt, or to others if not `here`.
    Harmless twice. That of one that ends or is being ended needs no order."""

    attempt: int
    here: bool


class Restrict(Struct, frozen=True):
    """Keep this attempt, which runs, within the limits as they are now; answer Restricted. Harmless twice."""

    attempt: int


class Forget(Struct, frozen=True):
    """The worker is done, and nobody is to hear of it any more. Not carried out while another worker needs it."""


class Bury(Struct, frozen=True):
    """Complete the death record of this attempt with its last lines, and keep it."""

    attempt: int


Effect = (
    Prepare
    | Launch
    | Terminate
    | Kill
    | Destroy
    | SetTimer
    | CancelTimer
    | Watch
    | Unwatch
    | Lead
    | Restrict
    | Forget
    | Bury
)
