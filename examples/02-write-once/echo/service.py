"""The service, written once. Nothing here asks where it runs."""

import os

from aiohttp import web
from msgspec import Struct

from beeyard.sdk import Context, Info, Module
from beeyard.sdk.http import routes
from echo.contract import Echo, Said
from echo.over_grpc import Serving


class Config(Struct, forbid_unknown_fields=True):
    """What `config` in the worker file may say. `grace`: seconds for calls that are under way at the end."""

    prefix: str = ""
    grace: float = 5.0


class Service(Module[Config]):
    """Made anew for each start."""

    config_type = Config
    calls: Serving | None = None

    async def initialize(self, context: Context[Config]) -> None:
        """Nothing listens yet."""
        self.context = context
        app = web.Application()
        app.add_routes(routes(Echo, self))
        self.pages = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        """Return once all ways to it are open."""
        ports = self.context.ports
        await self.pages.setup()
        await web.SockSite(self.pages, self.context.socket("http")).start()
        self.calls = Serving(self, f"127.0.0.1:{ports['grpc']}")
        self.context.offer(Echo, self)  # For callers in the same process.
        self.context.logger.info("listens on %d and %d", ports["http"], ports["grpc"])

    async def stop(self) -> None:
        """Answer what was asked, then close. It may be that only half of it was opened."""
        if self.calls is not None:
            await self.calls.stop(self.context.config.grace)
        await self.pages.cleanup()

    def info(self) -> Info:
        """What people see of it."""
        return Info("echo", "1.0.0", "Says again what it is told")

    async def say(self, text: str) -> Said:
        """As the contract says; by whatever way it was asked."""
        if not text:
            raise ValueError("nothing to say")
        return Said(self.context.config.prefix + text, self.context.worker, os.getpid())
