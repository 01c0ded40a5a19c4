"""Make a login link."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operation import Call, Operation, Request, denied
from beeyard.application.tokens import LINK
from beeyard.domain.access import Grant, Role
from beeyard.domain.errors import Refused

if TYPE_CHECKING:
    from beeyard.application.master import Master


class LoginLink(Struct):
    """A link that logs one browser in, once. `expires` in wall-clock seconds."""

    url: str
    expires: float | None


class TokenLink(Request[LoginLink]):
    """What whoever follows the link may do; without a role, what you may."""

    role: Role | None = None
    install: bool = False


async def token_link(master: "Master", request: TokenLink, call: Call) -> LoginLink:
    """Make a link that logs a browser in; it works once, and for ten minutes."""
    caller = call.caller
    url = master.place.url()
    if url is None:
        hint = "master: {listen: 127.0.0.1:8600} in the worker file, then beeyard up"
        raise Refused("not_listening", "the master has no address that a browser could open", hint=hint)
    grant = caller.grant
    if request.role is not None:
        grant = Grant(request.role, request.install, grant.workers)
    if not grant.within(caller.grant):
        raise denied(OPERATION, caller, "nobody gives more than they have")
    token, text = await master.tokens.create(caller.name, grant, caller.by, LINK, "link")
    return LoginLink(f"{url}/login#{text}", token.expires)


OPERATION = Operation("token_link", TokenLink, token_link, role="admin", changes=True, kept=False)
