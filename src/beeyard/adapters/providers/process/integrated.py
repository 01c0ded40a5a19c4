"""What an integrated worker gets beyond a managed one: `--port N`, and the files in which others look for that port.

The files stand where the older master wrote them: `pid_file`, and beside it the same name ending in `.port`.
"""

import contextlib
import logging
import os
from collections.abc import Mapping

from beeyard.adapters.providers.process.section import ProcessSection
from beeyard.domain.errors import Problem
from beeyard.domain.spec import Endpoint

PORT = "grpc"
"""The endpoint whose port it is given."""

_log = logging.getLogger(__name__)


def command(section: ProcessSection, ports: Mapping[str, int]) -> list[str]:
    """Its program, and what that is started with; the spec's own arguments stay as they are."""
    given = ["--port", str(ports[PORT])] if section.kind == "integrated" and PORT in ports else []
    return [section.executable_path, *section.args, *given]


def problems(section: ProcessSection, endpoints: Mapping[str, Endpoint]) -> list[Problem]:
    """Why there would be no port to give."""
    if section.kind != "integrated" or PORT in endpoints:
        return []
    return [Problem("endpoints", f"no `{PORT}`", f"an endpoint `{PORT}`: an integrated worker is given its port")]


def port_given(section: ProcessSection, pid: int) -> dict[str, int]:
    """The port that a process was started with by whoever did that, as its command line says."""
    with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/cmdline", "rb") as file:
        words = file.read().split(b"\0")
        if section.kind == "integrated":
            return {PORT: int(words[len(words) - words[::-1].index(b"--port")])}
    return {}


def announce(section: ProcessSection, pid: int, ports: Mapping[str, int]) -> None:
    """Write both files. A disk that refuses is logged: nobody's worker fails for it."""
    for path, number in zip(_files(section), (pid, ports.get(PORT)), strict=False):
        try:
            with open(f"{path}.new", "w") as file:
                file.write(f"{number}\n")
            os.replace(f"{path}.new", path)
        except OSError as error:
            _log.warning("%s is out of date: %s", path, error)


def withdraw(section: ProcessSection) -> None:
    """Remove both files: who they told of has ended."""
    for path in _files(section):
        with contextlib.suppress(OSError):
            os.unlink(path)


def _files(section: ProcessSection) -> tuple[str, ...]:
    if section.kind != "integrated" or not section.pid_file:
        return ()
    return section.pid_file, f"{section.pid_file.removesuffix('.pid')}.port"
