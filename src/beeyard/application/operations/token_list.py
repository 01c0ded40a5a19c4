"""List tokens."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operation import Call, Operation, Request
from beeyard.application.tokens import WORKERS, Kind
from beeyard.domain.access import Grant

if TYPE_CHECKING:
    from beeyard.application.master import Master


class TokenView(Struct):
    """A token without its secret. Moments are wall-clock seconds; `used` is exact to the hour."""

    id: str
    name: str
    kind: Kind
    grant: Grant
    created: float
    by: str
    expires: float | None
    used: float | None


class TokenList(Request[list[TokenView]]):
    """Nothing to say."""


async def token_list(master: "Master", request: TokenList, call: Call) -> list[TokenView]:
    """List the tokens in force, and who is logged in with a browser; not what workers have to report with."""
    return [
        TokenView(token.id, token.name, token.kind, token.grant, token.created, token.by, token.expires, token.used)
        for token in master.tokens.all()
        if token.kind not in WORKERS
    ]


OPERATION = Operation("token_list", TokenList, token_list, role="admin", route="GET /v1/tokens")
