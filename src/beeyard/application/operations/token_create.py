"""Make a token."""

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct, field

from beeyard.application.operation import Call, Names, Operation, Request, TokenName, denied
from beeyard.domain.access import NEIGHBOUR, Grant, Role
from beeyard.domain.errors import Invalid

if TYPE_CHECKING:
    from beeyard.application.master import Master

YEAR = 366 * 86400.0


class TokenCreated(Struct):
    """The token, which is shown this once; `expires` in wall-clock seconds."""

    id: str
    name: str
    token: str
    grant: Grant
    expires: float | None


class TokenCreate(Request[TokenCreated]):
    """What the token is for, what it allows, and for how many seconds. `workers`: it is about these alone.
    `neighbour`: another Beeyard fetches files of packages with it, and that is all it is good for."""

    name: TokenName
    role: Role = "viewer"
    install: bool = False
    workers: Names = field(default_factory=list)
    neighbour: bool = False
    lasts: Annotated[float, Meta(gt=0, le=10 * YEAR, description="seconds, at most ten years of them")] = 90 * 86400.0


async def token_create(master: "Master", request: TokenCreate, call: Call) -> TokenCreated:
    """Make a token for the HTTP API; it is shown this once and kept as a hash only."""
    grant = Grant(request.role, request.install, tuple(request.workers))
    if request.neighbour:
        if grant != Grant():
            text, hint = "a neighbour's token allows nothing else", "leave out role, install and workers"
            raise Invalid("token_neighbour", text, hint=hint)
        grant = Grant(only=NEIGHBOUR)
    elif not grant.within(call.caller.grant):
        raise denied(OPERATION, call.caller, "nobody gives more than they have")
    token, text = await master.tokens.create(request.name, grant, call.caller.by, request.lasts)
    return TokenCreated(token.id, token.name, text, token.grant, token.expires)


OPERATION = Operation("token_create", TokenCreate, token_create, role="admin", changes=True, kept=False)
