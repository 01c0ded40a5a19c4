"""Commands beside a container's program: their output in one text, and an end to those that take too long.

The engine starts them and can't end them. Where it runs on this host, we see what it started and end it ourselves.
"""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Sequence

from beeyard.adapters.providers.docker.engine import Engine
from beeyard.adapters.providers.docker.frames import Frames
from beeyard.domain.errors import NotFound, Refused, Rejected
from beeyard.launcher import kernel
from beeyard.ports.provider import Answer

MOST = 4096
"""Bytes of output that are kept."""
UNSTARTED = (126, 127)
"""Codes with which the engine says that there is no such program, its reason being the output."""

_REASON = re.compile(r'exec: "(?P<program>[^"]*)": (?:stat [^:]*: )?(?P<reason>[^:\n]*)')


async def run(engine: Engine, container: str, command: Sequence[str], timeout: float) -> Answer:
    """As its program runs: same user, folder and environment."""
    order = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(command)}
    try:
        made = (await engine.ask("POST", f"containers/{container}/exec", body=order))["Id"]
    except (NotFound, Refused, Rejected) as error:
        return Answer(None, str(error))
    output = bytearray()
    try:
        async with asyncio.timeout(timeout):
            await _read(engine, made, output)
    except TimeoutError:
        await _end(engine, made, container)
        return Answer(None, _text(output), timed_out=True)
    except (NotFound, Refused, Rejected) as error:
        return Answer(None, _unstarted(str(error)) or str(error))
    code = (await engine.ask("GET", f"exec/{made}/json"))["ExitCode"]
    if code in UNSTARTED and (reason := _unstarted(_text(output))):
        return Answer(None, reason)
    return Answer(code, _text(output))


async def _read(engine: Engine, made: str, output: bytearray) -> None:
    frames = Frames()
    body = {"Detach": False, "Tty": False}
    async with engine.open("POST", f"exec/{made}/start", body=body) as response:
        while data := await response.content.readany():
            for _, payload in frames.feed(data):
                output += payload[: MOST - len(output)]


async def _end(engine: Engine, made: str, container: str) -> None:
    """All that it started: what has it as forebear, as far as that is seen from here."""
    with contextlib.suppress(NotFound):
        pid = (await engine.ask("GET", f"exec/{made}/json"))["Pid"]
        if pid and _within(pid, container):
            for one in _family(pid):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(one, signal.SIGKILL)


def _within(pid: int, container: str) -> bool:
    """Whether this pid of the engine's is one of this host, and of that container."""
    try:
        with open(f"/proc/{pid}/cgroup") as file:
            return container in file.read()
    except OSError:
        return False


def _family(leader: int) -> list[int]:
    """It and its descendants, the eldest first."""
    children: dict[int, list[int]] = {}
    for pid in kernel.processes():
        if (seen := kernel.stat(pid)) is not None:
            children.setdefault(seen.parent, []).append(pid)
    found = [leader]
    for pid in found:
        found += children.get(pid, [])
    return found


def _unstarted(text: str) -> str:
    if "OCI runtime exec failed" not in text or (match := _REASON.search(text)) is None:
        return ""
    reason = match["reason"].strip()
    return f"{match['program']}: {reason[:1].upper()}{reason[1:]}"


def _text(output: bytearray) -> str:
    return output.decode(errors="replace")
