"""Who may ask for what.

Three roles, each with all rights of the one before it: a viewer looks, an operator starts and stops, an admin ends the
master and says who may do what. To install is a right of its own: it brings new programs onto the host, and whoever may
do that may in the end do there what the master may. And a grant can be limited to some groups of workers.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from beeyard.domain.values import WORKER, WORKER_EXPECTED, instance_of

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

NEIGHBOUR = "package_file"
"""What a token of a neighbour is for: to fetch files of packages."""

Name = Annotated[str, Meta(pattern=WORKER, description=WORKER_EXPECTED, examples=["web"])]


_WORKERS = "only a worker that was told to register may"


class Grant(Struct, frozen=True, omit_defaults=True):
    """What somebody may do. `workers`: the workers and groups that it is about; empty: all, and the master itself.

    `only`: the one operation that it is for, one that nobody else may ask; empty: all others.
    """

    role: Role = "viewer"
    install: bool = False
    workers: tuple[Name, ...] = ()
    only: str = ""

    def sees(self, worker: str) -> bool:
        """Whether it is about this worker."""
        return not self.workers or worker in self.workers or instance_of(worker) in self.workers

    def within(self, other: "Grant") -> bool:
        """Whether whoever holds `other` could do all that this one allows, and so may give it to somebody."""
        return (
            ROLES.index(self.role) <= ROLES.index(other.role)
            and self.install <= other.install
            and self.only == other.only
            and (not other.workers or (bool(self.workers) and all(map(other.sees, self.workers))))
        )


EVERYTHING = Grant("admin", install=True)
"""For root and the master's own user."""


class Need(Struct, frozen=True):
    """What one request takes. `workers` are those it names; None when it is about the master as a whole.

    `reads`: it changes nothing, so that one about the master as a whole is merely answered with what the asker sees.
    `only`: the operation, where it takes a grant for nothing but that.
    """

    role: Role
    install: bool = False
    workers: Sequence[str] | None = None
    reads: bool = True
    only: str = ""


def refusal(grant: Grant, need: Need) -> str:
    """Why the grant does not reach, in words; empty when it does."""
    if grant.only or need.only:
        if grant.only == need.only:
            return ""
        if grant.only:
            return f"this is for {grant.only} alone"
        return "it takes the token of a neighbour" if need.only == NEIGHBOUR else _WORKERS
    if ROLES.index(grant.role) < ROLES.index(need.role):
        return f"it takes the role {need.role}, and this one is {grant.role}"
    if need.install and not grant.install:
        return "it takes the right to install"
    if not grant.workers:
        return ""
    scope = ", ".join(grant.workers)
    if need.workers is None:
        return (
            "" if need.reads and need.role == "viewer" else f"it is about the whole master, and this only about {scope}"
        )
    if beyond := [worker for worker in need.workers if not grant.sees(worker)]:
        return f"it is about {', '.join(beyond)}, and this only about {scope}"
    if not need.workers and not need.reads:
        return f"it names no worker, and this is only about {scope}"
    return ""
