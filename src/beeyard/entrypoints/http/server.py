"""The HTTP server under the application: what is not even a request is answered as a problem too, and fills no log.

aiohttp answers it in plain text and logs it with a traceback, which is an invitation to whoever can reach the port.
"""

import logging
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from beeyard.domain.errors import BeeyardError
from beeyard.entrypoints.http.answers import problem, refusal

log = logging.getLogger("beeyard")


class Protocol(web.RequestHandler):
    """One connection."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what can't be understood, after which the connection is closed."""
        if request.writer.output_size:
            raise ConnectionResetError("failed after a part of the answer was sent")
        if status < 500:
            response = refusal(431 if isinstance(exc, LineTooLong) else status, "this is not HTTP as we understand it")
        else:
            log.error("a request failed in an unforeseen way", exc_info=exc)
            response = problem(BeeyardError("internal", "error in Beeyard: {error!r}", error=exc))
        response.force_close()
        return response


class Server(web.Server):
    """Makes those connections."""

    @classmethod
    def instead_of(cls, other: web.Server) -> "Server":
        """One that serves the same."""
        return cls(
            other.request_handler,
            request_factory=other.request_factory,
            handler_cancellation=other.handler_cancellation,
            **other._kwargs,
        )

    def __call__(self) -> web.RequestHandler:
        return Protocol(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application on that server. Compressed bodies are left as they are: nobody here wants one."""

    def __init__(self, app: web.Application, **options: Any) -> None:
        super().__init__(app, auto_decompress=False, **options)

    async def _make_server(self) -> web.Server:
        return Server.instead_of(await super()._make_server())
