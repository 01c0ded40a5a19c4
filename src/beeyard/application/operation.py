"""What an operation is: the one description from which its command, its route, its help and its audit are made.

A request's class says what is answered to it, so that `ask(Start(["web"]))` has a type. Streaming operations answer in
batches: each is what was there at once.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from beeyard.domain.access import EVERYTHING, Grant, Name, Need, Role, refusal
from beeyard.domain.errors import Denied
from beeyard.domain.spec import WorkerSpec

__all__ = [
    "EVERYTHING",
    "Call",
    "Caller",
    "Count",
    "Cursor",
    "JobId",
    "Limit",
    "Name",
    "Names",
    "Operation",
    "Request",
    "Seconds",
    "Specs",
    "Streamed",
    "TokenName",
]

R_co = TypeVar("R_co", covariant=True)

EXAMPLE = {"id": "web", "provider": "process", "run": {"executable_path": "/usr/bin/sleep", "args": ["60"]}}
"""As little as a spec can say; whoever reads the API's description starts from it."""

Seconds = Annotated[float, Meta(ge=0, le=366 * 86400, description="seconds, at most a year of them")]
Count = Annotated[int, Meta(ge=0, le=100_000, description="a whole number from 0 to 100000")]
Specs = Annotated[list[WorkerSpec], Meta(max_length=10_000, examples=[[EXAMPLE]])]
Names = Annotated[list[Name], Meta(max_length=10_000, examples=[["web"]])]
Cursor = Annotated[str, Meta(max_length=64, description="the cursor of an event, or nothing: from the oldest kept on")]
JobId = Annotated[
    str,
    Meta(
        pattern=r"^job-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?!\n)$",
        description="the id of a job",
        examples=["job-01890a5d-ac96-774b-bcce-b302099a8057"],
    ),
]
TokenName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_.@-]{1,64}(?!\n)$",
        description="1 to 64 letters, digits, '_', '.', '@' or '-'",
        examples=["ci"],
    ),
]
Limit = Annotated[int, Meta(ge=1, le=10_000, description="a whole number from 1 to 10000")]

REASON = 80
"""Characters of a reason that a story keeps."""
LONGEST = 200
"""Characters of one value that the journal keeps."""


class Request(Struct, Generic[R_co], forbid_unknown_fields=True):
    """One question, answered once, with an R."""


class Streamed(Struct, Generic[R_co], forbid_unknown_fields=True):
    """One question, answered with Rs as they come."""


class Caller(Struct, frozen=True):
    """Who asks, and what that one may do.

    `name`: the account that the system, or the token, says; `operator`: the person behind it, as far as it was told;
    `origin`: from where; `reason`: why, in the caller's words; `attempt`: of which worker it is, and its number, if it
    is one.
    """

    name: str
    grant: Grant
    operator: str = ""
    origin: str = ""
    reason: str = ""
    attempt: tuple[str, int] = ("", 0)

    @property
    def by(self) -> str:
        """The account, and the person behind it."""
        return f"{self.name} ({self.operator})" if self.operator and self.operator != self.name else self.name

    @property
    def because(self) -> str:
        """Who, and why, for the story of a worker; the whole of a long reason stands in the journal."""
        return f"{self.by}: {self.reason[:REASON]}" if self.reason else self.by

    def require(self, operation: "Operation", workers: Sequence[str], *, whole: bool = False) -> None:
        """For what a request turns out to be about besides the workers it names. Raises Denied."""
        if whole or workers:
            need = Need(operation.role, operation.install, None if whole else workers, reads=False)
            if reason := refusal(self.grant, need):
                raise denied(operation, self, reason)


def denied(operation: "Operation", caller: Caller, reason: str) -> Denied:
    """The error for an operation that this caller may not ask for."""
    text = "{name} may not {operation}: {reason}"
    hint = "someone who may can make a token that does: beeyard token create --help"
    return Denied("not_allowed", text, name=caller.name, operation=operation.name, reason=reason, hint=hint)


def _untold(kind: str, data: dict[str, Any]) -> None:
    """Nobody follows how it goes."""


class Call(Struct, frozen=True):
    """One request on its way: who asked, and `tell(kind, data)` for those who follow how it goes."""

    caller: Caller
    tell: Callable[[str, dict[str, Any]], None] = _untold


Handler = Callable[[Any, Any, Call], Awaitable[Any]]
"""(master, request, call)"""
Streamer = Callable[[Any, Any, Call], AsyncIterator[list[Any]]]
"""(master, request, call); batches of replies"""


class Operation(Struct, frozen=True):
    """One thing Beeyard can be asked to do.

    The first line of the handler's docstring is the help text. `changes`: it changes something, and so is a job and
    stands in the journal; `role` and `install`: who may ask; `route`: where a plain HTTP client finds it, besides
    `POST /v1/operations/NAME`; `version`: of what it answers, so that an unchanged answer need not be sent again;
    not `kept`: the answer is for whoever asked and for nobody else, and there is no job of it afterwards; `by_worker`:
    only an attempt of a worker asks it, of itself, by a token that is good for nothing else.
    """

    name: str
    request: type[Any]
    handle: Handler | Streamer
    role: Role = "viewer"
    changes: bool = False
    install: bool = False
    kept: bool = True
    by_worker: bool = False
    route: str = ""
    version: Callable[[Any], int] | None = None

    @property
    def reply(self) -> Any:
        """The type of one reply."""
        return get_args(self._base())[0]

    @property
    def streams(self) -> bool:
        """Whether replies come one after the other."""
        return get_origin(self._base()) is Streamed

    @property
    def summary(self) -> str:
        """One sentence for operators."""
        return (self.handle.__doc__ or "").strip().partition("\n")[0]

    def alters(self, request: Any) -> bool:
        """Whether this request changes anything: a rehearsal does not."""
        return self.changes and not getattr(request, "dry_run", False)

    def need(self, request: Any) -> Need:
        """What it takes to ask this."""
        only = self.name if self.by_worker else ""
        return Need(self.role, self.install, workers_of(request), reads=not self.changes, only=only)

    def recorded(self, request: Any) -> dict[str, Any]:
        """The request as the journal keeps it: which workers and which choices, but no spec and nothing long."""
        asked: dict[str, Any] = {}
        for field in msgspec.structs.fields(request):
            value = getattr(request, field.name)
            if field.name == "specs":
                asked[field.name] = [spec.id for spec in value]
            elif isinstance(value, str | int | float | bool | list | tuple) and value not in (field.default, [], ()):
                kept = [str(item)[:LONGEST] for item in value[:LONGEST]] if isinstance(value, list | tuple) else value
                asked[field.name] = kept[:LONGEST] if isinstance(kept, str) else kept
        return asked

    def _base(self) -> Any:
        return next(base for base in self.request.__orig_bases__ if get_origin(base) in (Request, Streamed))


def workers_of(request: Any) -> list[str] | None:
    """The names of workers and groups in a request; None for one that is not about workers."""
    if hasattr(request, "specs"):
        return [spec.id for spec in request.specs]
    if hasattr(request, "worker"):
        return [request.worker]
    return request.workers if hasattr(request, "workers") else None
