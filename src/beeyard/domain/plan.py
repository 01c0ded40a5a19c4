"""What has to change so that the workers are as a file wishes them: values, printed by a dry run, applied by `up`.

Refuses to know how a plan is found (`planning`) and how two specs are compared (`differences`).
"""

from typing import Literal

from msgspec import Struct

Effect = Literal["restart", "start", "stop", "keep"]
"""What a change does to a worker's attempt. `keep`: it goes on, or the worker is down and stays so."""

Act = Literal["adjust", "stop", "add", "restart", "start", "remove"]


class Difference(Struct, frozen=True):
    """One field by its path in the worker file; `nothing` where it is not there. No value that may be a password."""

    field: str
    old: str
    new: str


class Change(Struct, frozen=True):
    """One worker that stays and is to be another: what differs, what that does to it, and why."""

    worker: str
    effect: Effect
    why: str
    fields: tuple[Difference, ...] = ()


class Stage(Struct, frozen=True):
    """Workers to which the same is done at the same time.

    A stop has ended before the next stage begins. What restarts is restarted once what it needs of the stages before
    is there; what starts waits for that by itself.
    """

    act: Act
    workers: tuple[str, ...]


class Plan(Struct, frozen=True):
    """Worker ids by what happens to them, then the same in detail and in order; `master` is what changes of itself.

    `restart` and `adjust` are both changes: the first means another attempt.
    """

    add: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    adjust: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    master: tuple[Difference, ...] = ()
    order: tuple[Stage, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.add or self.restart or self.adjust or self.remove or self.master)
