"""One engine, and all that is done there: containers started, followed and ended, images pulled, output copied."""

import asyncio

from beeyard.adapters.copying import Desk
from beeyard.adapters.occurrences import Occurrences
from beeyard.adapters.providers.docker.engine import Engine
from beeyard.adapters.providers.docker.following import Following
from beeyard.adapters.providers.docker.pulling import Pulling
from beeyard.adapters.providers.docker.starting import Starting
from beeyard.adapters.providers.docker.stopping import Stopping
from beeyard.adapters.providers.docker.where import Where


class Place:
    """What there is for one engine; nothing is asked of it before `serve`."""

    def __init__(self, where: Where, owner: str, desk: Desk, occurrences: Occurrences) -> None:
        self.engine = Engine(where)
        self.pulling = Pulling(self.engine)
        self.following = Following(self.engine, owner, desk, occurrences)
        self.starting = Starting(self.engine, owner, self.following, desk, self.pulling)
        self.stopping = Stopping(self.engine, self.following, desk.ledger)

    async def serve(self) -> None:
        """Keep in touch, until cancelled."""
        following = asyncio.ensure_future(self.following.run())
        try:
            await asyncio.shield(following)
        finally:
            await self.stopping.close()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            self.pulling.close()
            await self.engine.close()
