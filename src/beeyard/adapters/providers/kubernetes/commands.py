"""A command beside a worker, in its container: over a websocket, by the API's remote command protocol.

Each message begins with its channel: 1 and 2 are stdout and stderr, 3 says at last how it ended. The API has no way to
end a command. So the container's shell says first which process it is, and then becomes the command; when the time is
over, another one kills that process and its group. Without a shell in the image the command may go on, which is said.
"""

import asyncio
import contextlib
import re
from typing import Any

from msgspec import Struct

from beeyard.adapters.providers.kubernetes.api import Api
from beeyard.adapters.providers.kubernetes.naming import CONTAINER
from beeyard.adapters.providers.kubernetes.refusals import answered
from beeyard.domain.errors import BeeyardError
from beeyard.ports.provider import Answer

PROTOCOL = "v4.channel.k8s.io"
STDOUT, STDERR, ERROR = 1, 2, 3
MOST = 64 * 1024
"""Bytes of its output that are kept."""
TOLD = ("sh", "-c", 'echo "$$"; exec "$@"', "sh")
"""What goes before a command, so that the first line of its output is its process id."""
ENDING = 10.0
"""Seconds for ending one."""
UNENDED = "beeyard: it can't be ended, for its image has no shell: it may go on\n"

_NO_SHELL = re.compile(r'"sh": executable file not found|\bsh: no such file or directory', re.IGNORECASE)


class _Ran(Struct):
    """What is known of one so far. `code` None: it did not end, or did not start."""

    output: bytearray
    code: int | None = None
    unstarted: str = ""
    timed_out: bool = False

    def answer(self, after: str = "") -> Answer:
        """In the words of the port."""
        text = self.output.decode("utf-8", "replace") + self.unstarted + after
        return Answer(self.code, text, self.timed_out)


async def run(api: Api, path: str, command: tuple[str, ...], timeout: float) -> Answer:
    """How it ended; `path` is the pod's."""
    try:
        ran = await _run(api, path, (*TOLD, *command), timeout)
        pid, _, rest = bytes(ran.output).partition(b"\n")
        if pid.isdigit():
            ran.output[:] = rest
            if ran.timed_out:
                await _end(api, path, int(pid))
        elif _NO_SHELL.search(ran.answer().output):  # One runtime says so as its reason, another one as its output.
            ran = await _run(api, path, command, timeout)
            return ran.answer(UNENDED if ran.timed_out else "")
        return ran.answer()
    except BeeyardError as error:
        return Answer(None, str(error))


async def _end(api: Api, path: str, pid: int) -> None:
    """The runtime made it the leader of a session, so what it started is of its group, unless that wanted otherwise."""
    with contextlib.suppress(BeeyardError):
        await _run(api, path, ("sh", "-c", f"kill -9 -{pid} || kill -9 {pid}"), ENDING)


async def _run(api: Api, path: str, command: tuple[str, ...], timeout: float) -> _Ran:
    query = [("container", CONTAINER), ("stdout", "true"), ("stderr", "true"), *(("command", word) for word in command)]
    ran = _Ran(bytearray())
    try:
        async with asyncio.timeout(timeout), api.socket(f"{path}/exec", query, PROTOCOL) as socket:
            async for message in socket:
                channel, data = _part(message)
                if channel in (STDOUT, STDERR):
                    ran.output += data[: MOST - len(ran.output)]
                elif channel == ERROR:
                    ran.code, ran.unstarted = _ended(data)
    except TimeoutError:
        ran.timed_out = True
    return ran


def _part(message: Any) -> tuple[int, bytes]:
    data = message.data
    return (data[0], data[1:]) if isinstance(data, bytes) and data else (-1, b"")


def _ended(data: bytes) -> tuple[int | None, str]:
    """Its code; else why it did not run."""
    said = answered(data)
    if said.status == "Success":
        return 0, ""
    for cause in said.details.causes:
        if cause.reason == "ExitCode" and cause.message.isdecimal():
            return int(cause.message), ""
    return None, said.message
