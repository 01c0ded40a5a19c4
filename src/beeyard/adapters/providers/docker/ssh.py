"""Connections to an engine on another host, each over one `ssh` process that runs `docker system dial-stdio` there.

As the `docker` command does it: names, keys and known hosts are those of ssh's own configuration. No password is ever
asked for.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections import deque
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import BaseConnector, ClientConnectionError
from aiohttp.connector import HIGH_LEVEL_SCHEMA_SET

if TYPE_CHECKING:
    from aiohttp import ClientRequest, ClientTimeout
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.tracing import Trace

OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=15", "-T")
SAID = 2000
"""Bytes of what ssh complains about that are kept."""


def argv(url: str) -> list[str]:
    """The command behind one connection to `ssh://[USER@]HOST[:PORT][/SOCKET]`."""
    parts = urlsplit(url)
    user = ["-l", parts.username] if parts.username else []
    port = ["-p", str(parts.port)] if parts.port else []
    at = ["--host", f"unix://{parts.path}"] if parts.path not in ("", "/") else []
    return ["ssh", *user, *port, *OPTIONS, "--", parts.hostname or "", "docker", *at, "system", "dial-stdio"]


class SshConnector(BaseConnector):
    """`said`: what ssh complained about last."""

    allowed_protocol_schema_set = HIGH_LEVEL_SCHEMA_SET | frozenset({"unix"})

    def __init__(self, url: str) -> None:
        super().__init__(limit=0)
        self._argv = argv(url)
        self._complaints: deque[bytes] = deque(maxlen=1)
        self._listening: set[int] = set()

    @property
    def said(self) -> str:
        """The last line."""
        for fd in list(self._listening):
            self._hear(fd)
        lines = b"".join(self._complaints).decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    async def _create_connection(
        self, req: "ClientRequest", traces: list["Trace"], timeout: "ClientTimeout"
    ) -> "ResponseHandler":
        ours, theirs = socket.socketpair()
        try:
            pid, complaints = _started(self._argv, theirs)
        except OSError as error:
            ours.close()
            raise ClientConnectionError(f"ssh can't be started: {error.strerror}") from None
        finally:
            theirs.close()
        self._complaints.clear()
        self._listening.add(complaints)
        self._loop.add_reader(complaints, self._hear, complaints)
        ended = os.pidfd_open(pid)
        self._loop.add_reader(ended, _reap, self._loop, ended)
        _, proto = await self._loop.create_unix_connection(self._factory, sock=ours)
        if (closed := proto.closed) is not None:
            closed.add_done_callback(partial(_end, ended))
        return proto

    def _hear(self, fd: int) -> None:
        try:
            data = os.read(fd, SAID)
        except BlockingIOError:
            return
        if data:
            self._complaints.append((b"".join(self._complaints) + data)[-SAID:])
        else:
            self._listening.discard(fd)
            self._loop.remove_reader(fd)
            os.close(fd)


def _started(command: list[str], stdio: socket.socket) -> tuple[int, int]:
    """Its pid, and the end of a pipe with what it complains about. In a session of its own: it asks no terminal, and
    hears no Ctrl-C."""
    complaints, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    actions = [(os.POSIX_SPAWN_DUP2, stdio.fileno(), 0), (os.POSIX_SPAWN_DUP2, stdio.fileno(), 1)]
    actions.append((os.POSIX_SPAWN_DUP2, writer, 2))
    defaults = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    try:
        pid = os.posix_spawnp(
            command[0], command, os.environ, file_actions=actions, setsid=True, setsigmask=[], setsigdef=defaults
        )
    except OSError:
        os.close(complaints)
        raise
    finally:
        os.close(writer)
    return pid, complaints


def _end(ended: int, closed: "asyncio.Future[None]") -> None:
    """Unless it ended by itself. Why it was closed, whoever used the connection was told."""
    if not closed.cancelled():
        closed.exception()
    with contextlib.suppress(OSError):
        signal.pidfd_send_signal(ended, signal.SIGTERM)


def _reap(loop: asyncio.AbstractEventLoop, ended: int) -> None:
    loop.remove_reader(ended)
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PIDFD, ended, os.WEXITED | os.WNOHANG)
    os.close(ended)
