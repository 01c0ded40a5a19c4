"""Files of packages for neighbours: each by its digest, whole or in ranges, and for whoever has a neighbour's token.

Nothing is listed, and no name or path is taken from a request. What a file is worth its reader finds out alone.
"""

from aiohttp import hdrs, web

from beeyard.application.master import Master
from beeyard.domain import access
from beeyard.domain.access import NEIGHBOUR, Need
from beeyard.domain.errors import Denied, NotFound
from beeyard.entrypoints.http.identity import Identity
from beeyard.entrypoints.http.parts import Schema, fetched

PATH = "/v1/packages/files/{sha256}"
_NEED = Need("viewer", only=NEIGHBOUR)


class Files:
    """Of one master."""

    def __init__(self, master: Master, identity: Identity) -> None:
        self._master = master
        self._identity = identity

    def add_to(self, app: web.Application) -> None:
        """Its route; HEAD is answered as well."""
        app.router.add_get(PATH, self.give)

    async def give(self, request: web.Request) -> web.StreamResponse:
        """One file. Raises Denied, NotFound."""
        caller = self._identity.caller(request)
        if reason := access.refusal(caller.grant, _NEED):
            text, hint = "{name} may not fetch files of packages: {reason}", "beeyard token create NAME --neighbour"
            raise Denied("not_allowed", text, name=caller.name, reason=reason, hint=hint)
        sha256 = request.match_info["sha256"]
        path = await self._master.packages.served(sha256)
        if path is None:
            hint = "`serve` of a repository keeps what comes from there; ask where the repository is"
            raise NotFound("no_such_file", "no file {sha256} is kept here", sha256=sha256[:64], hint=hint)
        return web.FileResponse(path, headers={hdrs.CONTENT_TYPE: "application/octet-stream"})


def described() -> dict[str, Schema]:
    """The route, as the API's description has it."""
    return {
        PATH: {"get": fetched("package_file", "sha256", "Fetch a file that is kept for neighbours, by its digest.")}
    }
