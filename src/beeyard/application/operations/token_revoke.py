"""Take a token back."""

from typing import TYPE_CHECKING

from beeyard.application.operation import Call, Operation, Request, TokenName

if TYPE_CHECKING:
    from beeyard.application.master import Master


class TokenRevoke(Request[str]):
    """A token's name or id."""

    token: TokenName


async def token_revoke(master: "Master", request: TokenRevoke, call: Call) -> str:
    """Take a token back; whoever holds it is a stranger from now on."""
    return (await master.tokens.revoke(request.token)).id


OPERATION = Operation(
    "token_revoke", TokenRevoke, token_revoke, role="admin", changes=True, kept=False, route="DELETE /v1/tokens/{token}"
)
